"""One value of a column as JSON has it, or as text inside a longer text."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from stream.errors import PoisonError


def json_value(array: pa.Array, row: int, column: str, reason: str) -> Any:
    """Times in ISO 8601, decimals as text, bytes in base64, maps and records as objects.

    Raises PoisonError(reason) for what JSON has no way to say: NaN, an infinity, a date beyond the year 9999.
    """
    try:
        value = _plain(array[row].as_py(maps_as_pydicts="lossy"))
        json.dumps(value, allow_nan=False)
    except (ValueError, OverflowError):  # also what Arrow raises for a time that Python has no object for
        raise PoisonError(reason, f"the value of column '{column}' cannot be written in JSON") from None
    return value


def as_text(value: Any) -> str:
    """A JSON value inside a longer text: texts as they are, nothing for null, the rest as JSON writes it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return str(value)
        case _:
            return value
