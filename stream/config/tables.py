"""Tables for people and for editors, made from the models so that they cannot lie."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from stream.config.environment import REGISTRY_VARIABLES, VARIABLES, Variable
from stream.config.key_types import type_text
from stream.config.pipeline_file import (
    Batch,
    DeadLetter,
    Failures,
    Group,
    Limit,
    PipelineFile,
    Transaction,
)
from stream.stages import kind
from stream.stages.retry import Retry

Row = tuple[str, ...]

_PARTS: Final[tuple[type[BaseModel], ...]] = (Batch, DeadLetter, Failures, Group, Limit, Retry, Transaction)
"""Parts of the file that may be left out whole."""

_SETTINGS: Final = re.compile(r"stream__stages__([a-z]+)(?:_settings)?__Settings")
"""What pydantic calls the models of the stages, all of which are named Settings."""

_SAID: Final = {"pipeline": "name of the file", "failures.dead_letter.topic": "`<pipeline>.dlq`"}
"""Defaults that depend on other values."""

_KAFKA_ROW: Final[Row] = (
    "`STREAM_KAFKA_<PROPERTY>`",
    "",
    (
        "Any property of librdkafka, dots as underscores: `STREAM_KAFKA_BOOTSTRAP_SERVERS`. Those that exactly-once"
        " processing depends on are refused, saying why. Passwords and keys also by `..._FILE`."
    ),
)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the pipeline file: completion, help and checks in an editor."""
    schema = _untitled(PipelineFile.model_json_schema(by_alias=True))
    schema["required"] = [key for key in schema["required"] if key != "pipeline"]
    text = json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "stream pipeline", **schema})
    named: dict[str, Any] = json.loads(_SETTINGS.sub(lambda found: found[1].capitalize(), text))
    for part in _PARTS:
        _write_defaults(named["$defs"][part.__name__]["properties"], part())
    _write_defaults(named["$defs"]["Http"]["properties"], kind("http").settings(url="http://host/"))
    return named


def configuration_table() -> str:
    """Markdown: every key of the pipeline file, its type, its default and its meaning."""
    return _markdown(("Key", "Type", "Default", "Meaning"), list(_keys(json_schema())))


def environment_table() -> str:
    """Markdown: every environment variable, its default and its meaning."""
    variables = (*REGISTRY_VARIABLES.values(), *VARIABLES)
    return _markdown(("Variable", "Default", "Meaning"), [_KAFKA_ROW, *map(_variable_row, variables)])


def _variable_row(variable: Variable) -> Row:
    default = variable.default if " " in variable.default or not variable.default else f"`{variable.default}`"
    secret = " A secret: may also come from the file that `..._FILE` names." if variable.secret else ""
    return f"`{variable.name}`", default, variable.meaning + secret


def _write_defaults(properties: dict[str, Any], part: BaseModel) -> None:
    """Defaults as a person would write them: 20ms, not 0.02."""
    for key, value in part.model_dump(mode="json", by_alias=True).items():
        if "default" in properties[key]:
            properties[key]["default"] = value


def _keys(root: dict[str, Any]) -> Iterator[Row]:
    for name, found in root["properties"].items():
        if name == "stages":
            yield _row("stages", found, "required")
            kinds = found["items"]["properties"]
            for kind_name, settings in kinds.items():
                yield from _below(f"stages[].{kind_name}", settings, root, required=True)
        else:
            yield from _below(name, found, root, required=name in root["required"])


def _below(path: str, found: dict[str, Any], root: dict[str, Any], *, required: bool = False) -> Iterator[Row]:
    """A row for each key under this path, or for the path itself when it holds a value."""
    inner = found.get("items", found)
    if "$ref" in inner:
        inner = root["$defs"][inner["$ref"].rsplit("/", 1)[1]]
    if "properties" not in inner:
        told = {**inner, **found, "description": {**found, **inner}.get("description", "")}
        yield _row(path, told, "required" if required else _default(path, found))
        return
    path += "[]" if "items" in found else ""
    for name, below in inner["properties"].items():
        yield from _below(f"{path}.{name}", below, root, required=name in inner.get("required", ()))


def _row(path: str, found: dict[str, Any], default: str) -> Row:
    return f"`{path}`", type_text(found), default, " ".join(found.get("description", "").split())


def _default(path: str, found: dict[str, Any]) -> str:
    default = found.get("default")
    if path in _SAID:
        return _SAID[path]
    return "" if default is None else "none" if default == [] else f"`{default}`"


def _markdown(head: Row, rows: list[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    """Markdown reads <name> as HTML outside of `code`, and | as the end of the cell."""
    parts = text.split("`")
    plain = [part.replace("<", "\\<") if index % 2 == 0 else part for index, part in enumerate(parts)]
    return "`".join(plain).replace("|", "\\|")


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes of names: an editor would show them instead of the key."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _untitled(sub) for name, sub in value.items()}
        if key in ("properties", "$defs")
        else _untitled(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
