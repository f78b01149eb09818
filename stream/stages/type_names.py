"""Names of types as a person writes them for the columns that a stage adds: Avro's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from stream.suggestion import did_you_mean

TYPES: Final[Mapping[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "timestamp-nanos": pa.timestamp("ns", "UTC"),
}
_ARRAY: Final = re.compile(r"array<(.+)>")


def type_named(text: str) -> pa.DataType:
    """The Arrow type of a name, array<...> of one included. Raises KeyError with the part that is not known."""
    if array := _ARRAY.fullmatch(text):
        return pa.list_(type_named(array[1]))
    return TYPES[text]


def type_problem(text: str) -> str | None:
    """What to say of a name that is none; None for one that is."""
    try:
        type_named(text)
    except KeyError as error:
        return f"no type '{text}'{did_you_mean(str(error.args[0]), TYPES)}; types: {', '.join(TYPES)}, array<...>"
    return None
