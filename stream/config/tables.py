"""Tables for people and for editors, made from the models so that they cannot lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from stream.config.environment import REGISTRY_VARIABLES, VARIABLES
from stream.config.pipeline_file import PipelineFile

_KAFKA_MEANING: Final = (
    "Any property of librdkafka, dots as underscores: `STREAM_KAFKA_BOOTSTRAP_SERVERS`. Those that exactly-once"
    " processing depends on are refused, saying why. Passwords and keys also by `..._FILE`."
)
KAFKA_ROW: Final = ("`STREAM_KAFKA_<PROPERTY>`", "", _KAFKA_MEANING)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the pipeline file: completion, help and checks in an editor."""
    schema = _untitled(PipelineFile.model_json_schema(by_alias=True))
    schema["required"] = [key for key in schema["required"] if key != "pipeline"]
    schema["properties"]["stages"]["items"] |= {"minProperties": 1, "maxProperties": 1}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "stream pipeline", **schema}


def configuration_table() -> str:
    """Markdown: every key of the pipeline file but those of the stages, its default and its meaning."""
    return _markdown(("Key", "Default", "Meaning"), list(_keys(json_schema(), "")))


def environment_table() -> str:
    """Markdown: every environment variable, its default and its meaning."""
    rows = [(f"`{v.name}`", f"`{v.default}`" if v.default else "", _meaning(v.meaning, v.secret)) for v in VARIABLES]
    registry = [(f"`{v.name}`", "", _meaning(v.meaning, v.secret)) for v in REGISTRY_VARIABLES.values()]
    return _markdown(("Variable", "Default", "Meaning"), [KAFKA_ROW, *registry, *rows])


def _meaning(text: str, secret: bool) -> str:
    return f"{text} A secret: may also come from the file that `..._FILE` names." if secret else text


def _keys(schema: dict[str, Any], prefix: str, root: dict[str, Any] | None = None) -> Iterator[tuple[str, str, str]]:
    root = root or schema
    for name, found in schema["properties"].items():
        path = f"{prefix}{name}"
        nested = _object(found, root)
        if nested is not None and path != "stages[]":
            yield from _keys(nested, f"{path}[]." if found.get("type") == "array" else f"{path}.", root)
            continue
        yield f"`{path}`", _default(name, found, schema), found.get("description", "")


def _object(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the mapping, or of the items of the list, that stands here."""
    schema = schema.get("items", schema)
    reference = schema.get("$ref", "")
    if reference:
        schema = root["$defs"][reference.rsplit("/", 1)[1]]
    return schema if "properties" in schema and "minProperties" not in schema else None


def _default(name: str, found: dict[str, Any], parent: dict[str, Any]) -> str:
    if name in parent.get("required", ()):
        return "required"
    default = found.get("default")
    if default is None:
        return ""
    return f"`{default}`" if default != [] else "none"


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


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
