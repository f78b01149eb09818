"""Columns become Avro data, byte for byte what fastavro writes, from any slice of Arrow memory."""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from unit.avro_native.conftest import record
from unit.avro_native.data import varint, with_nulls

ENUM = {"type": "enum", "name": "E", "symbols": ["A", "Bb", *(f"SYMBOL_{i}" for i in range(40))]}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}
INNER = {
    "type": "record",
    "name": "R",
    "fields": [{"name": "x", "type": ["null", "int"]}, {"name": "y", "type": "string"}],
}
UUID = uuid.UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")


def fixed(size: int, **logical: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size, **logical}


@pytest.mark.parametrize(
    ("of", "value", "data"),
    [
        ("null", None, b""),
        ("boolean", True, b"\1"),
        ("int", -(2**31), varint(-(2**31))),
        ("long", 2**63 - 1, varint(2**63 - 1)),
        ("float", 1.5, struct.pack("<f", 1.5)),
        ("double", -0.0, struct.pack("<d", -0.0)),
        ("bytes", b"\xff\0", b"\4\xff\0"),
        ("string", "", b"\0"),
        ("string", "EWR", b"\6EWR"),
        ("string", "12345678", b"\x1012345678"),
        ("string", "sixteen bytes ok", b"\x20sixteen bytes ok"),
        ("string", "é" * 70, varint(140) + ("é" * 70).encode()),
        (ENUM, "Bb", b"\2"),
        (ENUM, "SYMBOL_39", varint(41)),
        (fixed(3), b"abc", b"abc"),
        (fixed(0), b"", b""),
        (fixed(12, logicalType="duration"), bytes(12), bytes(12)),
        (fixed(16, logicalType="uuid"), str(UUID), UUID.bytes),
        (fixed(16, logicalType="uuid"), UUID.hex.upper(), UUID.bytes),
        ({"type": "int", "logicalType": "date"}, dt.date(1970, 1, 2), b"\2"),
        ({"type": "int", "logicalType": "time-millis"}, dt.time(0, 0, 1), varint(1000)),
        ({"type": "long", "logicalType": "timestamp-millis"}, 1_357_034_400_000, varint(1_357_034_400_000)),
        (DECIMAL, Decimal("0.00"), b"\2\0"),
        (DECIMAL, Decimal("-1.28"), b"\2\x80"),
        (DECIMAL, Decimal("1.28"), b"\4\0\x80"),
        (DECIMAL, Decimal(10**36 - 1), varint(16) + (10**38 - 100).to_bytes(16, "big")),
        (DECIMAL, Decimal(1 - 10**36), varint(16) + (100 - 10**38).to_bytes(16, "big", signed=True)),
        (DECIMAL, Decimal(2**63), varint(9) + (100 * 2**63).to_bytes(9, "big")),
        (fixed(20, logicalType="decimal", precision=4), Decimal(-2), b"\xff" * 19 + b"\xfe"),
        ({"type": "array", "items": "int"}, [], b"\0"),
        ({"type": "array", "items": "int"}, [1, 2], b"\4\2\4\0"),
        ({"type": "array", "items": "double"}, [0.0, 1.0], b"\4" + bytes(8) + struct.pack("<d", 1) + b"\0"),
        ({"type": "array", "items": ["null", "float"]}, [None, 0.0], b"\4\0\2" + bytes(4) + b"\0"),
        ({"type": "array", "items": {"type": "array", "items": "string"}}, [["x"], []], b"\4\2\2x\0\0\0"),
        ({"type": "array", "items": "null"}, [None, None], b"\4\0"),
        ({"type": "map", "values": INNER}, [("k", {"x": 1, "y": "y"})], b"\2\2k\2\2\2y\0"),
        (INNER, {"x": None, "y": "yy"}, b"\0\4yy"),
        (["null", INNER], None, b"\0"),
        ([INNER, "null"], {"x": 1, "y": ""}, b"\0\2\2\0"),
        (["null", "long"], None, b"\0"),
        (["null", "long"], 1, b"\2\2"),
        (["long", "null"], None, b"\2"),
    ],
)
def test_a_value_of_the_type_is_written(encode: Any, of: Any, value: Any, data: bytes) -> None:
    schema = record(of, "int")
    columns = pa.array([value, value], schema.arrow.field(0).type), pa.array([1, 2], pa.int32())
    encoded = encode(schema, *columns, prefix=b"\0pre")
    assert encoded.rejected == []
    assert bytes(encoded.values) == b"\0pre" + data + b"\2" + b"\0pre" + data + b"\4"
    assert encoded.offsets.tolist() == [0, 5 + len(data), 10 + 2 * len(data)]
    assert encoded.rows.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("of", "column", "reason"),
    [
        ("int", pa.array([1, None], pa.int32()), "null_field"),
        ("string", pa.array(["x", None]), "null_field"),
        (INNER, pa.array([{"x": 1, "y": "y"}, None], with_nulls(record(INNER).arrow.field(0).type)), "null_field"),
        (INNER, pa.array([{"x": 1, "y": "y"}, {"x": 1}], with_nulls(record(INNER).arrow.field(0).type)), "null_field"),
        ({"type": "array", "items": "double"}, pa.array([[1.0], [1.0, None]]), "null_field"),
        ({"type": "array", "items": "int"}, pa.array([[1], None], pa.list_(pa.int32())), "null_field"),
        (ENUM, pa.array(["A", "a"]), "out_of_range"),
        (ENUM, pa.array(["SYMBOL_1", "SYMBOL_41"]), "out_of_range"),
        (ENUM, pa.array(["A", ""]), "out_of_range"),
        (fixed(16, logicalType="uuid"), pa.array([str(UUID), str(UUID)[:-1]]), "out_of_range"),
        (fixed(16, logicalType="uuid"), pa.array([str(UUID), str(UUID) + "0"]), "out_of_range"),
        (fixed(16, logicalType="uuid"), pa.array([str(UUID), "g" * 32]), "out_of_range"),
        ("string", pa.array([b"x", b"\xff"]).view(pa.string()), "invalid_utf8"),
        ("string", pa.array([b"x", b"x" * 20 + b"\xed\xa0\x80"]).view(pa.string()), "invalid_utf8"),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 3},
            pa.array([Decimal(999), Decimal(1000)], pa.decimal128(4)).view(pa.decimal128(3)),
            "out_of_range",
        ),
    ],
)
def test_a_row_that_the_field_does_not_take_is_rejected_alone(
    encode: Any, of: Any, column: pa.Array, reason: str
) -> None:
    schema = record("string", of, "int")
    column = pa.concat_arrays([column, column])
    columns = pa.array(list("wxyz")), column, pa.array([1, 2, 3, 4], pa.int32())
    encoded = encode(schema, *columns, prefix=b"p")
    assert [(r.row, r.reason) for r in encoded.rejected] == [(1, reason), (3, reason)]
    assert encoded.rejected[0].detail.startswith("field b")
    assert encoded.rows.tolist() == [0, 2]
    good = [c.take(pa.array([0, 2])) for c in columns]
    alone = encode(schema, *good, prefix=b"p")
    assert bytes(encoded.values) == bytes(alone.values)
    assert encoded.offsets.tolist() == alone.offsets.tolist()


