"""What may stand at a key of the pipeline file, in words, from its JSON Schema."""

from __future__ import annotations

from typing import Any, Final

_UNITS: Final = {"/ ?(s|m|h)": "rate", "(ms|s|m|h)": "duration", "(B|kB|": "size"}
"""Part of a pattern -> what a text of this pattern is; the first that fits."""
_PARTS: Final = {
    "Retry": "mapping as `failures.retry`",
    "ResponseField": "mapping with `field`, `type`, `optional`",
}
_PLAIN: Final[dict[str, str]] = {"string": "text", "boolean": "true or false", "null": "nothing"}


def type_text(found: dict[str, Any]) -> str:
    """For people: "duration", "integer, 1 to 256", "list of text", "`classic` or `consumer`"."""
    if "anyOf" in found:
        return " or ".join(type_text(option) for option in found["anyOf"] if option.get("type") != "null")
    if "enum" in found:
        return " or ".join(f"`{value}`" for value in found["enum"])
    part = found.get("$ref", "").rsplit("/", 1)[-1]
    return _PARTS[part] if part in _PARTS else _of_type(found)


def _of_type(found: dict[str, Any]) -> str:
    kind: str | list[str] = found["type"]
    if isinstance(kind, list):  # text, or a bare number or truth value of YAML
        return "SQL expression"
    if kind == "array":
        return f"list of {type_text(found['items'])}" if "type" in found["items"] else "list"
    if kind == "object":
        values = found.get("additionalProperties")
        return f"mapping to {type_text(values)}" if isinstance(values, dict) else "mapping"
    if kind in ("integer", "number"):
        return kind + _bounds(found)
    if found.get("format") == "date-time":
        return "time with zone"
    pattern = found.get("pattern", "")
    return next((unit for part, unit in _UNITS.items() if part in pattern), _PLAIN[kind])


def _bounds(found: dict[str, Any]) -> str:
    low = f"over {found['exclusiveMinimum']}" if "exclusiveMinimum" in found else found.get("minimum")
    return "" if low is None else f", {low} to {found['maximum']}" if "maximum" in found else f", from {low}"
