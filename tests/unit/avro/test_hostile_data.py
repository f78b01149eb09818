"""Data that nobody's producer should send: each gets its reason, at once, and costs no other message."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.avro.strategies import FEW, Json, bounds, encode, record, rows, schema, schemas_with_data

from stream.avro import Limits
from stream.avro import codec as reasons
from stream.avro.codec import Decoded
from stream.avro.reference import compile_decoder

ARRAY = {"type": "array", "items": "int"}
EMPTY = record(name="Empty")
TINY = Limits(max_depth=4, max_items=10, max_empty_items=3)


def decode(of: Json, data: list[bytes], reader: Json = None, limits: Limits = Limits()) -> Decoded:  # noqa: B008
    return compile_decoder(schema(of), schema(reader or of), limits).decode(*bounds(data))


def varint(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


FIELD = [
    ("int", b"\x80", reasons.TRUNCATED),
    ("int", b"", reasons.TRUNCATED),
    ("int", varint(2**31), reasons.OUT_OF_RANGE),
    ("int", varint(-(2**31) - 1), reasons.OUT_OF_RANGE),
    ("long", b"\xff" * 10 + b"\x01", reasons.OUT_OF_RANGE),
    ("long", b"\xff" * 9 + b"\x02", reasons.OUT_OF_RANGE),
    ("long", b"\x80" * 10 + b"\x00", reasons.OUT_OF_RANGE),
    ({"type": "array", "items": "boolean"}, varint(3) + b"\x02", reasons.TRUNCATED),
    ("long", b"\xff" * 9, reasons.TRUNCATED),
    ("double", b"\x00" * 7, reasons.TRUNCATED),
    ("float", b"\x00" * 3, reasons.TRUNCATED),
    ("boolean", b"\x02", reasons.OUT_OF_RANGE),
    ("string", b"\x06ab", reasons.TRUNCATED),
    ("string", varint(2**62) + b"ab", reasons.TRUNCATED),
    ("string", b"\x01", reasons.OUT_OF_RANGE),
    ("string", b"\x02\xff", reasons.INVALID_UTF8),
    ("string", b"\x06\xed\xa0\x80", reasons.INVALID_UTF8),
    ("bytes", b"\x01", reasons.OUT_OF_RANGE),
    ({"type": "fixed", "name": "F", "size": 3}, b"ab", reasons.TRUNCATED),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x02", reasons.OUT_OF_RANGE),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x01", reasons.OUT_OF_RANGE),
    (["null", "int"], b"\x04", reasons.OUT_OF_RANGE),
    (["null", "int"], b"\x01\x00", reasons.OUT_OF_RANGE),
    (["int", "string"], b"\x01\x00", reasons.OUT_OF_RANGE),
    (ARRAY, varint(5) + b"\x02", reasons.TRUNCATED),
    (ARRAY, varint(2**62), reasons.TOO_MANY_ITEMS),
    (ARRAY, varint(-(2**63)) + b"\x00", reasons.TOO_MANY_ITEMS),
    (ARRAY, b"\x01" + b"\x01" + b"\x02\x00", reasons.OUT_OF_RANGE),
    (ARRAY, b"\x01" + varint(2**40) + b"\x02\x00", reasons.TRUNCATED),
    (ARRAY, b"\x02\x02", reasons.TRUNCATED),
    ({"type": "map", "values": "int"}, b"\x02\x02\xff\x02\x00", reasons.INVALID_UTF8),
    ({"type": "map", "values": "int"}, varint(3) + b"\x00", reasons.TRUNCATED),
    ({"type": "array", "items": "null"}, varint(1001) + b"\x00", reasons.TOO_MANY_ITEMS),
    ({"type": "bytes", "logicalType": "decimal", "precision": 2}, b"\x02\x64", reasons.OUT_OF_RANGE),
    ({"type": "int", "logicalType": "time-millis"}, varint(86_400_000), reasons.OUT_OF_RANGE),
    ({"type": "long", "logicalType": "time-micros"}, varint(-1), reasons.OUT_OF_RANGE),
    ("int", b"\x02\x02", reasons.TRAILING_BYTES),
    ("null", b"\x00", reasons.TRAILING_BYTES),
]


@pytest.mark.parametrize(("of", "data", "reason"), FIELD)
def test_a_bad_value_has_its_reason_and_the_next_message_passes(of: Json, data: bytes, reason: str) -> None:
    writer = record({"name": "s", "type": "string"}, ("x", of))
    decoded = decode(writer, [b"\x02a" + data, b"\x02a" + _good(of)])
    assert [(r.row, r.reason) for r in decoded.rejected] == [(0, reason)]
    assert decoded.rows.tolist() == [1]


@pytest.mark.parametrize(("of", "data", "reason"), FIELD)
def test_a_field_that_is_not_wanted_is_checked_all_the_same(of: Json, data: bytes, reason: str) -> None:
    writer, reader = record(("s", "string"), ("x", of)), record(("s", "string"))
    decoded = decode(writer, [b"\x02a" + data, b"\x02a" + _good(of)], reader)
    of_the_value = reason == reasons.INVALID_UTF8 or (isinstance(of, dict) and "logicalType" in of)
    assert [(r.row, r.reason) for r in decoded.rejected] == ([] if of_the_value else [(0, reason)])
    assert decoded.columns.column(0).to_pylist() == ["a"] * (2 if of_the_value else 1)


def _good(of: Json) -> bytes:
    kind = of["type"] if isinstance(of, dict) else "union" if isinstance(of, list) else of
    return {
        "null": b"",
        "double": b"\x00" * 8,
        "float": b"\x00" * 4,
        "fixed": b"abc",
        "union": b"\x00" + (b"" if "null" in of else b"\x00"),
    }.get(kind, b"\x00")


@pytest.mark.parametrize("of", [["int", "string"], "bytes"])
def test_bytes_read_as_text_must_be_utf8(of: Json) -> None:
    writer, reader = record(("x", "bytes")), record(("x", ["null", "string"]))
    decoded = decode(writer, [b"\x02\xff", b"\x02a"], reader)
    assert [(r.row, r.reason) for r in decoded.rejected] == [(0, reasons.INVALID_UTF8)]


def test_a_branch_or_symbol_without_a_place_in_the_reader_is_unresolvable_when_it_comes() -> None:
    writer = record(("u", ["null", "int"]), ("e", {"type": "enum", "name": "E", "symbols": ["A", "B"]}))
    reader = record(("u", "int"), ("e", {"type": "enum", "name": "E", "symbols": ["A"]}))
    decoded = decode(writer, [b"\x02\x02\x00", b"\x00\x00", b"\x02\x02\x02"], reader)
    assert decoded.rows.tolist() == [0]
    assert [(r.row, r.reason) for r in decoded.rejected] == [(1, reasons.UNRESOLVABLE), (2, reasons.UNRESOLVABLE)]


def nested(depth: int) -> Json:
    of: Json = "int"
    for _ in range(depth):
        of = {"type": "array", "items": of}
    return of


def test_depth_counts_the_record_as_one_and_arrays_maps_unions_and_records_as_one_more() -> None:
    deep = record(("x", nested(4)))
    data = [b"\x02\x02\x02\x02\x02\x00\x00\x00\x00", b"\x02\x02\x02\x00\x00\x00\x00", b"\x02\x02\x00\x00\x00"]
    decoded = decode(deep, data, limits=TINY)
    assert [(r.row, r.reason) for r in decoded.rejected] == [(0, reasons.TOO_DEEP), (1, reasons.TOO_DEEP)]
    skipped = decode(deep, data, record(), limits=TINY)
    assert [(r.row, r.reason) for r in skipped.rejected] == [(0, reasons.TOO_DEEP), (1, reasons.TOO_DEEP)]


def test_items_of_all_arrays_and_maps_count_together() -> None:
    of = record(("a", ARRAY), ("m", {"type": "map", "values": "int"}))
    ten = {"a": [1] * 6, "m": {"a": 1, "b": 1, "c": 1, "d": 1}}
    eleven = {"a": [1] * 7, "m": ten["m"]}
    decoded = decode(of, [encode(of, ten), encode(of, eleven)], limits=TINY)
    assert [(r.row, r.reason) for r in decoded.rejected] == [(1, reasons.TOO_MANY_ITEMS)]


@pytest.mark.parametrize(
    "item", ["null", EMPTY, {"type": "fixed", "name": "Z", "size": 0}, record(("n", "null"), name="R")]
)
def test_items_without_bytes_have_a_limit_of_their_own(item: Json) -> None:
    of = record(("a", {"type": "array", "items": item}))
    decoded = decode(of, [varint(3) + b"\x00", varint(4) + b"\x00", varint(2) * 2 + b"\x00"], limits=TINY)
    assert decoded.rows.tolist() == [0]
    assert {r.reason for r in decoded.rejected} == {reasons.TOO_MANY_ITEMS}


BOMBS = [
    (record(("x", {"type": "array", "items": "null"})), varint(10**12) + b"\x00"),
    (record(("x", {"type": "array", "items": EMPTY})), varint(-(10**12)) + varint(0) + b"\x00"),
    (record(("x", {"type": "array", "items": "long"})), varint(999_999) + b"\x00"),
    (record(("x", {"type": "map", "values": "null"})), varint(10**9)),
    (record(("x", "string")), varint(2**61) + b"x"),
    (
        record(("x", {"type": "array", "items": {"type": "array", "items": "null"}})),
        varint(1) + (varint(900) + b"\x00") * 3000,
    ),
    (record(("x", nested(60))), b"\x02" * 10_000),
    (record(("x", {"type": "array", "items": "null"})), varint(1) * 10_000),
]


@pytest.mark.parametrize(("of", "data"), BOMBS)
@pytest.mark.parametrize("reader", [None, record()], ids=["read", "skipped"])
def test_bombs_are_refused_in_milliseconds(of: Json, data: bytes, reader: Json) -> None:
    decoder = compile_decoder(schema(of), schema(reader or of), Limits())
    arguments = bounds([data])
    decoder.decode(*bounds([]))  # what is loaded at the first use is not the bomb's
    started = time.thread_time()
    decoded = decoder.decode(*arguments)
    assert time.thread_time() - started < 0.25
    assert len(decoded.rejected) == 1


@FEW
@given(schemas_with_data(), st.data())
def test_mutated_data_never_raise_and_every_message_is_answered_for(
    case: tuple[Json, list[Any]], draw: st.DataObject
) -> None:
    of, data = case
    mutated = [_mutate(draw, encode(of, datum)) for datum in data]
    good = encode(of, data[0])
    decoded = decode(of, [*mutated, good])
    accounted = sorted([*decoded.rows.tolist(), *(r.row for r in decoded.rejected)])
    assert accounted == rows(len(mutated) + 1).tolist()
    assert decoded.rows.tolist()[-1:] == [len(mutated)]
    decoded.columns.validate(full=True)


def _mutate(draw: st.DataObject, data: bytes) -> bytes:
    at = draw.draw(st.integers(0, max(len(data) - 1, 0)))
    match draw.draw(st.sampled_from(["flip", "truncate", "extend", "insert", "replace"])):
        case "flip" if data:
            return data[:at] + bytes([data[at] ^ 1 << draw.draw(st.integers(0, 7))]) + data[at + 1 :]
        case "truncate":
            return data[:at]
        case "extend":
            return data + draw.draw(st.binary(min_size=1, max_size=4))
        case "insert":
            return data[:at] + draw.draw(st.binary(min_size=1, max_size=4)) + data[at:]
    return draw.draw(st.binary(max_size=20))


def test_no_detail_holds_a_piece_of_the_event() -> None:
    of = record(("x", "string"), ("e", {"type": "enum", "name": "E", "symbols": ["A"]}))
    decoded = decode(of, [b"\x0csecret", b"\x0csecret\x02", b"\x0csecret\x00secret", b"\x0esecret\xff\x00"])
    assert len(decoded.rejected) == 4
    assert not any("secret" in r.detail for r in decoded.rejected)
