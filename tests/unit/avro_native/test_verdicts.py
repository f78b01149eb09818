"""What is wrong with a message is said with its reason and its field, and costs no other message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unit.avro_native.conftest import record
from unit.avro_native.data import varint

from stream.avro import Limits

ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 0}
FIXED_DECIMAL = {"type": "fixed", "name": "F", "size": 20, "logicalType": "decimal", "precision": 38}
INTS = {"type": "array", "items": "int"}
NULLS = {"type": "array", "items": "null"}
TIME = {"type": "int", "logicalType": "time-millis"}
MICROS = {"type": "long", "logicalType": "time-micros"}
FIXED = {"type": "fixed", "name": "F", "size": 4}

BAD = [
    ("int", b"", "truncated"),
    ("int", b"\x80", "truncated"),
    ("float", b"\0\0\0", "truncated"),
    ("double", bytes(7), "truncated"),
    ("boolean", b"", "truncated"),
    ("string", b"\6EW", "truncated"),
    ("string", varint(2**62) + b"EW", "truncated"),
    ("bytes", b"\2", "truncated"),
    (FIXED, b"abc", "truncated"),
    (INTS, b"\6\2\2", "truncated"),
    (INTS, b"\4\2\4", "truncated"),
    (INTS, b"\3\x10\2\4\0", "truncated"),
    ({"type": "array", "items": "double"}, b"\4" + bytes(15), "truncated"),
    ("int", b"\xff" * 12, "out_of_range"),
    ("int", b"\xff" * 9 + b"\2", "out_of_range"),
    ("int", varint(2**31), "out_of_range"),
    ("int", varint(-(2**31) - 1), "out_of_range"),
    ("string", varint(-1), "out_of_range"),
    ("bytes", varint(-(2**63)), "out_of_range"),
    ("boolean", b"\2", "out_of_range"),
    (ENUM, varint(2), "out_of_range"),
    (ENUM, varint(-1), "out_of_range"),
    (["null", "int"], b"\4", "out_of_range"),
    (["null", "int"], b"\1", "out_of_range"),
    (INTS, b"\3\1", "out_of_range"),
    (DECIMAL, b"\4\x03\xe8", "out_of_range"),
    (DECIMAL, b"\4\xfc\x18", "out_of_range"),
    (DECIMAL, varint(17) + b"\1" + bytes(16), "out_of_range"),
    (DECIMAL, varint(17) + b"\0\xff" + bytes(15), "out_of_range"),
    (FIXED_DECIMAL, b"\x7f" * 20, "out_of_range"),
    (TIME, varint(86_400_000), "out_of_range"),
    (TIME, varint(-1), "out_of_range"),
    (MICROS, varint(86_400_000_000), "out_of_range"),
    (INTS, varint(10**12), "too_many_items"),
    (INTS, varint(-(2**63)) + b"\0", "too_many_items"),
    (NULLS, varint(1001), "too_many_items"),
    ("string", b"\2\xff", "invalid_utf8"),
    ("string", b"\4\xc0\x80", "invalid_utf8"),
    ("string", b"\6\xed\xa0\x80", "invalid_utf8"),
    ("string", b"\x08\xf4\x90\x80\x80", "invalid_utf8"),
    ("string", varint(20) + b"x" * 19 + b"\xe9", "invalid_utf8"),
    ({"type": "map", "values": "int"}, b"\2\2\xff\2\0", "invalid_utf8"),
    ("int", b"\2\2", "trailing_bytes"),
    ("null", b"\0", "trailing_bytes"),
]


@pytest.mark.parametrize(("of", "data", "reason"), BAD)
def test_a_bad_message_has_its_reason(verdict: Any, of: Any, data: bytes, reason: str) -> None:
    assert verdict(record(of), data)[0] == reason


@pytest.mark.parametrize(("of", "data", "reason"), BAD)
def test_a_bad_message_leaves_nothing_behind(decode: Any, of: Any, data: bytes, reason: str) -> None:
    """The columns before and behind the bad field, which had taken some of it, hold only good messages."""
    nested = {"type": "record", "name": "R", "fields": [{"name": "x", "type": of}, {"name": "s", "type": "string"}]}
    schema = record("string", ["null", "long"], {"type": "array", "items": ["null", nested]}, "int")
    good = b"\2g\2\2\2\0\0\2"
    bad = b"\2b\0" + varint(3) + b"\0\0\2" + data
    decoded = decode(schema, good, bad, good, bad, bad, good)
    row = {"a": "g", "b": 1, "c": [None], "d": 1}
    assert decoded.columns.to_pylist() == [row, row, row]
    assert decoded.rows.tolist() == [0, 2, 5]
    assert [r.row for r in decoded.rejected] == [1, 3, 4]


@pytest.mark.parametrize("cut", range(1, 30))
def test_nulls_of_a_bad_message_do_not_stay(decode: Any, cut: int) -> None:
    schema = record(
        ["null", "int"], ["null", "string"], ["null", {"type": "array", "items": ["null", "int"]}], "string"
    )
    nulls, full = b"\0\0\0\2x", b"\2\2\2\2y\2\4\2\2\0\0\2z"
    message = b"\0\0\2" + varint(20) + b"\0" * 20 + b"\0\2"
    decoded = decode(schema, full, message[:cut], nulls, full, message[:cut], full)
    kept = [{"a": 1, "b": "y", "c": [1, None], "d": "z"}, {"a": None, "b": None, "c": None, "d": "x"}]
    assert decoded.columns.to_pylist() == [kept[0], kept[1], kept[0], kept[0]]


def test_the_detail_names_the_field_and_no_value(verdict: Any) -> None:
    inner = {"type": "record", "name": "R", "fields": [{"name": "power", "type": "string"}]}
    reason, detail = verdict(record({"name": "engine", "type": inner}), b"\x0csecre\xff")
    assert (reason, detail) == ("invalid_utf8", "field engine.power: text that is not UTF-8")


def test_items_of_all_blocks_and_arrays_count_together(verdict: Any, decode: Any) -> None:
    schema, limits = record(INTS, INTS), Limits(max_items=4)
    assert decode(schema, b"\2\0\2\0\0\4\0\0\0", limits=limits).rejected == []
    assert verdict(schema, b"\2\0\2\0\0\6\0\0\0\0", limits=limits)[0] == "too_many_items"


def test_the_counts_begin_anew_with_each_message(decode: Any) -> None:
    assert decode(record(INTS), b"\6\0\0\0\0", b"\6\0\0\0\0", limits=Limits(max_items=3)).rejected == []


def test_items_without_bytes_have_their_own_limit(verdict: Any, decode: Any) -> None:
    assert decode(record(NULLS), b"\x08\0", limits=Limits(max_empty_items=4)).rejected == []
    assert verdict(record(NULLS), b"\4\6\0", limits=Limits(max_empty_items=4))[0] == "too_many_items"


def test_too_deep_is_what_is_entered_and_not_what_could_be(verdict: Any, decode: Any) -> None:
    schema, limits = record(["null", {"type": "array", "items": INTS}]), Limits(max_depth=3)
    assert decode(schema, b"\0", b"\2\0", limits=limits).rejected == []
    assert verdict(schema, b"\2\2\0\0", limits=limits)[0] == "too_deep"


def test_fields_that_are_passed_over_are_checked_too(verdict: Any) -> None:
    reader = record({"name": "z", "type": "int", "default": 1})
    for of, data, reason in BAD:
        if reason not in ("invalid_utf8", "trailing_bytes") and of not in (DECIMAL, FIXED_DECIMAL, TIME, MICROS):
            assert verdict(record(of), data, reader=reader)[0] == reason


def test_places_outside_of_the_values_are_the_callers_mistake(native: Any) -> None:
    decoder = native.compile_decoder(record("int"), record("int"), Limits())
    for start, end in ((-1, 1), (0, 3), (2, 1), (2**62, 2**62 + 1)):
        with pytest.raises(ValueError, match="not inside"):
            decoder.decode(b"\2\4", np.array([start]), np.array([end]))
    with pytest.raises(ValueError, match="1 starts, 2 ends"):
        decoder.decode(b"\2\4", np.array([0]), np.array([1, 2]))
