"""EventWriter: columns to events, checked when it is made and row by row."""

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from unit.avro.strategies import LOGICAL, Json, bare, record, schema

from stream.avro import DirectorySchemas, EventWriter, codec
from stream.avro.framing import Frame
from stream.avro.schema import Schema
from stream.batch import Batch, Messages
from stream.errors import ConfigurationError, SystemicError, UnreachableError

UTC = "UTC"


def batch(columns: dict[str, pa.Array]) -> Batch:
    n = len(next(iter(columns.values()))) if columns else 2
    made = (
        pa.RecordBatch.from_pydict(columns)
        if columns
        else pa.RecordBatch.from_struct_array(pa.array([{}] * n, pa.struct([])))
    )
    messages = Messages.of([b"v"] * (n + 5), [b"key"] * (n + 5), topic="in", timestamp_ms=7, first_offset=100)
    return Batch(messages, np.arange(5, n + 5), made)


def written(of: Json, columns: dict[str, pa.Array], store: Any = None) -> tuple[list[Any], list[tuple[int, str]]]:
    """The events as fastavro reads them without logical types, and (row, reason) of those that were not taken."""
    b = batch(columns)
    encoded = EventWriter("out", schema(of), store or DirectorySchemas([]), b.columns.schema).write(b)
    prefix, parsed = b"\xc3\x01" + schema(of).fingerprint.to_bytes(8, "little"), fastavro.parse_schema(bare(of))
    events = []
    for start, stop in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True):
        data = bytes(encoded.values[start:stop])
        assert data.startswith(prefix)
        events.append(fastavro.schemaless_reader(io.BytesIO(data[len(prefix) :]), parsed))
    assert len(events) == len(encoded.rows)
    assert sorted([*encoded.rows.tolist(), *(r.row for r in encoded.rejected)]) == list(range(len(b)))
    return events, [(r.row, r.reason) for r in encoded.rejected]


def one(of: Json, column: pa.Array) -> tuple[list[Any], list[tuple[int, str]]]:
    events, rejected = written(record(("x", of)), {"x": column})
    return [e["x"] for e in events], rejected


def test_fields_are_filled_by_name_meta_columns_included_and_defaults_where_there_is_no_column() -> None:
    of = record(
        ("b", "string"), ("_offset", "long"), ("_key", ["null", "bytes"]), ("_topic", "string"), ("a", "int"),
        {"name": "d", "type": {"type": "array", "items": "int"}, "default": [1]},
        ("_timestamp", {"type": "long", "logicalType": "timestamp-millis"}),
    )  # fmt: skip
    events, rejected = written(
        of, {"a": pa.array([1, 2], pa.int32()), "b": pa.array(["x", "y"]), "extra": pa.array([0, 0])}
    )
    assert not rejected
    common = {"_key": b"key", "_topic": "in", "d": [1], "_timestamp": 7}
    assert events == [{"b": "x", "_offset": 105, "a": 1} | common, {"b": "y", "_offset": 106, "a": 2} | common]


MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
TAKEN = [
    ("long", pa.array([1], pa.int8()), [1]),
    ("int", pa.array([2**31 - 1], pa.int64()), [2**31 - 1]),
    ("long", pa.array([5], pa.uint64()), [5]),
    ("double", pa.array([2**53 + 1], pa.int64()), [float(2**53)]),
    ("float", pa.array([0.1], pa.float64()), [np.float32(0.1)]),
    ("double", pa.array([0.5], pa.float32()), [0.5]),
    ("float", pa.array([float("inf")]), [float("inf")]),
    ("string", pa.array(["ü"], pa.large_string()), ["ü"]),
    ("string", pa.array(["ü"], pa.string_view()), ["ü"]),
    ("string", pa.array(["ü"]).dictionary_encode(), ["ü"]),
    ("string", pa.array([b"u"], pa.binary()), ["u"]),
    ("bytes", pa.array(["ü"]), ["ü".encode()]),
    ("bytes", pa.array([b"ab"], pa.binary(2)), [b"ab"]),
    ({"type": "fixed", "name": "F", "size": 2}, pa.array([b"ab"]), [b"ab"]),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, pa.array(["B"]), ["B"]),
    (["null", "int"], pa.array([None, None], pa.null()), [None, None]),
    (["null", "int"], pa.array([None, 3], pa.int64()), [None, 3]),
    (["null", "int", "string"], pa.array(['{"string": "a"}', None]), ["a", None]),
    (["null", "int", "string"], pa.array([None], pa.null()), [None]),
    ({"type": "array", "items": "double"}, pa.array([[0.5, 0.25]], pa.list_(pa.float32(), 2)), [[0.5, 0.25]]),
    ({"type": "array", "items": "float"}, pa.array([[0.5], []], pa.large_list(pa.float64())), [[0.5], []]),
    (["null", {"type": "array", "items": "int"}], pa.array([[1], None, [2]], pa.list_(pa.int64())), [[1], None, [2]]),
    ({"type": "map", "values": "int"}, pa.array([[("a", 1)]], pa.map_(pa.large_string(), pa.int64())), [{"a": 1}]),
    ({"type": "int", "logicalType": "date"}, pa.array([dt.date(1970, 1, 3)]), [2]),
    (MILLIS, pa.array([5], pa.timestamp("s", UTC)), [5000]),
    (MILLIS, pa.array([5], pa.timestamp("ms", "Europe/Berlin")), [5]),
    (LOCAL, pa.array([5], pa.timestamp("ms")), [5000]),
    ({"type": "long", "logicalType": "time-micros"}, pa.array([5], pa.time32("ms")), [5000]),
    (DECIMAL, pa.array([Decimal("1.5")], pa.decimal128(3, 1)), [b"\x00\x96"]),
    (DECIMAL, pa.array([-1], pa.int64()), [b"\x9c"]),
    (record(("p", "int"), {"name": "q", "type": "string", "default": "z"}, name="R"),
     pa.array([{"o": 0, "p": 1}], pa.struct([("o", pa.int8()), ("p", pa.int64())])), [{"p": 1, "q": "z"}]),
]  # fmt: skip