def test_no_rows_and_no_columns(encode: Any) -> None:
    empty = encode(record("int"), pa.array([], pa.int32()), prefix=b"p")
    assert (bytes(empty.values), empty.offsets.tolist(), empty.rows.tolist()) == (b"", [0], [])


def test_an_event_without_fields_is_its_prefix(native: Any) -> None:
    rows = pa.RecordBatch.from_struct_array(pa.array([{}] * 3, pa.struct([])))
    encoded = native.compile_encoder(record()).encode(rows, b"pre")
    assert bytes(encoded.values) == b"preprepre"
    assert encoded.offsets.tolist() == [0, 3, 6, 9]


def nested_rows(n: int) -> pa.RecordBatch:
    schema = record(
        ["null", "boolean"],
        ["null", {"type": "array", "items": ["null", INNER]}],
        {"type": "map", "values": {"type": "array", "items": "double"}},
        ["null", "R"],
        fixed(3),
        DECIMAL,
    )
    rows = [
        {
            "a": None if i % 3 == 0 else i % 2 == 0,
            "b": None if i % 5 == 0 else [None if j == 1 else {"x": j or None, "y": "é" * i} for j in range(i % 4)],
            "c": [(f"k{j}", [float(j)] * j) for j in range(i % 3)],
            "d": None if i % 4 == 0 else {"x": i, "y": str(i)},
            "e": bytes([i % 256] * 3),
            "f": Decimal(i),
        }
        for i in range(n)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=schema.arrow)


