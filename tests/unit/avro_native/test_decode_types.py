"""Every Avro type becomes its Arrow column."""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from unit.avro_native.conftest import record
from unit.avro_native.data import varint

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
WIDE = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 0}
MANY_FIELDS = {
    "type": "record",
    "name": "Inner",
    "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "string"}],
}


def fixed(size: int, **logical: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size, **logical}


@pytest.mark.parametrize(
    ("of", "data", "value"),
    [
        ("null", b"", None),
        ("boolean", b"\1", True),
        ("boolean", b"\0", False),
        ("int", varint(-(2**31)), -(2**31)),
        ("int", varint(2**31 - 1), 2**31 - 1),
        ("long", varint(-(2**63)), -(2**63)),
        ("long", varint(2**63 - 1), 2**63 - 1),
        ("long", b"\x80\x80\x80\0", 0),
        ("float", struct.pack("<f", 1.5), 1.5),
        ("double", struct.pack("<d", -1e300), -1e300),
        ("bytes", b"\4\0\xff", b"\0\xff"),
        ("string", b"\0", ""),
        ("string", b"\6EWR", "EWR"),
        ("string", b"\x20sixteen bytes ok", "sixteen bytes ok"),
        ("string", b"\x22seventeen byte ok", "seventeen byte ok"),
        ("string", varint(300) + b"x" * 300, "x" * 300),
        ("string", varint(7) + "Zürich".encode(), "Zürich"),
        ("string", varint(30) + ("x" * 26 + "\N{GRINNING FACE}").encode(), "x" * 26 + "\N{GRINNING FACE}"),
        ({"type": "enum", "name": "E", "symbols": ["A", "Bb"]}, b"\2", "Bb"),
        (fixed(3), b"abc", b"abc"),
        (fixed(0), b"", b""),
        (fixed(100), b"x" * 100, b"x" * 100),
        (fixed(12, logicalType="duration"), bytes(12), bytes(12)),
        (fixed(16, logicalType="uuid"), bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        ({"type": "string", "logicalType": "uuid"}, b"\4no", "no"),
        ({"type": "int", "logicalType": "date"}, varint(1), dt.date(1970, 1, 2)),
        ({"type": "int", "logicalType": "time-millis"}, varint(86_399_999), dt.time(23, 59, 59, 999_000)),
        ({"type": "long", "logicalType": "time-micros"}, varint(86_399_999_999), dt.time(23, 59, 59, 999_999)),
        (DECIMAL, b"\0", Decimal("0.00")),
        (DECIMAL, b"\2\xff", Decimal("-0.01")),
        (DECIMAL, b"\6\x01\x86\x9f", Decimal("999.99")),
        (DECIMAL, varint(40) + b"\xff" * 39 + b"\x85", Decimal("-1.23")),
        (WIDE, varint(16) + (10**38 - 1).to_bytes(16, "big"), Decimal(10**38 - 1)),
        (WIDE, varint(16) + (1 - 10**38).to_bytes(16, "big", signed=True), Decimal(1 - 10**38)),
        (fixed(17, logicalType="decimal", precision=38, scale=1), bytes(16) + b"\x0f", Decimal("1.5")),
        ({"type": "array", "items": "int"}, b"\0", []),
        ({"type": "array", "items": "int"}, b"\4\2\4\2\6\0", [1, 2, 3]),
        ({"type": "array", "items": "int"}, b"\3\4\2\4\0", [1, 2]),
        ({"type": "array", "items": "double"}, b"\2" + bytes(8) + b"\1\x10" + struct.pack("<d", 1) + b"\0", [0.0, 1.0]),
        ({"type": "array", "items": "null"}, b"\6\0", [None] * 3),
        ({"type": "array", "items": ["null", "string"]}, b"\4\0\2\2x\0", [None, "x"]),
        ({"type": "array", "items": {"type": "array", "items": "int"}}, b"\4\2\2\0\0\0", [[1], []]),
        ({"type": "map", "values": "long"}, b"\2\2k\4\1\6\2k\6\0", [("k", 2), ("k", 3)]),
        ({"type": "map", "values": MANY_FIELDS}, b"\2\2k\4\2y\0", [("k", {"x": 2, "y": "y"})]),
        (MANY_FIELDS, b"\2\4yy", {"x": 1, "y": "yy"}),
        (["null", MANY_FIELDS], b"\0", None),
        (["null", MANY_FIELDS], b"\2\2\4yy", {"x": 1, "y": "yy"}),
        (["null", "long"], b"\0", None),
        (["null", "long"], b"\2\2", 1),
        (["long", "null"], b"\0\2", 1),
        (["long", "null"], b"\2", None),
        (["null", "boolean"], b"\2\1", True),
        (["null", fixed(20)], b"\0", None),
        (["null", {"type": "array", "items": "int"}], b"\0", None),
        (["null", {"type": "map", "values": "int"}], b"\2\0", []),
    ],
)
def test_a_value_of_the_type_comes_out(decode: Any, of: Any, data: bytes, value: Any) -> None:
    decoded = decode(record(of, "int"), data + b"\2", data + b"\4")
    assert decoded.rejected == []
    assert decoded.columns.to_pydict() == {"a": [value, value], "b": [1, 2]}
    assert decoded.columns.schema == record(of, "int").arrow


@pytest.mark.parametrize("unit", ["millis", "micros", "nanos"])
@pytest.mark.parametrize("local", ["", "local-"])
def test_timestamps_are_the_same_bits(decode: Any, local: str, unit: str) -> None:
    schema = record({"type": "long", "logicalType": f"{local}timestamp-{unit}"})
    decoded = decode(schema, varint(1_357_034_400_000), varint(-1), varint(2**63 - 1))
    zone = None if local else "UTC"
    assert decoded.columns.column(0).type == pa.timestamp({"millis": "ms", "micros": "us", "nanos": "ns"}[unit], zone)
    assert decoded.columns.column(0).cast(pa.int64()).to_pylist() == [1_357_034_400_000, -1, 2**63 - 1]


def test_a_call_without_messages_gives_no_rows(decode: Any) -> None:
    decoded = decode(record("string", {"type": "array", "items": "int"}, ["null", "double"]))
    assert decoded.columns.num_rows == 0
    assert decoded.rows.tolist() == []
    assert decoded.columns.to_pydict() == {"a": [], "b": [], "c": []}


def test_an_event_without_fields_keeps_its_rows(decode: Any) -> None:
    decoded = decode(record(), b"", b"\0", b"")
    assert decoded.columns.num_rows == 2
    assert decoded.columns.num_columns == 0
    assert decoded.rows.tolist() == [0, 2]


def test_ten_thousand_rows_with_nulls_anywhere(decode: Any) -> None:
    inner = {"type": "record", "name": "R", "fields": [{"name": "s", "type": ["null", "string"]}]}
    schema = record(["null", "int"], ["null", "boolean"], {"type": "array", "items": ["null", inner]}, ["null", "R"])
    rows = [
        (
            i if i % 3 else None,
            i % 2 == 0 if i % 5 else None,
            [{"s": f"t{j}" if j % 2 else None} if j % 3 else None for j in range(i % 7)],
            {"s": "é" * (i % 30) if i % 11 else None} if i % 13 else None,
        )
        for i in range(10_000)
    ]
    decoded = decode(schema, *[_row(*r) for r in rows])
    assert decoded.columns.to_pylist() == [dict(zip("abcd", r, strict=True)) for r in rows]


def _row(a: int | None, b: bool | None, c: list[Any], d: Any) -> bytes:
    def text(value: str | None) -> bytes:
        return b"\0" if value is None else b"\2" + varint(len(value.encode())) + value.encode()

    def inner(value: Any) -> bytes:
        return b"\0" if value is None else b"\2" + text(value["s"])

    first = b"\0" if a is None else b"\2" + varint(a)
    second = b"\0" if b is None else b"\2" + bytes([b])
    third = varint(len(c)) + b"".join(map(inner, c)) + (b"\0" if c else b"")
    return first + second + third + inner(d)