@pytest.mark.parametrize(("of", "column", "values"), TAKEN, ids=lambda v: str(getattr(v, "type", v))[:40])
def test_a_column_that_fits_is_taken(of: Json, column: pa.Array, values: list[Any]) -> None:
    assert one(of, column) == (values, [])


CHECKED = [
    ("int", pa.array([1, 2**31, -(2**31) - 1, 2], pa.int64()), [1, 2]),
    ("long", pa.array([1, 2**63], pa.uint64()), [1]),
    ("float", pa.array([1.0, 1e300]), [1.0]),
    ("string", pa.array([b"ok", b"\xff"]), ["ok"]),
    ({"type": "fixed", "name": "F", "size": 2}, pa.array([b"ab", b"abc"]), [b"ab"]),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, pa.array(["A", "B"]), ["A"]),
    ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, pa.array(["0" * 32, "no"]), [b"\x00" * 16]),
    (DECIMAL, pa.array([Decimal("1"), Decimal("1000")], pa.decimal128(9, 0)), [b"\x64"]),
    (DECIMAL, pa.array([1, 1000], pa.int64()), [b"\x64"]),
    (MILLIS, pa.array([1, 2**60], pa.timestamp("s", UTC)), [1000]),
    ({"type": "array", "items": "int"}, pa.array([[1], [1, 2**40], []]), [[1], []]),
    (
        {"type": "map", "values": "int"},
        pa.array([[("a", 1)], [("a", 2**40)]], pa.map_(pa.string(), pa.int64())),
        [{"a": 1}],
    ),
    (record(("p", "int"), name="R"), pa.array([{"p": 1}, {"p": 2**40}]), [{"p": 1}]),
    (["null", "int"], pa.array([None, 2**40, 5]), [None, 5]),
    (["null", "int", "string"], pa.array(['{"int": 1}', "1"]), [1]),
]


@pytest.mark.parametrize(("of", "column", "values"), CHECKED, ids=lambda v: str(getattr(v, "type", v))[:40])
def test_a_value_beyond_the_type_costs_its_row_alone(of: Json, column: pa.Array, values: list[Any]) -> None:
    events, rejected = one(of, column)
    assert events == values
    assert {reason for _, reason in rejected} == {codec.OUT_OF_RANGE}


def test_nulls_misfits_and_good_rows_of_several_fields_keep_their_numbers() -> None:
    events, rejected = written(
        record(("a", "int"), ("b", "int"), ("s", "string")),
        {
            "a": pa.array([1, 2**40, 3, None, 5, None]),
            "b": pa.array([1, 2**41, 2**41, 4, 5, 6]),
            "s": pa.array([*"uvwxyz"]),
        },
    )
    assert [e["s"] for e in events] == ["u", "y"]
    assert rejected == [(1, codec.OUT_OF_RANGE), (2, codec.OUT_OF_RANGE), (3, codec.NULL_FIELD), (5, codec.NULL_FIELD)]


def test_sliced_columns_are_written_as_they_stand() -> None:
    nested = pa.array([[{"p": 1}], [{"p": 2}, {"p": 3}], None, [{"p": 4}]])
    maps = pa.array([[("a", 1)], [("b", 2)], None, [("c", 3)]], pa.map_(pa.string(), pa.int64()))
    of = record(
        ("l", ["null", {"type": "array", "items": record(("p", "int"), name="P")}]),
        ("m", ["null", {"type": "map", "values": "int"}]),
    )
    whole = batch({"l": nested, "m": maps})
    encoded = EventWriter("o", schema(of), DirectorySchemas([]), whole.columns.schema).write(whole.slice(1, 4))
    assert len(encoded.rows) == 3
    events, rejected = written(of, {"l": nested.slice(1), "m": maps.slice(1)})
    assert events == [
        {"l": [{"p": 2}, {"p": 3}], "m": {"b": 2}},
        {"l": None, "m": None},
        {"l": [{"p": 4}], "m": {"c": 3}},
    ]
    assert not rejected


