"""Schemas: what is read from them, and what is said when they are wrong."""

import json
import time
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given
from unit.avro.strategies import FEW, Json, record, schema, schemas

from stream.avro import Schema, load_schema, parse_schema
from stream.avro.schema import MAX_SCHEMA_BYTES
from stream.avro.types import render
from stream.errors import ConfigurationError

NOT_A_TYPE = "neither an Avro type nor a type named before it"


def mistakes(text: str, place: str = "events.avsc") -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse_schema(text, place)
    return [str(problem) for problem in raised.value.problems]


@FEW
@given(schemas())
def test_canonical_form_and_fingerprint_are_those_of_fastavro(of: Json) -> None:
    canonical = fastavro.schema.to_parsing_canonical_form(fastavro.parse_schema(of))
    assert schema(of).text == canonical
    little_endian = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
    assert schema(of).fingerprint.to_bytes(8, "little").hex() == little_endian


def test_a_fingerprint_is_the_one_that_avro_publishes() -> None:
    """Case 016 of share/test/data/schema-tests.txt in Avro's sources, a signed number there."""
    of = schema(record(name="foo"))
    assert of.text == '{"name":"foo","type":"record","fields":[]}'
    assert of.fingerprint == -4824392279771201922 % 2**64


@FEW
@given(schemas())
def test_rendered_and_parsed_again_a_schema_is_the_same(of: Json) -> None:
    first = schema(of)
    again = schema(render(first.root))
    assert again == first
    assert hash(again) == hash(first)
    assert again.arrow == first.arrow


