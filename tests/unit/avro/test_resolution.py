"""Which schemas can be read as which, and what is said when they cannot."""

import math
from typing import Any

import pytest
from unit.avro.strategies import Json, bounds, encode, record, schema

from stream.avro import Limits, resolvable
from stream.avro.encoding import values
from stream.avro.reference import compile_decoder

ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 4}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}


def read(writer: Json, datum: Any, reader: Json) -> Any:
    """The one column of the reader."""
    decoder = compile_decoder(schema(writer), schema(reader), Limits())
    decoded = decoder.decode(*bounds([encode(writer, datum)]))
    assert not decoded.rejected
    return values(decoded.columns.column(0))[0]


PROMOTIONS = [
    ("int", 5, "long", 5),
    ("int", 5, "float", 5.0),
    ("int", 2**31 - 1, "double", 2147483647.0),
    ("long", 2**53 + 1, "double", float(2**53)),
    ("long", 2**60 + 2**36 + 1, "float", float(2**60 + 2**37)),
    ("float", 1.5, "double", 1.5),
    ("string", "ÿ", "bytes", b"\xc3\xbf"),
    ("bytes", b"\xc3\xbf", "string", "ÿ"),
    ("int", 5, ["null", "long"], 5),
    (["null", "int"], ("int", 5), "double", 5.0),
    (["null", "int"], ("int", 5), ["long", "null"], 5),
    ("int", 5, {"type": "int", "logicalType": "date"}, 5),
    ("int", 5, MILLIS, 5),
    (MILLIS, 5, "long", 5),
    (DECIMAL, b"\x05", "bytes", b"\x05"),
    ({"type": "array", "items": "int"}, [1], {"type": "array", "items": "double"}, [1.0]),
    ({"type": "map", "values": "int"}, {"a": 1}, {"type": "map", "values": ["null", "long"]}, [("a", 1)]),
    (ENUM, "B", ["null", ENUM], "B"),
    (ENUM, "B", ENUM | {"symbols": ["B", "C"]}, "B"),
    (ENUM, "B", ENUM | {"symbols": ["C"], "default": "C"}, "C"),
    (ENUM, "B", ENUM | {"name": "New", "aliases": ["E"]}, "B"),
    (ENUM, "B", ENUM | {"name": "other.E"}, "B"),
    (FIXED, b"abcd", FIXED | {"name": "G", "aliases": ["F"]}, b"abcd"),
]


@pytest.mark.parametrize(("writer", "datum", "reader", "value"), PROMOTIONS)
def test_a_value_is_read_as_the_readers(writer: Json, datum: Any, reader: Json, value: Any) -> None:
    found = read(record(("x", writer)), {"x": datum}, record(("x", reader)))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("writer", "datum", "union", "text"),
    [
        ("int", 5, ["long", "int"], '{"int": 5}'),
        (["string", "bytes"], ("string", "a"), ["bytes", "string"], '{"string": "a"}'),
        ("int", 5, ["string", "double", "long"], '{"double": 5.0}'),
        (["int", "null"], ("null", None), ["null", "long", "string"], None),
        ("float", 1.5, ["double", "string"], '{"double": 1.5}'),
    ],
)
def test_in_a_readers_union_an_exact_match_goes_before_the_first_promotion(
    writer: Json, datum: Any, union: Json, text: str | None
) -> None:
    assert read(record(("x", writer)), {"x": datum}, record(("x", union))) == text


def test_of_two_records_in_a_union_the_one_of_the_full_name_is_taken() -> None:
    def branch(space: str, field: str) -> Json:
        return record({"name": field, "type": "int", "default": 0}, name=f"{space}.R")

    union = [branch("a", "x"), branch("b", "y")]
    of = record(("u", union))
    assert read(of, {"u": ("b.R", {"y": 7})}, of) == '{"b.R": {"y": 7}}'


def test_fields_are_found_by_name_then_by_alias_each_once() -> None:
    writer = record(("b", "int"), ("a", "int"), ("old", "int"))
    reader = record(
        {"name": "new", "type": "int", "aliases": ["old"]},
        {"name": "b", "type": "int", "aliases": ["a"]},
        {"name": "c", "type": "int", "aliases": ["a", "b"]},
    )
    decoder = compile_decoder(schema(writer), schema(reader), Limits())
    decoded = decoder.decode(*bounds([encode(writer, {"a": 1, "b": 2, "old": 3})]))
    assert decoded.columns.to_pylist() == [{"new": 3, "b": 2, "c": 1}]


