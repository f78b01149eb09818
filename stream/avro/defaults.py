"""Whether the JSON default of a field fits its type (specification, "Complex Types", table of defaults)."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, Final

from stream.avro.types import MISSING, Array, Enum, Fixed, Logical, Map, Primitive, Record, Type, Union, kind

_MAX_FLOAT: Final = 3.4028235677973362e38
"""The largest double that rounds to a finite float of 32 bits."""
DAY: Final = {"time-millis": 86_400_000, "time-micros": 86_400_000_000}
"""Units of a time in a day: where a time of day ends."""


def _is_number(value: Any, bound: float) -> bool:
    """A JSON number within bound, or one of the three that JSON has no number for, as Java writes them."""
    if isinstance(value, str):
        return value in ("NaN", "Infinity", "-Infinity")
    beyond = isinstance(value, float) and not math.isfinite(value)
    return beyond or ((isinstance(value, float) or _is_int(value)) and abs(value) <= bound)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_bytes(value: Any) -> bool:
    return isinstance(value, str) and all(ord(c) < 256 for c in value)


def _is_text(value: Any) -> bool:
    """JSON can escape half of a surrogate pair, which no UTF-8 has."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "null": lambda d: d is None,
    "boolean": lambda d: isinstance(d, bool),
    "int": lambda d: _is_int(d) and -(2**31) <= d < 2**31,
    "long": lambda d: _is_int(d) and -(2**63) <= d < 2**63,
    "float": lambda d: _is_number(d, _MAX_FLOAT),
    "double": lambda d: _is_number(d, sys.float_info.max),
    "bytes": _is_bytes,
    "string": _is_text,
}


def mismatch(of: Type, default: Any) -> str:  # noqa: PLR0911 (one return a kind)
    """What is wrong with a default, or "" when it fits. A union's default fits any one branch (Avro 1.12)."""
    match of:
        case Primitive():
            good = _FITS[of.name](default)
            return _beyond(of.logical, default) if good else f"it must be a JSON value of type {of.name}"
        case Fixed():
            good = _is_bytes(default) and len(default) == of.size
            return _beyond(of.logical, default) if good else f"it must be a string of {of.size} characters up to U+00FF"
        case Enum():
            return "" if default in of.symbols else f"it must be a symbol of {of.name}"
        case Union():
            return "" if branch_of(of, default) is not None else "it fits no type of the union"
        case Array():
            return _each(of.items, default if isinstance(default, list) else None, kind(of))
        case Map():
            fits = isinstance(default, dict) and all(map(_is_text, default))
            return _each(of.values, list(default.values()) if fits else None, kind(of))
        case Record():
            return _record(of, default)


def _beyond(logical: Logical | None, default: Any) -> str:
    if logical and logical.name == "decimal":
        unscaled = int.from_bytes(default.encode("latin-1"), "big", signed=True)
        return "" if abs(unscaled) < 10**logical.precision else f"it has more than {logical.precision} digits"
    if logical and logical.name in DAY:
        return "" if 0 <= default < DAY[logical.name] else "it is outside of the day"
    return ""


def branch_of(union: Union, default: Any) -> Type | None:
    """The branch that a union's default belongs to: the first that it fits."""
    return next((b for b in union.branches if not mismatch(b, default)), None)


def _each(of: Type, items: list[Any] | None, container: str) -> str:
    if items is None:
        return f"it must be a JSON {'list' if container == 'array' else 'object'}"
    return next((wrong for item in items if (wrong := mismatch(of, item))), "")


def _record(of: Record, default: Any) -> str:
    if not isinstance(default, dict):
        return "it must be a JSON object"
    for field in of.fields:
        value = default.get(field.name, field.default)
        if value is MISSING:
            return f'it lacks "{field.name}", which has no default itself'
        wrong = mismatch(field.type, value)
        if wrong:
            return f"{field.name}: {wrong}"
    return ""
