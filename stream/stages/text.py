"""What a person writes in the settings of a stage: expressions and column names."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
META_NAMES: Final = ("_topic", "_partition", "_offset", "_timestamp", "_key")
"""The names of stream.batch.META_SCHEMA, here without pyarrow; a test compares."""


def _expression(value: Any) -> Any:
    """`threshold: 15` and `flag: true` are expressions too, though YAML reads a number and a boolean."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if value is None:
        raise ValueError("must be an SQL expression, not nothing")
    if isinstance(value, str) and not value.strip():
        raise ValueError("must be an SQL expression, not an empty text")
    return value


def _column(name: str) -> str:
    if name in META_NAMES:
        raise ValueError(f"'{name}' is a meta column and cannot be replaced; choose another name")
    if not _COLUMN.fullmatch(name):
        raise ValueError(
            f"'{name}' cannot be a column name: letters, digits and _ only, not starting with a digit;"
            " inside {...} a comma ends an expression: put it in quotes or on its own line"
        )
    return name


ExpressionText = Annotated[
    str,
    BeforeValidator(_expression),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
"""An SQL expression over columns."""

ColumnName = Annotated[str, AfterValidator(_column)]
"""The name of a column that a stage adds: an Avro name (Avro 1.12, section "Names")."""