DEFAULTS = [
    ("int", 7, 7),
    ("bytes", "ÿa", b"\xffa"),
    ("float", "NaN", None),
    ("double", 3, 3.0),
    (FIXED, "abc\u00ff", b"abc\xff"),
    (ENUM, "B", "B"),
    (["null", "int"], None, None),
    (["null", "int"], 5, 5),
    (["int", "null"], 5, 5),
    (["int", "string"], "x", '{"string": "x"}'),
    (["null", "string", "int"], None, None),
    (DECIMAL, "\u0001\u0000", None),
    (MILLIS, 5, 5),
    ({"type": "array", "items": "bytes"}, ["ÿ"], [b"\xff"]),
    ({"type": "map", "values": "int"}, {"k": 1}, [("k", 1)]),
    (record(("a", "int"), {"name": "b", "type": "bytes", "default": "x"}, name="R"), {"a": 1}, {"a": 1, "b": b"x"}),
]


@pytest.mark.parametrize(("of", "default", "value"), DEFAULTS, ids=lambda v: str(v)[:30])
def test_a_default_is_the_value_that_the_reader_would_have_read(of: Json, default: Json, value: Any) -> None:
    writer, reader = record(), record({"name": "x", "type": of, "default": default})
    found = read(writer, {}, reader)
    if default == "NaN":
        assert math.isnan(found)
    elif of is DECIMAL:
        assert str(found) == "2.56"
    else:
        assert found == value


def test_a_default_of_a_nested_field_that_the_writer_lacks_is_filled_in() -> None:
    writer = record(("r", {"type": "array", "items": record(("a", "int"), name="R")}))
    reader = record(
        (
            "r",
            {"type": "array", "items": record(("a", "int"), {"name": "b", "type": "string", "default": "z"}, name="R")},
        )
    )
    assert read(writer, {"r": [{"a": 1}, {"a": 2}]}, reader) == [{"a": 1, "b": "z"}, {"a": 2, "b": "z"}]


@pytest.mark.parametrize(
    ("writer", "reader", "said"),
    [
        ("long", "int", "field x: the writer's long is not the reader's int"),
        ("string", "int", "the writer's string is not the reader's int"),
        ("double", "float", "is not the reader's float"),
        ("null", "int", "is not the reader's int"),
        ("int", ["null", "string"], "in no branch of the reader's union"),
        (["null", "string"], "int", "is not the reader's int"),
        ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}, "field x: the writer's long"),
        (ENUM, ENUM | {"name": "G"}, 'if they are the same, give the reader\'s "aliases": ["E"]'),
        (FIXED, FIXED | {"size": 5}, "the writer's fixed has 4 bytes, the reader's 5"),
        (ENUM, FIXED | {"name": "E"}, "the writer's E is not the reader's E"),
        (ENUM, "string", "is not the reader's string"),
        (MILLIS, MICROS, "the writer's timestamp-millis is not the reader's timestamp-micros"),
        (MILLIS, {"type": "long", "logicalType": "local-timestamp-millis"}, "local-timestamp-millis"),
        ({"type": "int", "logicalType": "date"}, MILLIS, "the writer's date is not the reader's timestamp-millis"),
        (DECIMAL, DECIMAL | {"scale": 3}, "the writer's decimal of scale 2 is not the reader's decimal of scale 3"),
        ("string", DECIMAL, "is not the reader's bytes"),
        (
            record(("a", "int"), name="R"),
            record(("a", "int"), ("b", "int"), name="R"),
            "field x.b: the writer's R does not have it",
        ),
    ],
    ids=lambda v: str(v)[:30],
)
def test_what_cannot_be_read_is_named(writer: Json, reader: Json, said: str) -> None:
    refusal = resolvable(schema(record(("x", writer))), schema(record(("x", reader))))
    assert refusal is not None
    assert said in refusal


def test_the_name_of_the_event_must_match_too() -> None:
    refusal = resolvable(schema(record(name="a.Old")), schema(record(name="b.New")))
    assert refusal is not None
    assert '"aliases": ["a.Old"]' in refusal
    assert resolvable(schema(record(name="a.Old")), schema(record(name="b.Old"))) is None
    assert resolvable(schema(record(name="a.Old")), schema(record(name="b.New", aliases=["a.Old"]))) is None
