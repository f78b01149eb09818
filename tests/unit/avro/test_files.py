"""Events from files of every kind, with bad rows named and the good ones kept."""

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from unit.avro.strategies import Json, record, schema

from stream.avro import Rejected, codec, read_values
from stream.errors import ConfigurationError

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
LOCAL_SECOND = dt.datetime(1970, 1, 1, 0, 0, 1)  # noqa: DTZ001 (it has no zone)
EVENT = record(("id", "int"), ("name", ["null", "string"]), {"name": "at", "type": MILLIS, "default": 0})


def read(path: Path, of: Json = EVENT, chunk: int = 100) -> list[Any]:
    """Events as fastavro reads them, Rejected as they are."""
    parsed = fastavro.parse_schema(of)
    lists = list(read_values(path, schema(of), chunk))
    assert all(0 < len(part) <= chunk for part in lists)
    return [e if isinstance(e, Rejected) else _whole(e, parsed) for part in lists for e in part]


def _whole(data: bytes, parsed: Any) -> Any:
    stream = io.BytesIO(data)
    event = fastavro.schemaless_reader(stream, parsed)
    assert stream.tell() == len(data)
    return event


def moment(millis: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=millis)


def test_json_lines_are_read_with_their_bad_lines_named(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"id": 1, "name": "ü", "at": "1970-01-01T00:00:00.005Z"}\n\n{"id": 2}\nnope\n{"id": "secret"}\n'
        '{"id": 3, "name": {"string": "x"}, "at": 7, "more": 1}\n[]\n{"name": "y"}\n'
    )
    assert read(path, chunk=2) == [
        {"id": 1, "name": "ü", "at": moment(5)},
        {"id": 2, "name": None, "at": moment(0)},
        Rejected(2, codec.NOT_AVRO, "line 4: not JSON"),
        Rejected(3, codec.OUT_OF_RANGE, "line 5: field id: no int"),
        {"id": 3, "name": "x", "at": moment(7)},
        Rejected(5, codec.OUT_OF_RANGE, "line 7: no object for Event"),
        Rejected(6, codec.OUT_OF_RANGE, "line 8: field id: missing"),
    ]


