"""The native transport without a broker: what is loaded, what is refused, columns, buffers, headers."""

from __future__ import annotations

import gc
import logging
import re
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import confluent_kafka
import numpy as np
import pytest
from confluent_kafka import KafkaException, TopicPartition

from stream.batch import Failure, FailureClass, Header, Messages, Record, Rows, grouped
from stream.failures.dead_letter import DeadLetters
from stream.failures.letters import Letters
from stream.kafka.assignment import Assignment
from stream.kafka.choice import choose_transport
from stream.kafka.gather import next_offsets
from stream.kafka.guard import TROUBLE
from stream.kafka.native import NativeTransport, UnavailableError, open_library
from stream.kafka.native import library as native_library
from stream.kafka.native.finding import bundled
from stream.kafka.native.headers import column_of
from stream.kafka.native.intake import NativeIntake, joined, kept
from stream.kafka.native.letters import headers_of
from stream.kafka.native.outlet import NativeOutlet
from stream.kafka.native.producer import Producer

PACKAGE = Path(confluent_kafka.__file__).parent
SOURCES = Path(native_library.__file__).parent
LOG = logging.getLogger("stream.test.native")


def test_the_bundled_library_is_the_one_that_confluent_kafka_uses() -> None:
    assert open_library().version == confluent_kafka.libversion()[1]


def test_each_function_of_the_table_has_its_name_at_the_same_place() -> None:
    table = (SOURCES / "rdkafka.pxd").read_text().split("ctypedef struct Api:")[1]
    assert tuple(re.findall(r"\(\*(\w+)\)\(", table)) == native_library.NAMES


def test_a_package_without_a_library_of_its_own_is_told(tmp_path: Path) -> None:
    assert bundled(tmp_path) is None
    with pytest.raises(UnavailableError, match="not installed from a wheel"):
        open_library(tmp_path / "confluent_kafka")


@pytest.mark.parametrize(("content", "why"), [(b"no library", "cannot open"), (None, "has no rd_kafka_version")])
def test_a_file_that_is_not_librdkafka_is_told(tmp_path: Path, content: bytes | None, why: str) -> None:
    libraries = tmp_path / "confluent_kafka.libs"
    libraries.mkdir()
    other = Path(native_library.__file__).read_bytes()  # a library, but another one
    (libraries / "librdkafka-0.so.1").write_bytes(other if content is None else content)
    with pytest.raises(UnavailableError, match=why):
        open_library(tmp_path / "confluent_kafka")


def test_where_the_native_transport_cannot_be_had_one_line_says_why_and_pythons_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stream.kafka.native.transport.bundled", lambda _package: None)
    with caplog.at_level(logging.WARNING):
        assert choose_transport("native").name == "python"
    (line,) = caplog.messages
    assert line.startswith("STREAM_TRANSPORT=native cannot be used, the Python transport is: there is no librdkafka")


def test_the_transport_that_is_asked_for_is_taken() -> None:
    assert (choose_transport("native").name, choose_transport("python").name) == ("native", "python")


def outlet(**properties: Any) -> NativeOutlet:
    transport = NativeTransport(open_library())
    return transport.outlet({"enable.metrics.push": False, "log_level": 0, **properties}, lambda _error: None, LOG)


def test_a_property_that_is_not_known_is_refused_with_the_librarys_words() -> None:
    with pytest.raises(KafkaException, match="No such configuration property"):
        outlet(**{"no.such.property": "1"})


def rows(count: int, values: bytes | memoryview) -> tuple[Rows, Messages]:
    messages = Messages.of([b"v"] * count, [None if n % 2 else b"k%d" % n for n in range(count)])
    return Rows("t", np.arange(count), values, np.linspace(0, len(values), count + 1).astype(np.int64)), messages


def test_a_full_queue_takes_the_rest_later() -> None:
    made = outlet(**{"queue.buffering.max.messages": 10})
    some, messages = rows(25, b"v" * 100)
    assert made.produce_rows(some, messages, np.zeros(25, np.int64), 0) == 10
    assert made.produce_rows(some, messages, np.zeros(25, np.int64), 10) == 10
    with pytest.raises(BufferError):
        made.produce(Record("t", b"k", b"v", [("name", b"text"), ("null", None)]))
    assert made.produce_rows(some, messages, np.zeros(25, np.int64), 25) == 25, "nothing is left to do"
    made.discard()


