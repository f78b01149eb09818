"""Durations, sizes and rates as people write them, held as seconds, bytes and calls a second.

A unit is always asked for: `wait: 20` could be anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
RATE_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
SIZE_UNITS: Final = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_RATE: Final = rf"([0-9]{{1,12}}(?:\.[0-9]{{1,6}})?) ?/ ?({'|'.join(RATE_UNITS)})"


def parse_duration(value: object) -> float:
    """Seconds from "20ms", "10s", "1.5m" or "1h". Raises ValueError saying how to write it."""
    number, unit = _split(value, DURATION_UNITS, "a duration", "20ms, 10s, 1m or 1h")
    return round(number * DURATION_UNITS[unit], 6)


def parse_size(value: object) -> int:
    """Bytes from "500kB" or "16MiB". Raises ValueError saying how to write it."""
    number, unit = _split(value, SIZE_UNITS, "a size", "500kB, 1MB or 16MiB")
    return int(number * SIZE_UNITS[unit])


def parse_rate(value: object) -> float:
    """A second, from "50/s", "1000/m" or "0.5/s". Raises ValueError saying how to write it."""
    found = re.fullmatch(_RATE, value) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        shown = f"'{value}'" if isinstance(value, str) else value
        raise ValueError(f"must be a rate, such as 50/s, 1000/m or 20000/h, not {shown}")
    return float(found[1]) / RATE_UNITS[found[2]]


def format_rate(per_second: float) -> str:
    """In the unit that gives the shortest number: 0.5 is "30/m"."""
    texts = [f"{per_second * seconds:.6f}".rstrip("0").rstrip(".") + f"/{unit}" for unit, seconds in RATE_UNITS.items()]
    return min(texts, key=len)


def format_duration(seconds: float) -> str:
    """The shortest exact way to write it: 90.0 is "90s", 3600.0 is "1h"."""
    for unit in ("h", "m", "s"):
        if seconds and seconds % DURATION_UNITS[unit] == 0:
            return f"{int(seconds / DURATION_UNITS[unit])}{unit}"
    return f"{seconds * 1000:.3f}".rstrip("0").rstrip(".") + "ms"


def format_size(size: int) -> str:
    """The shortest exact way to write it: 16777216 is "16MiB"."""
    for unit in ("GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if size and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]}{unit}"
    return f"{size}B"


@dataclass(frozen=True, slots=True)
class Duration:
    """Annotation of a float field that holds seconds: written with a unit, from `least` to `most`."""

    least: str
    most: str

    def parse(self, value: object) -> float:
        seconds = parse_duration(value)
        if not parse_duration(self.least) <= seconds <= parse_duration(self.most):
            raise ValueError(f"must be from {self.least} to {self.most}, not {value}")
        return seconds

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(format_duration, when_used="json")
        return core_schema.no_info_plain_validator_function(self.parse, serialization=as_text)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": _pattern(DURATION_UNITS)}


@dataclass(frozen=True, slots=True)
class Size:
    """Annotation of an int field that holds bytes: written with a unit, from `least` to `most`."""

    least: str
    most: str

    def parse(self, value: object) -> int:
        size = parse_size(value)
        if not parse_size(self.least) <= size <= parse_size(self.most):
            raise ValueError(f"must be from {self.least} to {self.most}, not {value}")
        return size

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(format_size, when_used="json")
        return core_schema.no_info_plain_validator_function(self.parse, serialization=as_text)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": _pattern(SIZE_UNITS)}


@dataclass(frozen=True, slots=True)
class Rate:
    """Annotation of a float field that holds so many a second: written with the unit, up to `most`."""

    most: str

    def parse(self, value: object) -> float:
        rate = parse_rate(value)
        if rate > parse_rate(self.most):
            raise ValueError(f"must be at most {self.most}, not {value}")
        return rate

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(format_rate, when_used="json")
        return core_schema.no_info_plain_validator_function(self.parse, serialization=as_text)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_RATE}$"}


def _pattern(units: dict[str, Any]) -> str:
    return rf"^[0-9]{{1,12}}(\.[0-9]{{1,6}})? ?({'|'.join(units)})$"


def _split(value: object, units: dict[str, Any], what: str, examples: str) -> tuple[float, str]:
    found = re.match(_pattern(units), value) if isinstance(value, str) else None
    if found is None:
        shown = f"'{value}'" if isinstance(value, str) else value
        raise ValueError(f"must be {what} with its unit, such as {examples}, not {shown}")
    unit = found[2]
    return float(found[0][: -len(unit)]), unit