PLAIN = [
    ("boolean", True, True),
    ("long", 2**63 - 1, 2**63 - 1),
    ("long", 2**63, None),
    ("int", 1.0, None),
    ("int", True, None),
    ("double", 3, 3.0),
    ("double", "NaN", "nan"),
    ("float", 1e300, None),
    ("bytes", "ÿ", b"\xff"),
    ("bytes", "€", None),
    ("string", "\ud800", None),
    ({"type": "fixed", "name": "F", "size": 2}, "ab", b"ab"),
    ({"type": "fixed", "name": "F", "size": 2}, "abc", None),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, "A", "A"),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, "B", None),
    ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
    ({"type": "array", "items": "int"}, {"0": 1}, None),
    ({"type": "map", "values": ["null", "int"]}, {"a": 1, "b": None}, {"a": 1, "b": None}),
    ({"type": "map", "values": "int"}, [], None),
    (["int", "string"], 5, 5),
    (["int", "string"], {"string": "a"}, "a"),
    (["int", "string"], {"int": "a"}, None),
    (["int", "string"], 1.5, None),
    (["null", record(("p", "int"), name="P")], {"p": 1}, {"p": 1}),
    (["null", record(("p", "int"), name="P")], {"P": {"p": 1}}, {"p": 1}),
    (DECIMAL, "123.45", Decimal("123.45")),
    (DECIMAL, 1.1, Decimal("1.10")),
    (DECIMAL, -7, Decimal("-7.00")),
    (DECIMAL, "1.005", None),
    (DECIMAL, "1000", None),
    (DECIMAL, "NaN", None),
    (DECIMAL, [], None),
    ({"type": "int", "logicalType": "date"}, "2024-02-29", dt.date(2024, 2, 29)),
    ({"type": "int", "logicalType": "date"}, "2023-02-29", None),
    ({"type": "int", "logicalType": "time-millis"}, "23:59:59.999", dt.time(23, 59, 59, 999_000)),
    ({"type": "int", "logicalType": "time-millis"}, "24:00", None),
    ({"type": "int", "logicalType": "time-millis"}, 86_400_000, None),
    ({"type": "long", "logicalType": "time-micros"}, "00:00:00.000001", dt.time(microsecond=1)),
    (MILLIS, "1970-01-01 01:00:00+01:00", moment(0)),
    (MILLIS, "1970-01-01T00:00", moment(0)),
    (MILLIS, "1969-12-31T23:59:59.999Z", moment(-1)),
    (MILLIS, "1970-01-01T00:00:00.0001Z", None),
    (MILLIS, "soon", None),
    (MILLIS, "1970-13-01T00:00:00Z", None),
    ({"type": "long", "logicalType": "timestamp-nanos"}, "1970-01-01T00:00:00.000000001Z", 1),
    (LOCAL, "1970-01-01T00:00:01", LOCAL_SECOND),
    (LOCAL, "1970-01-01T00:00:01Z", None),
    ({"type": "string", "logicalType": "uuid"}, "not one", None),
    ({"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}, "abcdefghijkl", b"abcdefghijkl"),
    ("null", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("of", "value", "read_as"), PLAIN, ids=lambda v: ascii(v)[:40])
def test_a_json_value_is_taken_for_the_type_or_named(tmp_path: Path, of: Json, value: Any, read_as: Any) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"x": value}))
    (event,) = read(path, record(("x", of)))
    if read_as is None and of != "null":
        assert isinstance(event, Rejected)
        assert event.row == 0
    else:
        assert str(event["x"]) == "nan" if read_as == "nan" else event["x"] == read_as


def test_csv_is_typed_by_the_schema(tmp_path: Path) -> None:
    of = record(
        ("i", "int"), ("f", "double"), ("b", "boolean"), ("s", "string"), ("n", ["null", "long"]), ("t", MILLIS),
        ("d", ["null", DECIMAL]), ("a", {"type": "array", "items": "int"}), {"name": "z", "type": "int", "default": 9},
    )  # fmt: skip
    path = tmp_path / "events.csv"
    path.write_text(
        "\ufeffs,i,f,b,n,t,d,a,unused\r\n"
        'x,1,1.5,TRUE,,1970-01-01,,[],u\r\n"a ""q"", b\nc",-2,1e3,0,7,1970-01-01T00:00:01Z,1.25,"[1, 2]",u\r\n'
        ",3,nan,false,,1000,,[],u\r\n"
    )
    first, second, third = read(path, of)
    assert isinstance(first, Rejected)
    assert first.detail.startswith("line 2: field t: no timestamp such as")
    assert second == {
        "s": 'a "q", b\nc', "i": -2, "f": 1000.0, "b": False, "n": 7, "t": moment(1000), "d": Decimal("1.25"),
        "a": [1, 2], "z": 9,
    }  # fmt: skip
    assert (third["s"], third["t"], third["d"]) == ("", moment(1000), None)


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("1.0,x,0", "line 2: field id: no number"),
        (",x,0", "line 2: field id: no number"),
        ("1_0,x,0", "line 2: field id: no int"),
        (f"{2**31},x,0", "line 2: field id: no int"),
        ("1,x", "line 2: 2 cells where the header has 3"),
        ("1,x,0,0", "line 2: 4 cells where the header has 3"),
        (f"1,{'x' * 200_000},0", "line 2: not CSV: field larger than field limit (131072)"),
    ],
)
def test_a_bad_line_of_csv_is_named_and_the_next_is_read(tmp_path: Path, line: str, detail: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"id,name,at\n{line}\n2,,0\n")
    bad, good = read(path)
    assert (bad.row, bad.detail) == (0, detail)
    assert good == {"id": 2, "name": None, "at": moment(0)}


