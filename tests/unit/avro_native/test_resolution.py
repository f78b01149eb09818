"""Data of one schema comes out as the columns of another."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from unit.avro_native.conftest import record
from unit.avro_native.data import varint

from stream.avro import Limits
from stream.errors import PoisonError

INNER = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int", "default": 7}]}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


@pytest.mark.parametrize(
    ("writer", "data", "reader", "value"),
    [
        ("int", varint(-5), "long", -5),
        ("int", varint(2**31 - 1), "float", float(2**31)),
        ("int", varint(-5), "double", -5.0),
        ("long", varint(2**40), "float", float(2**40)),
        ("long", varint((1 << 60) + (1 << 36) + 1), "float", float(2**60 + 2**37)),
        ("long", varint(2**53 + 1), "double", float(2**53)),
        ("float", struct.pack("<f", 0.1), "double", struct.unpack("<f", struct.pack("<f", 0.1))[0]),
        ("string", b"\2x", "bytes", b"x"),
        ("string", b"\2\xff", "bytes", b"\xff"),
        ("bytes", b"\2x", "string", "x"),
        ("int", b"\2", ["null", "int"], 1),
        ("null", b"", ["null", "int"], None),
        (["null", "int"], b"\2\2", "int", 1),
        (["null", "int"], b"\2\2", ["long", "null"], 1),
        (["null", "int"], b"\0", ["long", "null"], None),
        (["int", "string", "null"], b"\2\2x", ["null", "string"], "x"),
        (["int", "string", "null"], b"\4", ["null", "string"], None),
        (["int", "long", "float"], b"\2\2", "double", 1.0),
        (["int"], b"\0\2", "int", 1),
        (enum("A", "B", "C"), b"\4", enum("C", "A"), "C"),
        (enum("A", "B", "C"), b"\2", enum("C", "A", default="A"), "A"),
        ({"type": "array", "items": "int"}, b"\2\2\0", {"type": "array", "items": ["null", "double"]}, [1.0]),
        ({"type": "map", "values": "int"}, b"\2\2k\2\0", {"type": "map", "values": "long"}, [("k", 1)]),
        ("bytes", b"\2\5", {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}, Decimal("0.5")),
    ],
)
def test_a_value_is_read_as_the_readers_type(decode: Any, writer: Any, data: bytes, reader: Any, value: Any) -> None:
    decoded = decode(record(writer, "int"), data + b"\2", reader=record(reader, "int"))
    assert decoded.columns.to_pydict() == {"a": [value], "b": [1]}
    assert decoded.columns.schema == record(reader, "int").arrow


@pytest.mark.parametrize(
    ("writer", "data", "reader", "detail"),
    [
        (["null", "int"], b"\0", "int", "field a: the writer's null is not the reader's int"),
        (["int", "string"], b"\2\2x", ["null", "int"], "field a: the writer's string is in no branch"),
        (enum("A", "B"), b"\2", enum("A"), "field a: an enum symbol that the reader's schema does not have"),
    ],
)
def test_what_the_reader_has_no_place_for_is_unresolvable(
    verdict: Any, writer: Any, data: bytes, reader: Any, detail: str
) -> None:
    reason, text = verdict(record(writer), data, reader=record(reader))
    assert reason == "unresolvable"
    assert text.startswith(detail)


def test_fields_are_reordered_renamed_dropped_and_filled(decode: Any) -> None:
    writer = record(
        "int", "string", INNER, {"type": "array", "items": {"type": "map", "values": ["null", "int", "string"]}}
    )
    reader = record(
        {"name": "c", "type": {**INNER, "fields": [{"name": "y", "type": "string", "default": "d"}, *INNER["fields"]]}},
        {"name": "renamed", "aliases": ["b"], "type": "string"},
        {"name": "n", "type": ["null", "int"], "default": None},
        {"name": "list", "type": {"type": "array", "items": ["null", "string"]}, "default": ["x", None]},
        {"name": "map", "type": {"type": "map", "values": "double"}, "default": {"k": 0.5}},
        {"name": "bits", "type": "bytes", "default": "\u00ff\u0000"},
        {"name": "inner", "type": {**INNER, "name": "Other"}, "default": {}},
    )
    data = b"\2\4bb\6" + b"\2\6\2k\0\2l\2\2\2m\4\2s\0\0"
    decoded = decode(writer, data, data, reader=reader)
    row = {
        "c": {"y": "d", "x": 3},
        "renamed": "bb",
        "n": None,
        "list": ["x", None],
        "map": [("k", 0.5)],
        "bits": b"\xff\0",
        "inner": {"x": 7},
    }
    assert decoded.columns.to_pylist() == [row, row]


def test_items_of_a_default_do_not_count(decode: Any) -> None:
    reader = record(
        {"name": "list", "type": {"type": "array", "items": "int"}, "default": [1, 2, 3]},
        {"name": "a", "type": {"type": "array", "items": "int"}},
    )
    writer = record({"type": "array", "items": "int"})
    assert decode(writer, b"\4\2\2\0", reader=reader, limits=Limits(max_items=2)).rejected == []


def test_a_pruned_reader_gives_the_columns_it_has_in_its_order(decode: Any) -> None:
    writer = record("int", "string", ["null", "double"], "boolean", {"type": "map", "values": "int"}, "string")
    decoded = decode(writer, b"\2\2x\0\1\2\2k\2\0\2z", reader=writer.pruned(["f", "a"]))
    assert decoded.columns.to_pylist() == [{"a": 1, "f": "z"}]


def test_schemas_that_do_not_resolve_are_refused(native: Any) -> None:
    with pytest.raises(PoisonError, match="the writer's string is not the reader's int"):
        native.compile_decoder(record("string"), record("int"), Limits())


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (["int", "string"], "field a is a union of more than null and one type"),
        ({"type": "array", "items": ["null", "int", "string"]}, "field a is a union"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 39}, "field a is a decimal of 39 digits"),
    ],
)
def test_a_schema_without_native_columns_is_left_to_the_reference_codec(native: Any, of: Any, why: str) -> None:
    with pytest.raises(native.Unsupported, match=why):
        native.compile_decoder(record(of), record(of), Limits())
    with pytest.raises(native.Unsupported, match=why):
        native.compile_encoder(record(of))


def test_a_union_that_the_reader_does_not_have_is_passed_over(decode: Any) -> None:
    writer = record(["int", "string", {"type": "array", "items": "double"}], "int")
    decoded = decode(
        writer, b"\0\2\2", b"\2\2x\4", b"\4\2" + bytes(8) + b"\0\6", reader=record({"name": "b", "type": "int"})
    )
    assert decoded.columns.column(0).to_pylist() == [1, 2, 3]
    assert decoded.columns.column(0).type == pa.int32()