@pytest.mark.parametrize("of", LOGICAL, ids=lambda of: of["logicalType"])
def test_a_column_of_the_same_type_passes_untouched(of: Json) -> None:
    column = pa.nulls(0, schema(record(("x", of))).arrow.field("x").type)
    assert one(of, column) == ([], [])


def problems(of: Json, columns: pa.Schema) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        EventWriter("out", schema(of), DirectorySchemas([]), columns)
    return [str(p) for p in raised.value.problems]


REFUSED = [
    ("int", pa.float64(), "the column is double, the field takes int; add CAST(x AS INT) in a transform stage"),
    ("long", pa.float32(), "add CAST(x AS BIGINT) in a transform stage"),
    ("long", pa.string(), "the column is string, the field takes long; add CAST(x AS BIGINT)"),
    ("string", pa.int64(), "add CAST(x AS VARCHAR)"),
    ("boolean", pa.int64(), "the column is int64, the field takes boolean"),
    ("int", pa.null(), "the column holds nothing but null, and the field takes none"),
    (MILLIS, pa.timestamp("us", UTC), "which would lose digits; make the field timestamp-micros"),
    (MILLIS, pa.timestamp("ms"), "local-timestamp is for times without a zone"),
    (MILLIS, pa.int64(), "the column is int64, the field takes timestamp-millis"),
    ("long", pa.timestamp("ms", UTC), 'give the field the "logicalType" of the column'),
    (DECIMAL, pa.float64(), "add CAST(x AS DECIMAL(5, 2))"),
    (DECIMAL, pa.decimal128(9, 3), "the field takes decimal(5, 2)"),
    ({"type": "fixed", "name": "F", "size": 2}, pa.binary(3), "the field takes F"),
    ({"type": "array", "items": "int"}, pa.int64(), "the field takes array"),
    ({"type": "array", "items": "int"}, pa.list_(pa.float64()), "the column is double, the field takes int"),
    (["int", "string"], pa.int64(), "its column is text in Avro's JSON encoding"),
    (record(("part", "int"), name="R"), pa.struct([("parts", pa.int64())]),
     "x.part: the column has no such part; it has parts; did you mean `parts`?"),
]  # fmt: skip


@pytest.mark.parametrize(("of", "column", "said"), REFUSED, ids=lambda v: str(v)[:40])
def test_a_column_of_another_meaning_is_refused_with_what_would_be_right(
    of: Json, column: pa.DataType, said: str
) -> None:
    (problem,) = problems(record(("x", of)), pa.schema([("x", column)]))
    assert problem.startswith("output field `x` of Event: ")
    assert said in problem


def test_every_field_that_nothing_fills_is_named_with_the_columns_there_are() -> None:
    said = problems(
        record(("delay", "int"), ("carrier", "string")), pa.schema([("delays", pa.int32()), ("x", pa.int32())])
    )
    columns = "columns are delays, x, _topic, _partition, _offset, _timestamp, _key"
    assert said == [
        f"output field `delay` of Event: no column of that name; {columns}; did you mean `delays`?",
        f"output field `carrier` of Event: no column of that name; {columns}",
    ]


class Registry:
    """A store that counts what it is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, 0

    def writer_schema(self, frame: Frame) -> Schema:
        raise NotImplementedError

    def latest(self, subject: str) -> Schema:
        raise NotImplementedError

    def prefix(self, topic: str, schema: Schema) -> bytes:
        self.asked += 1
        if self.error:
            raise self.error
        return topic.encode()


def test_the_schema_is_registered_once_and_not_before_it_is_needed() -> None:
    store, rows = Registry(), batch({"a": pa.array([1])})
    writer = EventWriter("topic", schema(record(("a", "int"))), store, rows.columns.schema)
    assert store.asked == 0
    writer.register()
    assert bytes(writer.write(rows).values) == b"topic\x02"
    writer.write(rows)
    assert store.asked == 1


def test_a_registry_that_does_not_answer_is_unreachable_at_start_and_systemic_at_work() -> None:
    rows = batch({"a": pa.array([1])})
    writer = EventWriter("t", schema(record(("a", "int"))), Registry(UnreachableError("down")), rows.columns.schema)
    with pytest.raises(UnreachableError):
        writer.register()
    with pytest.raises(SystemicError, match="registry: down"):
        writer.write(rows)


def test_an_event_of_no_fields_is_its_framing() -> None:
    events, rejected = written(record(), {})
    assert events == [{}, {}]
    assert not rejected
