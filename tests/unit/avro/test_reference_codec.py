"""The reference codec agrees with fastavro, for random schemas, data and pairs of schemas."""

import io
import itertools
from decimal import Context
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.avro.strategies import FEW, LOGICAL, Json, bounds, encode, evolved, record, schema, schemas_with_data

from stream.avro import Limits
from stream.avro.codec import NULL_FIELD, OUT_OF_RANGE, Decoded
from stream.avro.encoding import values
from stream.avro.reference import compile_decoder, compile_encoder


def decode(of: Json, data: list[bytes], reader: Json = None) -> Decoded:
    return compile_decoder(schema(of), schema(reader or of), Limits()).decode(*bounds(data))


def split(encoded: Any) -> list[bytes]:
    ends = encoded.offsets.tolist()
    return [bytes(encoded.values[a:b]) for a, b in itertools.pairwise(ends)]


def physical(columns: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows of Python values, dates and times as integers."""
    lists = [values(c) for c in columns.columns]
    return [dict(zip(columns.schema.names, row, strict=True)) for row in zip(*lists, strict=True)] or [{}] * len(
        columns
    )


def like_fastavro(value: Any, of: Json) -> Any:
    """A value of ours as fastavro gives it under the bare schema: a map as a dict."""
    if value is None:
        return None
    if isinstance(of, list):
        return like_fastavro(value, next(b for b in of if b != "null"))
    match of["type"] if isinstance(of, dict) else of:
        case "map":
            return {k: like_fastavro(v, of["values"]) for k, v in value}
        case "array":
            return [like_fastavro(v, of["items"]) for v in value]
        case "record":
            return {f["name"]: like_fastavro(value[f["name"]], f["type"]) for f in of["fields"]}
    return value


@FEW
@given(schemas_with_data())
def test_what_fastavro_wrote_is_read_and_written_again_to_the_same_bytes(case: tuple[Json, list[Any]]) -> None:
    of, data = case
    written = [encode(of, datum) for datum in data]
    decoded = decode(of, written)
    assert not decoded.rejected
    assert decoded.columns.schema == schema(of).arrow
    decoded.columns.validate(full=True)
    encoded = compile_encoder(schema(of)).encode(decoded.columns, b"\xc3\x01")
    assert not encoded.rejected
    assert split(encoded) == [b"\xc3\x01" + w for w in written]


@FEW
@given(schemas_with_data(general_unions=False, logical=False))
def test_values_are_those_of_fastavro(case: tuple[Json, list[Any]]) -> None:
    of, data = case
    written = [encode(of, datum) for datum in data]
    theirs = [fastavro.schemaless_reader(io.BytesIO(w), fastavro.parse_schema(of)) for w in written]
    assert [like_fastavro(row, of) for row in physical(decode(of, written).columns)] == theirs


@FEW
@given(schemas_with_data(general_unions=False, logical=False), st.data())
def test_evolved_readers_see_what_fastavro_sees(case: tuple[Json, list[Any]], draw: st.DataObject) -> None:
    of, data = case
    reader = draw.draw(evolved(of))
    written = [encode(of, datum) for datum in data]
    parsed = fastavro.parse_schema(of), fastavro.parse_schema(reader)
    theirs = [fastavro.schemaless_reader(io.BytesIO(w), *parsed) for w in written]
    decoded = decode(of, written, reader)
    assert not decoded.rejected
    assert [like_fastavro(row, reader) for row in physical(decoded.columns)] == theirs


@pytest.mark.parametrize("logical", LOGICAL, ids=lambda of: of["logicalType"])
def test_logical_types_are_right_to_the_last_digit_at_their_ends(logical: Json) -> None:
    extremes = {
        "date": [-(2**31), 2**31 - 1],
        "time-millis": [0, 86_399_999],
        "time-micros": [0, 86_399_999_999],
        "decimal": [1 - 10 ** logical.get("precision", 1), 10 ** logical.get("precision", 1) - 1, 0, -1, 128, -129],
        "uuid": ["00000000-0000-0000-0000-000000000000"],
    }.get(logical["logicalType"], [-(2**63), 2**63 - 1])
    of = record(("x", logical))
    decimal = logical["logicalType"] == "decimal"
    data = [v.to_bytes(26, "big", signed=True) if decimal else v for v in extremes]
    decoded = decode(of, [encode(of, {"x": v}) for v in data])
    assert not decoded.rejected
    found = values(decoded.columns.column(0))
    if decimal:
        found = [int(v.scaleb(logical["scale"], Context(prec=100))) for v in found]
    assert found == extremes
    assert not compile_encoder(schema(of)).encode(decoded.columns, b"").rejected


def test_duration_and_a_uuid_of_16_bytes_keep_their_bits() -> None:
    of = record(
        ("d", {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}),
        ("u", {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}),
    )
    written = encode(of, {"d": bytes(range(12)), "u": bytes(range(16))})
    decoded = decode(of, [written])
    assert decoded.columns.to_pylist() == [{"d": bytes(range(12)), "u": "00010203-0405-0607-0809-0a0b0c0d0e0f"}]
    assert split(compile_encoder(schema(of)).encode(decoded.columns, b"")) == [written]


@pytest.mark.parametrize(
    ("union", "datum", "text"),
    [
        (["int", "long", "string"], ("long", 5), '{"long": 5}'),
        (["int", "long", "string"], ("int", 5), '{"int": 5}'),
        (["null", "float", "double"], ("double", 1.5), '{"double": 1.5}'),
        (["null", "float", "double"], ("null", None), None),
        (["bytes", "string"], ("bytes", b"\xff\x00"), '{"bytes": "ÿ\\u0000"}'),
        (["bytes", "string"], ("string", "ÿ"), '{"string": "ÿ"}'),
        (["int", "double"], ("double", float("inf")), '{"double": "Infinity"}'),
        (["int", {"type": "map", "values": ["null", "int"]}], ("map", {"a": ("int", 1)}), '{"map": {"a": {"int": 1}}}'),
        (["int", {"type": "enum", "name": "a.b.E", "symbols": ["X"]}], ("a.b.E", "X"), '{"a.b.E": "X"}'),
        (
            ["int", {"type": "long", "logicalType": "timestamp-millis"}],
            ("long", 2**62),
            '{"long": 4611686018427387904}',
        ),
        (["int"], ("int", 3), '{"int": 3}'),
    ],
)
def test_a_general_union_is_the_json_encoding_of_avro(union: Json, datum: Any, text: str | None) -> None:
    of = record(("x", union))
    written = encode(of, {"x": datum})
    decoded = decode(of, [written])
    assert decoded.columns.column(0).to_pylist() == [text]
    assert split(compile_encoder(schema(of)).encode(decoded.columns, b"")) == [written]


@pytest.mark.parametrize(
    "text",
    ["5", "{}", '{"long": 5, "int": 4}', '{"float": 1}', '{"int": "x"}', "nope", "null", '{"int": 1e9}', "[" * 10_000],
)
def test_text_that_is_no_value_of_the_union_costs_its_row_alone(text: str) -> None:
    encoder = compile_encoder(schema(record(("x", ["int", "string"]))))
    encoded = encoder.encode(pa.record_batch({"x": ['{"int": 1}', text]}), b"")
    assert encoded.rows.tolist() == [0]
    assert [(r.row, r.reason) for r in encoded.rejected] == [(1, OUT_OF_RANGE)]


def test_nulls_where_the_schema_takes_none_cost_their_rows_alone() -> None:
    of = schema(record(("a", "int"), ("b", {"type": "array", "items": "int"}), ("c", ["null", "int"])))
    columns = pa.record_batch(
        [
            pa.array([1, None, 3], pa.int32()),
            pa.array([[1], [1], [None]], pa.list_(pa.int32())),
            pa.array([None] * 3, pa.int32()),
        ],
        names=["a", "b", "c"],
    )
    encoded = compile_encoder(of).encode(columns, b"")
    assert encoded.rows.tolist() == [0]
    assert [(r.row, r.reason) for r in encoded.rejected] == [(1, NULL_FIELD), (2, NULL_FIELD)]


def test_an_enum_takes_its_symbols_only() -> None:
    of = schema(record(("x", {"type": "enum", "name": "E", "symbols": ["A", "B"]})))
    encoded = compile_encoder(of).encode(pa.record_batch({"x": ["B", "C"]}), b"")
    assert encoded.rows.tolist() == [0]
    assert encoded.rejected[0].reason == OUT_OF_RANGE
    assert "C" not in encoded.rejected[0].detail.replace("E", "")


def test_a_slice_of_a_buffer_and_a_memoryview_are_read_in_place() -> None:
    of = record(("x", "string"))
    one = encode(of, {"x": "hello"})
    buffer = memoryview(b"??" + one + b"?" + one)
    starts = np.array([2, 3 + len(one)])
    decoded = compile_decoder(schema(of), schema(of), Limits()).decode(buffer, starts, starts + len(one))
    assert decoded.columns.column(0).to_pylist() == ["hello", "hello"]


def test_rows_say_which_messages_were_accepted() -> None:
    of = record(("x", "int"))
    decoded = decode(of, [encode(of, {"x": 1}), b"", encode(of, {"x": 2}), b"\x80"])
    assert decoded.rows.tolist() == [0, 2]
    assert [r.row for r in decoded.rejected] == [1, 3]
    assert decoded.columns.column(0).to_pylist() == [1, 2]


def test_a_record_of_no_fields_keeps_its_rows() -> None:
    of = record()
    decoded = decode(of, [b"", b"", b"\x00"])
    assert decoded.columns.num_rows == 2
    assert decoded.rows.tolist() == [0, 1]
    encoded = compile_encoder(schema(of)).encode(decoded.columns, b"x")
    assert split(encoded) == [b"x", b"x"]


def test_not_a_number_and_both_zeros_pass() -> None:
    of = record(("x", "double"), ("y", "float"))
    written = [encode(of, {"x": v, "y": v}) for v in (float("nan"), -0.0, float("-inf"))]
    decoded = decode(of, written)
    assert split(compile_encoder(schema(of)).encode(decoded.columns, b"")) == written


def test_a_map_keeps_a_key_that_comes_twice() -> None:
    of = record(("m", {"type": "map", "values": "int"}))
    decoded = decode(of, [b"\x04\x02a\x02\x02a\x04\x00"])
    assert decoded.columns.column(0).to_pylist() == [[("a", 1), ("a", 2)]]


def test_blocks_of_any_division_and_with_sizes_are_one_array() -> None:
    of = record(("a", {"type": "array", "items": "int"}))
    decoded = decode(of, [b"\x02\x02\x03\x04\x04\x06\x00", b"\x00", b"\x01\x02\x02\x00"])
    assert decoded.columns.column(0).to_pylist() == [[1, 2, 3], [], [1]]
    assert not decoded.rejected
