"""A pipeline like the user's, with a name and topics of its own: nothing of the user's is read or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from stream.avro import Schema
from stream.config import Config, PipelineFile
from stream.config.values import MAX_NAME, MAX_TOPIC

SCHEMA_NAME: Final = "input-of-registry.avsc"
"""Written when the pipeline file names no input schema: the registry's subject is that of the user's topic."""


def derive(config: Config, schema: Schema, mark: str, folder: Path) -> Path:
    """Write the pipeline file anew below the empty `folder`; schema is that of its input. Gives the new file's path.

    Everything beside the original and in the folder above it is linked there, so that the files it names
    are found as before. mark starts the name and every topic.
    """
    home = _mirror(config.path, folder)
    content = _with_names(_with_absolute_paths(config.document.data, config.path.parent), config.file, mark)
    if config.file.input.schema_file is None:
        (home / SCHEMA_NAME).write_text(json.dumps(schema.json), "utf-8")
        content["input"]["schema"] = SCHEMA_NAME
    new = home / f"{mark}.yaml"
    new.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return new


def topic_of(mark: str, topic: str) -> str:
    """The topic that stands for one of the user's."""
    return f"{mark}.{topic}"[:MAX_TOPIC]


def _with_names(data: dict[str, Any], file: PipelineFile, mark: str) -> dict[str, Any]:
    outputs = [{**output, "topic": topic_of(mark, output["topic"])} for output in data["outputs"]]
    failures = dict(data.get("failures") or {})
    dead_letter = {**(failures.get("dead_letter") or {}), "topic": topic_of(mark, file.dead_letter_topic)}
    return {
        **data,
        "pipeline": f"{mark}.{file.name}"[:MAX_NAME],
        "input": {
            **data["input"],
            "topic": [topic_of(mark, topic) for topic in file.input.topics],
            "start": "earliest",
        },
        "outputs": outputs,
        "failures": {**failures, "dead_letter": dead_letter},
    }


def _with_absolute_paths(value: Any, folder: Path) -> Any:
    """Names that lead out of the mirrored folders, such as ../../models, as absolute paths."""
    match value:
        case dict():
            return {key: _with_absolute_paths(below, folder) for key, below in value.items()}
        case list():
            return [_with_absolute_paths(below, folder) for below in value]
        case str() if value.startswith("../") and (folder / value).exists():
            return str((folder / value).resolve())
        case _:
            return value


def _mirror(path: Path, folder: Path) -> Path:
    """Links in `folder` and one below to what is in the two folders where a project looks files up."""
    original = path.parent.resolve()
    home = folder / (original.name or "pipelines")
    home.mkdir()
    for source, target in ((original, home), (original.parent, folder)):
        for entry in source.iterdir():
            if not (target / entry.name).exists():
                (target / entry.name).symlink_to(entry)
    return home