def test_parquet_is_read_by_column_with_what_does_not_fit_named(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    table = pa.table(
        {
            "at": pa.array([1_000, 1_001, 2_000, 0], pa.timestamp("us")),
            "id": pa.array([1, 2, 2**40, None], pa.int64()),
            "name": pa.array(["a", "b", None, "d"]),
            "unused": pa.array([0] * 4),
        }
    )
    pq.write_table(table, path)
    assert read(path, chunk=3) == [
        {"id": 1, "name": "a", "at": moment(1)},
        Rejected(1, codec.OUT_OF_RANGE, "field at: a value that timestamp-millis does not take"),
        Rejected(2, codec.OUT_OF_RANGE, "field id: a value that int does not take"),
        Rejected(3, codec.NULL_FIELD, "field id: a null where the schema takes none"),
    ]


@pytest.mark.parametrize("compression", ["null", "deflate"])
def test_a_container_of_another_writer_is_read(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "events.avro"
    older = record(("gone", {"type": "array", "items": "string"}), ("id", "int"))
    with path.open("wb") as file:
        events = [{"gone": ["x"] * (i % 3), "id": i} for i in range(500)]
        fastavro.writer(file, fastavro.parse_schema(older), events, codec=compression, sync_interval=100)
    of = EVENT | {"fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string", "default": "-"}]}
    assert read(path, of, chunk=64) == [{"id": i, "name": "-"} for i in range(500)]


def test_what_only_the_encoder_refuses_has_its_number_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "unions.jsonl"
    path.write_text('{"x": 1}\n{"x": "a"}\n{"x": 2}\n{"x": {"int": "b"}}\n')
    events = read(path, record(("x", ["int", "string"])), chunk=2)
    assert events[:3] == [{"x": 1}, {"x": "a"}, {"x": 2}]
    assert (events[3].row, events[3].reason) == (3, codec.OUT_OF_RANGE)


def test_a_bad_value_in_a_container_costs_its_event_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.avro"
    with path.open("wb") as file:
        of = record(("x", "bytes"))
        fastavro.writer(file, fastavro.parse_schema(of), [{"x": b"a"}, {"x": b"\xff"}, {"x": b"c"}])
    first, second, third = read(path, record(("x", "string")), chunk=1)
    assert (first, third) == ({"x": "a"}, {"x": "c"})
    assert (second.row, second.reason) == (1, codec.INVALID_UTF8)


def test_empty_files_hold_no_events(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n \n")
    (tmp_path / "a.csv").write_text("id,name\n")
    assert read(tmp_path / "a.jsonl") == []
    assert read(tmp_path / "a.csv") == []


def refused(path: Path, of: Json = EVENT) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read(path, of)
    return str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, content, said in [
        ("a.txt", b"", "the name must end in one of .avro, .jsonl, .ndjson, .json, .csv, .parquet"),
        ("a.jsonl", b'{"id": "\xff"}', "not UTF-8 text"),
        (
            "a.csv",
            b"id,nam\n",
            "field `name` of Event: no column of that name; columns are id, nam; did you mean `nam`?",
        ),
        ("a.parquet", b"PAR?", "cannot be read as Parquet"),
        ("a.avro", b"Obj?", "not a whole Avro file"),
    ]:
        (tmp_path / name).write_bytes(content)
        message = refused(tmp_path / name)
        assert message.startswith(f"{tmp_path / name}: ")
        assert said in message
    assert "No such file" in refused(tmp_path / "none.csv")


def test_a_container_that_ends_early_or_does_not_resolve_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.avro"
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(record(("id", "string"))), [{"id": "x" * 100}] * 50)
    assert "the writer's string is not the reader's int" in refused(path)
    path.write_bytes(path.read_bytes()[:-30])
    assert "not a whole Avro file" in refused(path, record(("id", "string")))