@pytest.mark.parametrize(("start", "length"), [(0, 0), (0, 40), (1, 39), (7, 9), (8, 16), (39, 1), (13, 3)])
def test_a_slice_is_encoded_as_its_rows_alone(native: Any, start: int, length: int) -> None:
    batch = nested_rows(40)
    schema = record(
        ["null", "boolean"],
        ["null", {"type": "array", "items": ["null", INNER]}],
        {"type": "map", "values": {"type": "array", "items": "double"}},
        ["null", "R"],
        fixed(3),
        DECIMAL,
    )
    encoder = native.compile_encoder(schema)
    whole, part = encoder.encode(batch, b"p"), encoder.encode(batch.slice(start, length), b"p")
    first, last = whole.offsets[start], whole.offsets[start + length]
    assert bytes(part.values) == bytes(whole.values)[first:last]
    assert part.offsets.tolist() == (whole.offsets[start : start + length + 1] - first).tolist()


def test_children_with_offsets_of_their_own(encode: Any) -> None:
    """A struct over sliced children, sliced itself: Arrow adds the offsets up."""
    x = pa.array([0, 1, 2, None, 4, 5, 6, 7], pa.int32()).slice(1)
    y = pa.array([f"t{i}" for i in range(8)]).slice(1)
    column = pa.StructArray.from_arrays([x, y], names=["x", "y"]).slice(1, 4)
    encoded = encode(record(INNER), column)
    assert bytes(encoded.values) == b"\2\4\4t2" + b"\0\4t3" + b"\2\x08\4t4" + b"\2\x0a\4t5"


def test_a_bitmap_without_a_null_and_no_bitmap_at_all(encode: Any) -> None:
    bits = pa.py_buffer(b"\xff")
    with_bitmap = pa.Array.from_buffers(pa.int32(), 3, [bits, pa.py_buffer(np.arange(3, dtype=np.int32))])
    plain = pa.array([0, 1, 2], pa.int32())
    assert bytes(encode(record("int"), with_bitmap).values) == bytes(encode(record("int"), plain).values) == b"\0\2\4"


def test_a_large_slice_of_a_large_column(encode: Any) -> None:
    n = 300_000
    numbers = pa.array(np.arange(n))
    texts = pa.array(["x" * (i % 40) for i in range(n)])
    encoded = encode(
        record("long", "string"), numbers.slice(100_001, 150_000), texts.slice(100_001, 150_000), prefix=b"\0"
    )
    assert len(encoded.rows) == 150_000
    for row in (0, 1, 77_777, 149_999):
        i = row + 100_001
        data = bytes(encoded.values[encoded.offsets[row] : encoded.offsets[row + 1]])
        assert data == b"\0" + varint(i) + varint(i % 40) + b"x" * (i % 40)


def test_another_timezone_is_the_same_bits(encode: Any) -> None:
    column = pa.array([5], pa.timestamp("ms", "Europe/Zurich"))
    assert bytes(encode(record({"type": "long", "logicalType": "timestamp-millis"}), column).values) == b"\n"


@pytest.mark.parametrize(
    ("of", "column", "message"),
    [
        ("int", pa.array([1]), "field a takes int32, its column is int64"),
        ("string", pa.array(["x"], pa.large_string()), "its column is large_string"),
        (ENUM, pa.array(["A"]).dictionary_encode(), "its column is dictionary"),
        ({"type": "array", "items": "int"}, pa.array([[1]]), "its column is list"),
        (
            INNER,
            pa.array([{"y": "y", "x": 1}], pa.struct([("y", pa.string()), ("x", pa.int32())])),
            "its column is struct",
        ),
        ({"type": "long", "logicalType": "timestamp-millis"}, pa.array([5], pa.timestamp("us", "UTC")), "timestamp"),
    ],
)
def test_a_column_of_another_type_is_refused(encode: Any, of: Any, column: pa.Array, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encode(record(of), column)


def test_too_few_columns_are_refused(native: Any) -> None:
    with pytest.raises(TypeError, match="1 columns, but the schema has 2 fields"):
        native.compile_encoder(record("int", "int")).encode(pa.record_batch({"a": pa.array([1], pa.int32())}), b"")
