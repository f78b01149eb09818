"""What names, topics and starting points may look like."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

MAX_NAME: Final = 100
MAX_TOPIC: Final = 249
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}")
_TOPIC: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_TOPIC}}}")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"'{value}' cannot be a name: letters, digits, '.', '_' and '-' only, at most {MAX_NAME} characters,"
            " starting with a letter or digit"
        )
    return value


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value) or value in (".", ".."):
        raise ValueError(
            f"'{value}' cannot be a topic: letters, digits, '.', '_' and '-' only, at most {MAX_TOPIC} characters"
        )
    return value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError("names a topic twice; keep one")
    return value


def _start(value: Any) -> str:
    """earliest, latest, or milliseconds since the epoch as digits."""
    if value in ("earliest", "latest"):
        return str(value)
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"must be earliest, latest or a time such as 2026-01-31T06:00:00Z, not '{value}'") from None
    if moment.tzinfo is None:
        raise ValueError(f"needs a time zone: {moment.isoformat()}Z for UTC")
    return str(int(moment.timestamp() * 1000))


def _start_text(start: str) -> str:
    """As a person writes it."""
    return datetime.fromtimestamp(int(start) / 1000, UTC).isoformat() if start.isdecimal() else start


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})]
Topic = Annotated[str, AfterValidator(_topic), WithJsonSchema({"type": "string", "pattern": f"^{_TOPIC.pattern}$"})]
Start = Annotated[
    str,
    BeforeValidator(_start),
    PlainSerializer(_start_text, when_used="json"),
    WithJsonSchema({"anyOf": [{"enum": ["earliest", "latest"]}, {"type": "string", "format": "date-time"}]}),
]

Topics = Annotated[
    tuple[Topic, ...],
    BeforeValidator(_listed),
    AfterValidator(_distinct),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_TOPIC.pattern}$"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
"""One topic or a list of them."""
