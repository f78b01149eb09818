"""EventReader: a poll of messages to one batch, in order, whatever wrote them."""

import json
from pathlib import Path

import numpy as np
import pytest
from unit.avro.strategies import Json, encode, record, schema

from stream.avro import DirectorySchemas, EventReader, Limits, codec, reader
from stream.avro.framing import Frame, fingerprint_prefix, id_prefix
from stream.avro.schema import Schema
from stream.batch import Failure, FailureClass, Messages
from stream.errors import ConfigurationError, PoisonError, SystemicError

OLD = record(("a", "int"))
NEW = record(("a", "long"), {"name": "b", "type": ["null", "string"], "default": None})


class Store:
    """Schemas by id; None stands for a registry that does not answer."""

    def __init__(self, schemas: dict[int, Json | None]) -> None:
        self.schemas = {i: schema(s) if s is not None else None for i, s in schemas.items()}

    def writer_schema(self, frame: Frame) -> Schema:
        if frame.number not in self.schemas:
            raise PoisonError(codec.UNKNOWN_SCHEMA, f"no schema {frame}")
        found = self.schemas[frame.number]
        if found is None:
            raise SystemicError("registry", "down")
        return found

    def prefix(self, topic: str, schema: Schema) -> bytes:
        return b""

    def latest(self, subject: str) -> Schema:
        raise ConfigurationError([subject])


def old(a: int) -> bytes:
    return id_prefix(1) + encode(OLD, {"a": a})


def new(a: int, b: str | None = None) -> bytes:
    return id_prefix(2) + encode(NEW, {"a": a, "b": ("null", None) if b is None else ("string", b)})


def reading(**more: object) -> EventReader:
    return EventReader(schema(NEW), Store({1: OLD, 2: NEW, 3: record(("z", "int"))}), **more)  # type: ignore[arg-type]


def test_messages_of_several_writers_are_one_batch_in_their_order() -> None:
    messages = Messages.of([new(1, "x"), old(2), new(3), old(4)], first_offset=100)
    result = reading().read(messages)
    assert not result.failures
    assert result.batch.rows.tolist() == [0, 1, 2, 3]
    assert result.batch.columns.schema == schema(NEW).arrow
    assert result.batch.columns.to_pylist() == [
        {"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": None}, {"a": 4, "b": None},
    ]  # fmt: skip
    assert result.batch.column("_offset").to_pylist() == [100, 101, 102, 103]


def test_every_bad_message_is_a_failure_with_its_reason_and_the_rest_goes_on() -> None:
    messages = Messages.of(
        [None, new(1), b"zz", new(2)[:-1], id_prefix(9) + b"\x00", new(3) + b"\x00", id_prefix(3) + b"\x00", old(4)]
    )
    result = reading().read(messages)
    assert result.batch.rows.tolist() == [1, 7]
    assert [(f.row, f.reason, f.facts.get("schema")) for f in result.failures] == [
        (0, codec.NULL_VALUE, None),
        (2, codec.NOT_AVRO, None),
        (3, codec.TRUNCATED, "2"),
        (4, codec.UNKNOWN_SCHEMA, "9"),
        (5, codec.TRAILING_BYTES, "2"),
        (6, codec.UNRESOLVABLE, "3"),
    ]
    assert {(f.stage, f.kind) for f in result.failures} == {("decode", FailureClass.POISON)}


def test_no_message_and_only_bad_messages_are_empty_batches_of_the_same_columns() -> None:
    for messages in (Messages.of([]), Messages.of([None, b"x"])):
        result = reading().read(messages)
        assert len(result.batch) == 0
        assert result.batch.columns.schema == schema(NEW).arrow


def test_a_registry_that_is_down_stops_the_poll_only_for_a_schema_that_is_not_known() -> None:
    store = Store({1: OLD, 2: None})
    events = EventReader(schema(NEW), store)
    assert len(events.read(Messages.of([old(1)])).batch) == 1
    with pytest.raises(SystemicError):
        events.read(Messages.of([old(1), new(2)]))


def test_columns_that_are_not_needed_are_checked_and_left_out() -> None:
    events = reading(columns={"a", "_offset"})
    result = events.read(Messages.of([new(1, "x"), id_prefix(2) + b"\x02\x02\x7e", old(3)]))
    assert events.schema.names == ["a"]
    assert result.batch.columns.to_pylist() == [{"a": 1}, {"a": 3}]
    assert [(f.row, f.reason) for f in result.failures] == [(1, codec.TRUNCATED)]


def test_events_of_no_columns_keep_their_number() -> None:
    result = reading(columns=set()).read(Messages.of([new(1), old(2), b"x", new(3)]))
    assert len(result.batch) == 3
    assert result.batch.rows.tolist() == [0, 1, 3]


def test_limits_are_those_of_the_reader() -> None:
    of = record(("x", {"type": "array", "items": "int"}))
    events = EventReader(schema(of), Store({1: of}), Limits(max_items=2))
    result = events.read(Messages.of([id_prefix(1) + encode(of, {"x": [1] * n}) for n in (2, 3)]))
    assert [f.reason for f in result.failures] == [codec.TOO_MANY_ITEMS]


def test_the_codec_in_use_is_named_with_the_reason() -> None:
    assert reading(codec="reference").codec_name == "reference: as configured"
    assert reading().codec_name.split(":")[0] in ("native", "reference")


def test_both_codecs_give_the_same_batch() -> None:
    messages = Messages.of([new(1, "x"), old(2), new(3)[:-1], new(4, "ü")])
    by_any, by_reference = (reading(codec=c).read(messages) for c in ("auto", "reference"))
    assert by_any.batch.columns == by_reference.batch.columns
    assert [_verdict(f) for f in by_any.failures] == [_verdict(f) for f in by_reference.failures]


def _verdict(failure: Failure) -> tuple[int, str]:
    return failure.row, failure.reason


def test_no_more_decoders_are_kept_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_DECODERS", 2)
    writers = {i: record(("a", "long"), (f"x{i}", "int")) for i in range(5)}
    events = EventReader(schema(NEW), Store(dict(writers)))
    for _ in range(2):
        result = events.read(Messages.of([id_prefix(i) + b"\x02\x00" for i in writers]))
        assert [row["a"] for row in result.batch.columns.to_pylist()] == [1] * 5


def test_single_object_encoding_and_a_folder_work_together(tmp_path: Path) -> None:
    (tmp_path / "old.avsc").write_text(json.dumps(OLD))
    events = EventReader(schema(NEW), DirectorySchemas([tmp_path], [schema(NEW)]))
    messages = Messages.of(
        [fingerprint_prefix(schema(OLD).fingerprint) + encode(OLD, {"a": 5}), b"\xc3\x01" + b"?" * 8]
    )
    result = events.read(messages)
    assert result.batch.columns.to_pylist() == [{"a": 5, "b": None}]
    assert [(f.reason, f.facts) for f in result.failures] == [(codec.UNKNOWN_SCHEMA, {"schema": "3f3f3f3f3f3f3f3f"})]


def test_rows_of_a_large_poll_stay_with_their_messages() -> None:
    values = [old(i) if i % 3 else new(i, str(i)) for i in range(999)]
    values[500] = b"?"
    result = reading().read(Messages.of(values))
    assert result.batch.columns.column("a").to_pylist() == result.batch.rows.tolist()
    assert (np.diff(result.batch.rows) > 0).all()
    assert len(result.batch) == 998
