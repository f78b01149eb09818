"""The files of a new project: from the package's templates, all of them or none."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from stream import __version__
from stream.config import json_schema
from stream.errors import ConfigurationError

TEMPLATE: Final = ".tmpl"
"""Ends the names of files whose tokens are filled; the others are copied as they are."""
NAME_TOKEN: Final = "@NAME@"
VERSION_TOKEN: Final = "@VERSION@"
"""The tag of the image."""
PIN_TOKEN: Final = "@PIN@"
"""What stands behind the package's name in requirements.txt."""
PIPELINE: Final = "pipelines/pipeline.yaml"
EDITOR_SCHEMA: Final = "pipelines/pipeline.schema.json"
EVENTS: Final = "events/readings.jsonl"
MAX_NAME: Final = 60
"""Leaves room for what is added in names of topics and of transactional ids."""

_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{MAX_NAME - 1}}}")


def project_name(folder: Path) -> str:
    """The name a folder suggests: "Pump Station_2" becomes pump-station-2."""
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:MAX_NAME].strip("-") or "machines"


def make_project(folder: Path, name: str) -> list[str]:
    """Write a project; returns the paths of its files, relative to the folder and sorted.

    The folder appears by one rename, so that nobody sees half of it. Raises ConfigurationError when
    the name is not one, when the folder holds anything, or when it cannot be written.
    """
    if not _NAME.fullmatch(name):
        message = f"--name {name}: small letters, digits and '-', at most {MAX_NAME}, a letter or digit first"
        raise ConfigurationError([message])
    _refuse_used(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            staged = Path(scratch) / "project"
            staged.mkdir()
            _fill(resources.files("stream.scaffold") / "project", staged, name)
            _publish(staged, folder)
    except OSError as error:
        raise ConfigurationError([f"{folder}: cannot be written: {error.strerror}"]) from error
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def pipeline_path(name: str) -> str:
    """Where the pipeline file of a project stands."""
    return str(Path(PIPELINE).with_stem(name).as_posix())


def version_tokens(version: str) -> dict[str, str]:
    """A release is named; a build between two releases is in no index, and its image is the one made last."""
    released = re.fullmatch(r"[0-9]+(\.[0-9]+)*", version) is not None
    return {VERSION_TOKEN: version if released else "latest", PIN_TOKEN: f"=={version}" if released else ""}


def _refuse_used(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigurationError([f"{folder} is a file: name a folder that is new or empty"])
    held = sorted(path.name for path in folder.iterdir())
    if held:
        shown = ", ".join(held[:3]) + (", ..." if len(held) > 3 else "")
        raise ConfigurationError([f"{folder} is not empty ({shown}): nothing is overwritten, name a new folder"])


def _fill(source: Traversable, target: Path, name: str) -> None:
    tokens = {NAME_TOKEN: name, **version_tokens(__version__)}
    _copy(source, target, tokens)
    (target / PIPELINE).rename(target / pipeline_path(name))
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    (target / EDITOR_SCHEMA).write_text(schema + "\n", encoding="utf-8")


def _copy(source: Traversable, target: Path, tokens: Mapping[str, str]) -> None:
    """A folder and all below it."""
    for item in source.iterdir():
        if item.is_dir():
            (target / item.name).mkdir()
            _copy(item, target / item.name, tokens)
        elif item.name.endswith(TEMPLATE):
            name = item.name.removesuffix(TEMPLATE)
            path = target / (".gitignore" if name == "gitignore" else name)
            path.write_text(_filled(item.read_text("utf-8"), tokens), encoding="utf-8")
        else:
            (target / item.name).write_bytes(item.read_bytes())


def _filled(text: str, tokens: Mapping[str, str]) -> str:
    for token, value in tokens.items():
        text = text.replace(token, value)
    return text


def _publish(staged: Path, folder: Path) -> None:
    """An empty folder keeps its place and its owner; a new one gets the mode that folders have here."""
    if not folder.exists():
        staged.rename(folder)
        return
    for item in staged.iterdir():
        shutil.move(item, folder / item.name)