COLUMNS = [
    ("null", pa.null(), True),
    ("boolean", pa.bool_(), False),
    ("int", pa.int32(), False),
    ("long", pa.int64(), False),
    ("float", pa.float32(), False),
    ("double", pa.float64(), False),
    ("bytes", pa.binary(), False),
    ("string", pa.string(), False),
    ({"type": "fixed", "name": "F", "size": 5}, pa.binary(5), False),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, pa.string(), False),
    ({"type": "array", "items": ["null", "int"]}, pa.list_(pa.field("item", pa.int32())), False),
    ({"type": "array", "items": "int"}, pa.list_(pa.field("item", pa.int32(), nullable=False)), False),
    ({"type": "map", "values": "long"}, pa.map_(pa.string(), pa.field("value", pa.int64(), nullable=False)), False),
    (record(("a", "int"), name="R"), pa.struct([pa.field("a", pa.int32(), nullable=False)]), False),
    (["null", "int"], pa.int32(), True),
    (["int", "null"], pa.int32(), True),
    (["null", "int", "string"], pa.string(), True),
    (["int", "string"], pa.string(), False),
    ({"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}, pa.decimal128(38, 2), False),
    ({"type": "bytes", "logicalType": "decimal", "precision": 39}, pa.decimal256(39, 0), False),
    ({"type": "bytes", "logicalType": "decimal", "precision": 77}, pa.binary(), False),
    ({"type": "int", "logicalType": "date"}, pa.date32(), False),
    ({"type": "int", "logicalType": "time-millis"}, pa.time32("ms"), False),
    ({"type": "long", "logicalType": "time-micros"}, pa.time64("us"), False),
    ({"type": "long", "logicalType": "timestamp-millis"}, pa.timestamp("ms", "UTC"), False),
    ({"type": "long", "logicalType": "timestamp-nanos"}, pa.timestamp("ns", "UTC"), False),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, pa.timestamp("us"), False),
    ({"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}, pa.binary(12), False),
    ({"type": "string", "logicalType": "uuid"}, pa.string(), False),
    ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, pa.string(), False),
]


@pytest.mark.parametrize(("of", "column", "nullable"), COLUMNS, ids=lambda v: str(v)[:40])
def test_a_type_is_its_column(of: Json, column: pa.DataType, nullable: bool) -> None:
    assert schema(record(("x", of))).arrow == pa.schema([pa.field("x", column, nullable=nullable)])


@pytest.mark.parametrize(
    "of",
    [
        {"type": "string", "logicalType": "date"},
        {"type": "int", "logicalType": "timestamp-millis"},
        {"type": "long", "logicalType": "of-my-own"},
        {"type": "bytes", "logicalType": "decimal"},
        {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3},
        {"type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 5},
        {"type": "fixed", "name": "F", "size": 11, "logicalType": "duration"},
    ],
)
def test_a_logical_type_that_is_not_valid_is_none_as_the_specification_says(of: Json) -> None:
    without = {k: v for k, v in of.items() if k not in ("logicalType", "precision", "scale")}
    assert schema(record(("x", of))).arrow == schema(record(("x", without))).arrow


def test_namespaces_and_references_are_resolved() -> None:
    of = schema(
        record(
            ("a", {"type": "enum", "name": "E", "symbols": ["A"]}),
            ("b", "E"),
            ("c", {"type": "record", "name": "other.R", "fields": [{"name": "e", "type": "my.ns.E"}]}),
            ("d", "other.R"),
            namespace="my.ns",
        )
    )
    assert of.name == "my.ns.Event"
    assert of.arrow.field("d").type == of.arrow.field("c").type
    assert '"my.ns.E"' in of.text


def test_references_to_other_schemas_are_resolved() -> None:
    inner = parse_schema(json.dumps(record(("a", "int"), name="shop.Item")))
    outer = parse_schema(json.dumps(record(("item", "shop.Item"))), "", [inner])
    assert outer.arrow.field("item").type.field(0).name == "a"
    assert parse_schema(json.dumps(outer.json)) == outer


def test_pruning_keeps_named_types_that_were_defined_in_a_field_that_goes() -> None:
    of = schema(record(("a", {"type": "enum", "name": "E", "symbols": ["A"]}), ("b", "E"), ("c", "int")))
    pruned = of.pruned({"b", "unknown"})
    assert pruned.arrow.names == ["b"]
    assert parse_schema(json.dumps(pruned.json)) == pruned
    assert of.pruned({"a", "b", "c"}) is of


def test_all_mistakes_are_told_at_once_each_at_its_line() -> None:
    text = """{"type": "record", "name": "Order", "fields": [
  {"name": "id", "type": "strng"},
  {"name": "lines", "type": {"type": "array", "items": {
    "type": "record", "name": "Line", "fields": [
      {"name": "price", "type": "int", "default": "free"}]}}},
  {"name": "id", "type": "int"}
]}"""
    assert mistakes(text) == [
        f'events.avsc:2:26: field id: "strng" is {NOT_A_TYPE}; did you mean "string"?',
        "events.avsc:5:51: field lines.price: the default does not fit the type: it must be a JSON value of type int",
        'events.avsc:6:12: field id: field "id" stands twice in this record',
    ]


def test_text_that_is_no_json_is_told_with_line_and_column() -> None:
    assert mistakes('{"type": "record",\n "name": x}') == ["events.avsc:2:10: not JSON: Expecting value"]


def test_a_type_that_contains_itself_is_refused_by_name() -> None:
    node = record(("value", "int"), ("next", ["null", {"type": "array", "items": "Node"}]), name="Node")
    (said,) = mistakes(json.dumps(record(("head", node))))
    assert "field head.next: record Node contains itself through next" in said


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ("int", "the schema of an event is a record, not int"),
        ([record()], "the schema of an event is a record, not union"),
        (5, "a type is a name, an object or a list, not a number"),
        ({"name": "X"}, 'a type needs a "type"'),
        ({"type": "record", "name": "X"}, 'a record needs "fields"'),
        ({"type": "record", "fields": []}, 'needs a "name"'),
        ({"type": "record", "name": "9", "fields": []}, "cannot be a name"),
        ({"type": "record", "name": "int", "fields": []}, "cannot be a name"),
        ({"type": {"type": "record"}}, '"type" must be a name'),
        (record(5), "a field is an object"),
        (record({"name": "a-b", "type": "int"}), "a field is an object"),
        (record({"name": "a", "type": "int", "aliases": "b"}), "aliases are a list"),
        (record(("a", {"type": "array"})), 'needs "items"'),
        (record(("a", {"type": "map"})), 'needs "values"'),
        (record(("a", {"type": "fixed", "name": "F"})), 'needs "size"'),
        (record(("a", {"type": "fixed", "name": "F", "size": -1})), 'needs "size"'),
        (record(("a", {"type": "enum", "name": "E", "symbols": []})), 'needs "symbols"'),
        (record(("a", {"type": "enum", "name": "E", "symbols": ["A", "A"]})), '"A" stands twice'),
        (record(("a", {"type": "enum", "name": "E", "symbols": ["A"], "default": "B"})), "must be one of its symbols"),
        (record(("a", [])), "at least one type"),
        (record(("a", ["int", ["null"]])), "directly inside a union"),
        (record(("a", ["int", "int"])), '"int" stands twice'),
        (record(("a", [{"type": "array", "items": "int"}, {"type": "array", "items": "long"}])), "stands twice"),
        (record(("a", {"type": "enum", "name": "Event", "symbols": ["A"]})), '"Event" is named twice'),
        (record({"name": "a", "type": ["null", "int"], "default": "x"}), "fits no type of the union"),
        (
            record({"name": "a", "type": {"type": "int", "logicalType": "time-millis"}, "default": -1}),
            "outside of the day",
        ),
        (record({"name": "a", "type": "float", "default": 1e300}), "of type float"),
        (record({"name": "a", "type": "string", "default": "\ud800"}), "of type string"),
        (record({"name": "a", "type": record(("b", "int"), name="R"), "default": {}}), 'it lacks "b"'),
    ],
)
def test_a_mistake_is_named(of: Json, said: str) -> None:
    assert any(said in mistake for mistake in mistakes(json.dumps(of)))


