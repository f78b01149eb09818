"""`stream model pack`: an .onnx file becomes models/<name>/<version>/, proven and complete, or nothing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import JsonValue, ValidationError

from stream import __version__
from stream.errors import ConfigurationError, Problem
from stream.inference.manifest import DEFAULT_TOLERANCE, NAME_PATTERN, Manifest
from stream.inference.package import MANIFEST_FILE, MODEL_FILE, finished_versions, read_model
from stream.inference.trial import DEFAULT_LIMITS, Limits, run_child, try_package

_LINE_CHARS: Final = 120


def pack(
    file: Path,
    name: str,
    *,
    into: Path,
    now: datetime,
    version: int | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    golden: Path | None = None,
    missing: Literal["refuse", "nan"] = "refuse",
    metadata: Mapping[str, JsonValue] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Path:
    """Make a package of an ONNX file; returns into/<name>/<version>.

    version: the next free one by default. columns: feature order by input name, "" for the only input; by
    default the model's metadata_props, then the header of the golden rows. golden: a CSV file of feature rows, whose
    outputs are computed here; without one, three generated rows prove the file only.
    The model runs in a child process under limits. The package appears by one rename, after it was checked.
    Raises ConfigurationError.
    """
    version = _free_version(into, name, version)
    model = read_model(file)
    request = {
        "do": "draft",
        "model": str(file),
        "golden": str(golden) if golden else None,
        "columns": dict(columns or {}),
        "missing": missing,
    }
    drafted = run_child(request, limits, str(file))
    noted = {**(metadata or {}), **_kind_of_rows(golden)}
    manifest = _manifest(drafted, name=name, version=version, model=model, now=now, metadata=noted)
    target = into / name / str(version)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".packing-") as scratch:
        staged = Path(scratch) / name / str(version)
        staged.mkdir(parents=True)
        (staged / MODEL_FILE).write_bytes(model)
        (staged / MANIFEST_FILE).write_text(_pretty(manifest.model_dump(mode="json")) + "\n", encoding="utf-8")
        try_package(staged, limits)
        _publish(staged, target)
    return target


def _free_version(into: Path, name: str, version: int | None) -> int:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigurationError([f"{name!r} is no model name: letters, digits, '.', '_' and '-'"])
    if version is None:
        return max(finished_versions(into / name), default=0) + 1
    if version < 1:
        raise ConfigurationError([f"version {version}: versions are whole numbers from 1"])
    if (into / name / str(version) / MANIFEST_FILE).exists():
        message = "this version is there already, and a version never changes: leave --version out for the next one"
        raise ConfigurationError([Problem(message, place=str(into / name / str(version)))])
    return version


def _manifest(
    drafted: Mapping[str, Any],
    *,
    name: str,
    version: int,
    model: bytes,
    now: datetime,
    metadata: Mapping[str, JsonValue],
) -> Manifest:
    try:
        return Manifest.model_validate(
            {
                "format": 1,
                "name": name,
                "version": version,
                "sha256": hashlib.sha256(model).hexdigest(),
                "inputs": drafted["inputs"],
                "outputs": drafted["outputs"],
                "golden": {"tolerance": DEFAULT_TOLERANCE, "rows": drafted["rows"]},
                "created": {
                    "at": now,
                    "by": f"stream {__version__}",
                    "onnxruntime": installed("onnxruntime"),
                    "producer": drafted["producer"],
                },
                "metadata": metadata,
            }
        )
    except ValidationError as error:
        raise ConfigurationError([f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]) from None


def _kind_of_rows(golden: Path | None) -> dict[str, JsonValue]:
    return {} if golden else {"golden": "generated"}


def _pretty(value: object, indent: int = 0) -> str:
    """JSON to read and to compare: what fits a line stays on one, so a golden row is a line of a diff."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(line) + indent <= _LINE_CHARS or not isinstance(value, dict | list):
        return line
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        inner = [f"{pad}{json.dumps(key)}: {_pretty(item, indent + 1)}" for key, item in value.items()]
    else:
        inner = [f"{pad}{_pretty(item, indent + 1)}" for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(inner) + f"\n{' ' * indent}{closing}"


def _publish(staged: Path, target: Path) -> None:
    """One rename. A folder without a manifest is a copy that broke off, and gives way."""
    target.parent.mkdir(exist_ok=True)
    if target.exists() and not (target / MANIFEST_FILE).exists():
        shutil.rmtree(target)
    try:
        staged.rename(target)
    except OSError:
        message = "another package took this version meanwhile; pack again"
        raise ConfigurationError([Problem(message, place=str(target))]) from None