class Buffer(bytearray):
    """Bytes that can be watched."""


def test_values_are_kept_until_the_client_that_may_read_them_is_gone() -> None:
    made = outlet()
    memory = Buffer(b"v" * 100)
    watched = weakref.ref(memory)
    some, messages = rows(5, memoryview(memory).toreadonly())
    assert made.produce_rows(some, messages, np.zeros(5, np.int64), 0) == 5
    del some, memory
    gc.collect()
    assert watched() is not None
    made.discard()
    gc.collect()
    assert watched() is None


def test_one_buffer_is_kept_once_however_many_runs_of_it_there_are() -> None:
    producer = Producer(open_library(), {"log_level": 0, "enable.metrics.push": False}, TROUBLE, LOG, lambda _e: None)
    made = NativeOutlet(producer)
    some, messages = rows(4, b"v" * 40)
    for start in range(4):
        run = Rows("t", some.rows[start : start + 1], some.values, some.value_offsets[start : start + 2])
        assert made.produce_rows(run, messages, np.zeros(1, np.int64), 0) == 1
    assert producer.held == 1


def test_a_transaction_on_a_producer_without_an_id_is_an_error_with_its_code() -> None:
    made = outlet()
    with pytest.raises(KafkaException) as refused:
        made.begin_transaction()
    assert refused.value.args[0].name() == "_NOT_CONFIGURED"
    made.discard()


def test_a_flush_that_gets_no_answer_ends_after_its_time_and_says_what_is_left() -> None:
    made = outlet()
    some, messages = rows(5, b"v" * 50)
    assert made.produce_rows(some, messages, np.zeros(5, np.int64), 0) == 5
    assert made.flush(0.11) == 5
    made.discard()


def test_messages_that_failed_are_waited_for_no_longer_and_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Their reports lie in a queue that the library's own flush does not empty: it would wait for ever."""
    producer = Producer(open_library(), {"enable.metrics.push": False}, TROUBLE, LOG, lambda _e: None)
    made = NativeOutlet(producer)
    some, messages = rows(5, b"v" * 50)
    assert made.produce_rows(some, messages, np.zeros(5, np.int64), 0) == 5
    producer.purge()
    assert made.flush(-1) == 0
    assert "delivery report" not in caplog.text
    assert made.trouble.lines == 0
    made.discard()


HEADERS: list[list[Header] | None] = [None, [("a", b"1"), ("a", None)], None, [("ü", b""), ("stream.x", b"y" * 300)]]


def test_headers_as_columns_are_the_headers() -> None:
    column = column_of(HEADERS)
    assert list(column) == HEADERS
    assert [column[row] for row in range(len(column))] == HEADERS
    assert (column.most, column_of(column) is column) == (2, True)
    with pytest.raises(IndexError):
        column[4]


def letters(count: int) -> Letters:
    failures = [
        Failure(row, "validate", FailureClass.POISON, f"r{row % 3}", facts={"suite": "ü"} if row % 3 else {})
        for row in range(0, count, 2)
    ]
    messages = replace(
        Messages.of([None if row % 8 == 0 else b"v%d" % row for row in range(count)], [b"k"] * count),
        topics=("a", "b"),
        topic=np.arange(count, dtype=np.int32) // 2 % 2,
        partition=np.arange(count, dtype=np.int32) // 3,
    )
    made = DeadLetters("p.dlq", "p").records(grouped(failures), messages, 5000)
    assert isinstance(made, Letters)
    return made


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_the_headers_of_dead_letters_as_columns_are_those_of_each(count: int) -> None:
    some = letters(count)
    assert list(headers_of(some)) == [record.headers for record in some]


def test_dead_letters_that_find_no_room_are_queued_later() -> None:
    made = outlet(**{"queue.buffering.max.messages": 10})
    some = letters(50)
    assert made.produce_letters(some, 0) == 10
    assert made.produce_letters(some, 10) == 10
    made.discard()