def test_a_few_lines_that_describe_billions_of_types_are_refused_at_once() -> None:
    inner: Any = record(("x", "int"), name="L0")
    for level in range(1, 40):
        inner = record(("a", inner), ("b", f"L{level - 1}"), name=f"L{level}")
    started = time.thread_time()
    (said,) = mistakes(json.dumps(inner))
    assert time.thread_time() - started < 1
    assert "more than 10000 types" in said


def test_deep_and_long_texts_are_refused_before_they_are_read() -> None:
    assert "nested deeper than" in mistakes("[" * 100_000)[0]
    assert "longer than" in mistakes(" " * (MAX_SCHEMA_BYTES + 1))[0]
    assert "a number that is too long" in mistakes("1" * 10_000)[0]


def test_brackets_in_strings_are_not_nesting() -> None:
    assert schema(record(doc="[" * 1000 + '"\\')).name == "Event"


def test_a_file_is_read_and_its_mistakes_name_it(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.avsc", tmp_path / "bad.avsc"
    good.write_text(json.dumps(record(("a", "int"))))
    bad.write_bytes(b"\xff")
    assert load_schema(good).place == str(good)
    for path, said in ((bad, "is not UTF-8 text"), (tmp_path / "none.avsc", "No such file")):
        with pytest.raises(ConfigurationError, match=said) as raised:
            load_schema(path)
        assert str(path) in str(raised.value)


def test_schemas_that_differ_in_a_default_or_a_logical_type_are_not_equal() -> None:
    def of(**more: Json) -> Schema:
        return schema(record({"name": "a", "type": "long"} | more))

    assert of() == of(doc="told")
    assert of() != of(default=1)
    assert of() != of(type={"type": "long", "logicalType": "timestamp-millis"})
    assert of().fingerprint == of(type={"type": "long", "logicalType": "timestamp-millis"}).fingerprint
