"""The native codec against the reference codec and fastavro, on random schemas and data.

AVRO_CASES=100000 makes the long run of it (a case is a pair of schemas with up to some forty messages or rows);
`make unit` runs a seeded part.
"""

from __future__ import annotations

import io
import os
from random import Random
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.avro_native.data import damaged, datum, plain, python_columns
from unit.avro_native.schemas import Evolution, Generator, schema_of

from stream.avro import Limits, Schema, reference
from stream.avro.codec import Decoded
from stream.avro.types import render
from stream.errors import PoisonError

native: Any = pytest.importorskip("stream.avro.native", exc_type=ImportError)

CASES = int(os.environ.get("AVRO_CASES", "0"))
SHORT = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
LONG = settings(SHORT, max_examples=CASES or 1, derandomize=False)
seeds = st.integers(0, 2**64 - 1)


def packed(random: Random, messages: list[bytes]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The messages in one buffer with other bytes between them."""
    buffer, starts, ends = b"", [], []
    for message in messages:
        buffer += random.randbytes(random.choice((0, 5)))
        starts.append(len(buffer))
        buffer += message
        ends.append(len(buffer))
    return buffer, np.array(starts, np.int64), np.array(ends, np.int64)


def texts(batch: pa.RecordBatch) -> list[str]:
    """The values of each column as a text, in which NaN is like NaN."""
    return [repr(plain(c)) for c in batch.columns]


def assert_same(got: Decoded, wanted: Decoded) -> None:
    got.columns.validate(full=True)
    assert [(r.row, r.reason) for r in got.rejected] == [(r.row, r.reason) for r in wanted.rejected]
    assert got.rows.tolist() == wanted.rows.tolist()
    assert got.columns.num_rows == wanted.columns.num_rows
    assert got.columns.schema.equals(wanted.columns.schema)
    assert got.columns.equals(wanted.columns) or texts(got.columns) == texts(wanted.columns)


def limits(random: Random) -> Limits:
    return random.choice((Limits(), Limits(), Limits(max_depth=random.randint(1, 6), max_items=9, max_empty_items=4)))


def compile_both(writer: Schema, reader: Schema, bounds: Limits) -> tuple[Any, Any] | None:
    """Both decoders, or None where the schemas do not resolve, for both, or the native one does not take them."""
    try:
        wanted = reference.compile_decoder(writer, reader, bounds)
    except PoisonError:
        with pytest.raises(PoisonError):
            native.compile_decoder(writer, reader, bounds)
        return None
    try:
        return native.compile_decoder(writer, reader, bounds), wanted
    except native.Unsupported:
        assert "union" in str(reader.arrow) or any(isinstance(b, list) for b in walk(render(reader.root)))
        return None


def walk(json: Any) -> list[Any]:
    """Every part of a JSON value."""
    inner = json.values() if isinstance(json, dict) else json if isinstance(json, list) else ()
    return [json, *(part for i in inner for part in walk(i))]


def check_decode(seed: int) -> None:
    random = Random(seed)
    generator = Generator(random, general=random.random() < 0.5)
    writer = generator.record()
    reader = writer if random.random() < 0.3 else Evolution(random, generator).record(writer)
    both = compile_both(schema_of(writer), schema_of(reader), limits(random))
    if both is None:
        return
    messages = [datum(random, writer) for _ in range(8)]
    messages += [damaged(random, m) for m in messages for _ in range(4)]
    random.shuffle(messages)
    buffer, starts, ends = packed(random, messages)
    for _ in range(2):  # the second time in memory that was used before
        assert_same(both[0].decode(buffer, starts, ends), both[1].decode(buffer, starts, ends))


def check_fastavro(seed: int) -> None:
    """Valid data only, and no defaults: fastavro puts their JSON where their values belong."""
    random = Random(seed)
    generator = Generator(random, general=False)
    writer = generator.record()
    reader = writer if random.random() < 0.5 else Evolution(random, generator, added=False).record(writer)
    schemas = schema_of(writer, logical=False), schema_of(reader, logical=False)
    both = compile_both(*schemas, Limits())
    if both is None:
        return
    messages = [datum(random, schemas[0].root) for _ in range(8)]
    decoded = both[0].decode(*packed(random, messages))
    rows = dict(zip(decoded.rows.tolist(), decoded.columns.to_pylist(maps_as_pydicts="strict"), strict=True))
    parsed = [fastavro.parse_schema(s.json) for s in schemas]
    for row, message in enumerate(messages):
        try:
            wanted = fastavro.schemaless_reader(io.BytesIO(message), *parsed)
        except (fastavro.read.SchemaResolutionError, UnicodeDecodeError):
            assert row not in rows
        except TypeError:
            pass  # fastavro's own: it hashes the branches of some unions, which are dicts
        else:
            if reader is writer:
                assert repr(rows[row]) == repr(wanted)
            assert row not in rows or comparable(rows[row]) == comparable(wanted)
    assert {r.reason for r in decoded.rejected} <= {"unresolvable", "invalid_utf8"}


def comparable(value: Any) -> Any:
    """The value with its numbers in 32 bits, as fastavro does not do, and as text, in which NaN is like NaN."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [comparable(v) for v in value]
    return repr(np.float32(value)) if isinstance(value, float) else value


def check_encode(seed: int) -> None:
    random = Random(seed)
    record = Generator(random, general=False).record()
    schema = schema_of(record)
    encoder, wanted = native.compile_encoder(schema), reference.compile_encoder(schema)
    columns = python_columns(random, record, 12, wrong=random.choice((0, 0, 0.03)))
    start = random.randrange(12)
    for part in (columns, columns.slice(start), columns.slice(start, 3), columns.slice(0, 0)):
        got, reference_ = encoder.encode(part, b"\x00\x01pre"), wanted.encode(part, b"\x00\x01pre")
        assert [(r.row, r.reason) for r in got.rejected] == [(r.row, r.reason) for r in reference_.rejected]
        assert bytes(got.values) == bytes(reference_.values)
        assert got.offsets.tolist() == reference_.offsets.tolist()
        assert got.rows.tolist() == reference_.rows.tolist()


@SHORT
@given(seeds)
def test_decoding_gives_the_columns_and_verdicts_of_the_reference_codec(seed: int) -> None:
    check_decode(seed)


@SHORT
@given(seeds)
def test_decoding_gives_the_values_of_fastavro(seed: int) -> None:
    check_fastavro(seed)


@SHORT
@given(seeds)
def test_encoding_gives_the_bytes_and_verdicts_of_the_reference_codec(seed: int) -> None:
    check_encode(seed)


@pytest.mark.skipif(CASES == 0, reason="AVRO_CASES is not set")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("check", [check_decode, check_fastavro, check_encode])
def test_long_run(check: Any) -> None:
    LONG(given(seeds)(check))()
