"""The kinds of stage. Adding one = adding a file in this folder and its name to KINDS.

What such a file holds is described in `stream.stages.stage`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import pydantic

    from stream.stages.stage import Stage

KINDS: Final = {
    "validate": "check events against a Great Expectations suite",
    "transform": "add columns computed by SQL expressions",
    "infer": "score events with an ONNX model",
    "call": "run a Python function of your own over the columns",
    "http": "call a service over HTTP for each event or for groups of them",
}
"""What a pipeline file may write under `stages`, and what it does."""

NEEDS_RETRY: Final = frozenset({"http"})
"""Kinds at which an event can fail that would pass later: their pipeline must say what happens to it then."""


class Kind(NamedTuple):
    """What a stage file offers."""

    settings: type[pydantic.BaseModel]
    build: Callable[..., Stage]
    adds: Callable[[Any], set[str] | None]


def kind(name: str) -> Kind:
    """The stage kind of this name; imports its file. Raises KeyError for a name that is not in KINDS."""
    from importlib import import_module

    if name not in KINDS:
        raise KeyError(name)
    module: Any = import_module(f"stream.stages.{name}")
    return Kind(module.Settings, module.build, module.adds)