class FakeColumns:
    def __init__(self) -> None:
        self.rows: list[tuple[str, int, int]] = []

    @property
    def events(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        return len(self.rows)

    def take(self) -> tuple[dict[str, Any], None]:
        found, self.rows = self.rows, []
        plain = Messages.of([b"%d" % offset for *_, offset in found])
        names = tuple(dict.fromkeys(topic for topic, *_ in found))
        fields = {name: getattr(plain, name) for name in ("values", "value_offsets", "keys", "key_offsets", "flags")}
        return {
            **fields,
            "topics": names,
            "topic": np.array([names.index(topic) for topic, *_ in found], np.int32),
            "partition": np.array([partition for _, partition, _ in found], np.int32),
            "offset": np.array([offset for *_, offset in found], np.int64),
            "timestamp": plain.timestamp,
        }, None


class FakeConsumer:
    """Each fetch delivers the next rows; what is scripted before them happens inside of the call."""

    def __init__(self, script: Sequence[tuple[Any, list[tuple[str, int, int]]]]) -> None:
        self.columns = FakeColumns()
        self._script = list(script)

    def fetch(self, _most: int, _wait_s: float) -> tuple[list[Any], int]:
        happens, arrived = self._script.pop(0)
        happens()
        self.columns.rows += arrived
        return [], len(arrived)


def read(assignment: Assignment, *script: tuple[Any, list[tuple[str, int, int]]]) -> Messages:
    intake = NativeIntake(FakeConsumer(script), assignment, lambda *_: None)
    for _ in script:
        intake.fetch(10, 0.1)
    assert intake.size >= intake.events
    messages = intake.take()
    assert intake.events == 0
    return messages


def places(messages: Messages) -> list[tuple[str, int, int]]:
    return [tuple(messages.origin(row)) for row in range(len(messages))]


def assigned(*partitions: int) -> Assignment:
    assignment = Assignment()
    assignment.on_assign(None, [TopicPartition("t", p) for p in partitions])
    return assignment


def nothing() -> None:
    return None


def test_what_was_revoked_while_a_batch_fills_is_dropped_from_it() -> None:
    assignment = assigned(0, 1)
    messages = read(
        assignment,
        (nothing, [("t", 0, 5), ("t", 1, 7)]),
        (lambda: assignment.on_revoke(None, [TopicPartition("t", 1)]), [("t", 0, 6)]),
        (nothing, [("t", 0, 8)]),
    )
    assert places(messages) == [("t", 0, 5), ("t", 0, 6), ("t", 0, 8)]
    assert [messages.value(row) for row in range(3)] == [b"5", b"6", b"8"]
    assert messages.next_offsets == {("t", 0): 9}


def test_a_partition_that_left_and_came_back_starts_from_its_committed_offset() -> None:
    assignment = assigned(0)

    def away_and_back() -> None:
        assignment.on_lost(None, [TopicPartition("t", 0)])
        assignment.on_assign(None, [TopicPartition("t", 0)])

    assert places(read(assignment, (nothing, [("t", 0, 5)]), (away_and_back, [("t", 0, 3)]))) == [("t", 0, 3)]


def test_a_second_revoke_drops_from_what_was_put_aside() -> None:
    assignment = assigned(0, 1, 2)

    def revoke(partition: int) -> Any:
        return lambda: assignment.on_revoke(None, [TopicPartition("t", partition)])

    messages = read(
        assignment,
        (nothing, [("t", 0, 1), ("t", 1, 1), ("t", 2, 1)]),
        (revoke(1), [("t", 2, 2)]),
        (revoke(2), [("t", 0, 2)]),
    )
    assert places(messages) == [("t", 0, 1), ("t", 0, 2)]


def test_batches_are_joined_with_their_nulls_and_headers() -> None:
    first = Messages.of([b"a", None], [None, b"k"], topic="a")
    second = Messages.of([b"", b"bb"], [b"", None], topic="b", first_offset=9)
    both = joined([first, kept(second, np.array([True, True]))])
    assert [both.value(row) for row in range(4)] == [b"a", None, b"", b"bb"]
    assert [both.key(row) for row in range(4)] == [None, b"k", b"", None]
    assert places(both) == [("a", 0, 0), ("a", 0, 1), ("b", 0, 9), ("b", 0, 10)]
    assert both.next_offsets == next_offsets(both.topics, both.topic, both.partition, both.offset)
