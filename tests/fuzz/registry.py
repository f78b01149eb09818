"""The targets by name; each is loaded when it is asked for, since their imports are heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from fuzz.target import Target

NAMES: Final = (
    "decoder",
    "framing",
    "headers",
    "pipeline",
    "suite",
    "manifest",
    "onnx",
    "schema",
    "filter",
    "answer",
    "environment",
    "files",
)
"""Each is a module fuzz.targets.<name> with a TARGET."""


def target_of(name: str) -> Target:
    """Raises ModuleNotFoundError for a name that there is not."""
    target: Target = import_module(f"fuzz.targets.{name}").TARGET
    return target
