"""Schemas are compiled to the operations that their data needs, and to no more."""

from __future__ import annotations

from unit.avro_native.conftest import record

from stream.avro import Schema
from stream.avro.decode_program import compile_plan
from stream.avro.encode_program import compile_schema
from stream.avro.program import Program
from stream.avro.resolution import Fields, resolve

LIST = {"type": "array", "items": ["null", "string"]}


def decoder(writer: Schema, reader: Schema, max_depth: int = 64) -> Program:
    plan = resolve(writer.root, reader.root)
    assert isinstance(plan, Fields)
    return compile_plan(plan, max_depth)


def names(program: Program) -> list[str]:
    return [op.name for op in program.ops]


def test_one_operation_a_field_and_one_more_where_it_is_optional() -> None:
    schema = record("long", ["null", "double"], "string")
    assert names(decoder(schema, schema)) == ["LONG", "OPTION", "DOUBLE", "STRING", "END"]
    assert names(compile_schema(schema.root)) == ["LONG", "OPTION", "DOUBLE", "STRING", "END"]


def test_an_array_is_a_loop_around_its_item() -> None:
    program = decoder(record(LIST), record(LIST))
    assert names(program) == ["ARRAY", "OPTION", "STRING", "ARRAY_END", "END"]
    assert [op.jump for op in program.ops] == [3, 3, 0, 1, 0]
    assert [c.layout for c in program.columns] == ["list", "text"]
    assert program.arrays == 1


def test_numbers_that_stand_as_arrow_has_them_are_taken_together() -> None:
    schema = record({"type": "array", "items": "double"}, {"type": "array", "items": "long"})
    assert [op.low for op in decoder(schema, schema).ops if op.name == "ARRAY_END"] == [1, 0]
    assert [op.low for op in compile_schema(schema.root).ops if op.name == "ARRAY"] == [1, 0]


def test_promotions_and_defaults_are_decided_before_the_data_comes() -> None:
    reader = record({"name": "a", "type": "double"}, {"name": "n", "type": ["null", "int"], "default": None},
                    {"name": "d", "type": "int", "default": 300})  # fmt: skip
    program = decoder(record("long"), reader)
    assert names(program) == ["LONG_DOUBLE", "NULL_ROW", "DEFAULT", "INT", "DEFAULT_END", "END"]
    assert program.data == b"\xd8\x04"


def test_a_field_that_is_not_wanted_has_no_column() -> None:
    writer = record("string", LIST, "int")
    program = decoder(writer, writer.pruned(["c"]))
    assert names(program) == ["SKIP_BYTES", "ARRAY", "SKIP_OPTION", "SKIP_BYTES", "SKIP_ARRAY_END", "INT", "END"]
    assert len(program.columns) == 1


def test_what_is_too_deep_fails_where_it_begins() -> None:
    schema = record({"type": "array", "items": LIST})
    assert names(decoder(schema, schema, max_depth=2)) == ["ARRAY", "FAIL", "ARRAY_END", "END"]


def test_columns_are_numbered_in_the_order_of_the_schema() -> None:
    inner = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "x", "type": "int"}, {"name": "m", "type": {"type": "map", "values": "R2"}}],
    }
    named = {"type": "fixed", "name": "R2", "size": 3}
    program = compile_schema(record(named, inner, "boolean").root)
    assert [(c.layout, c.field, c.end) for c in program.columns] == [
        ("wide", "a", 1),
        ("struct", "b", 7),
        ("fixed", "b.x", 3),
        ("list", "b.m", 7),
        ("struct", "b.m", 7),
        ("text", "b.m.key", 6),
        ("wide", "b.m.value", 7),
        ("bits", "c", 8),
    ]
