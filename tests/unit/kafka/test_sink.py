"""What the sink gives the producer: in order, by the thousand, and alone only what has headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from stream.batch import Int64s, Messages, Record, Rows, failures_of, grouped, pack
from stream.errors import TransactionError
from stream.failures.dead_letter import DeadLetters
from stream.failures.letters import Letters
from stream.kafka import outlet as python_outlet
from stream.kafka.guard import TroubleLog
from stream.kafka.outlet import MessageOutlet
from stream.kafka.settings import ClientSettings, Slot
from stream.kafka.sink import Sink

NOW_S = 2.0


@dataclass
class FakeOutlet:
    """Notes what is produced; room is how many fit before each poll."""

    room: int = 1_000_000
    left: int = 1_000_000
    sent: list[tuple[bytes | None, bytes | None, tuple[Any, ...], int]] = field(default_factory=list)
    calls: int = 0
    trouble: TroubleLog = field(default_factory=TroubleLog)

    def init_transactions(self, timeout: float) -> None: ...

    def produce(self, record: Record) -> None:
        self.calls += 1
        self._take()
        self.sent.append((record.key, record.value, tuple(record.headers), record.timestamp))

    def produce_rows(self, rows: Rows, messages: Messages, stamps: Int64s, first: int) -> int:
        self.calls += 1
        for i in range(first, len(rows)):
            value = bytes(rows.values[rows.value_offsets[i] : rows.value_offsets[i + 1]])
            try:
                self._take()
            except BufferError:
                return i
            self.sent.append((messages.key(int(rows.rows[i])), value, (), int(stamps[i])))
        return len(rows)

    def produce_letters(self, letters: Letters, first: int) -> int:
        return MessageOutlet.produce_letters(self, letters, first)  # type: ignore[arg-type]

    def _take(self) -> None:
        if self.left == 0:
            raise BufferError
        self.left -= 1

    def poll(self, timeout: float) -> int:
        self.left = self.room
        return 0


@dataclass(frozen=True)
class FakeTransport:
    made: FakeOutlet
    name: str = "fake"
    carries_headers: bool = False

    def outlet(self, *_arguments: Any) -> FakeOutlet:
        return self.made


def sink_of(made: FakeOutlet, clock: Any = lambda: 0.0) -> Sink:
    settings = ClientSettings(Slot("p", "i"), ("in",), transport=FakeTransport(made))  # type: ignore[arg-type]
    return Sink(settings, clock=clock, wall_clock=lambda: NOW_S)


def ten(headers: Sequence[Any] | None = None) -> Messages:
    return replace(
        Messages.of([b""] * 10, [b"k%d" % i if i != 4 else None for i in range(10)], timestamp_ms=1000), headers=headers
    )


def outputs(rows: list[int]) -> Rows:
    values, offsets = pack([b"v%d" % row for row in rows])
    return Rows("out", np.array(rows, np.int64), memoryview(values), offsets)


def test_events_without_headers_go_in_one_call() -> None:
    made = FakeOutlet()
    sink_of(made).produce_rows(outputs([0, 3, 4]), ten(), {})
    assert made.sent == [(b"k0", b"v0", (), 1000), (b"k3", b"v3", (), 1000), (None, b"v4", (), 1000)]
    assert made.calls == 1


def test_a_warning_costs_its_own_event_a_call_and_keeps_the_order() -> None:
    made, rows = FakeOutlet(), list(range(10))
    sink_of(made).produce_rows(outputs(rows), ten(), {6: ("a", "b")})
    assert [value for _, value, _, _ in made.sent] == [b"v%d" % row for row in rows]
    assert [headers for _, _, headers, _ in made.sent] == [
        () if r != 6 else (("stream.warnings", b"a,b"),) for r in rows
    ]
    assert made.calls == 3


@pytest.mark.parametrize("warned", [[0], [9], [0, 1, 9], [5], list(range(10))])
def test_warnings_anywhere(warned: list[int]) -> None:
    made, rows = FakeOutlet(), [0, 1, 4, 5, 9]
    sink_of(made).produce_rows(outputs(rows), ten(), dict.fromkeys(warned, ("w",)))
    found = [(value, bool(headers)) for _, value, headers, _ in made.sent]
    assert found == [(b"v%d" % row, row in warned) for row in rows]


def test_headers_of_the_message_go_along_but_those_of_a_failure() -> None:
    made = FakeOutlet()
    headers = [[("traceparent", b"t"), ("stream.attempts", b"1")] if row == 3 else None for row in range(10)]
    sink_of(made).produce_rows(outputs([2, 3]), ten(headers), {3: ("w",)})
    assert made.sent == [
        (b"k2", b"v2", (), 1000),
        (b"k3", b"v3", (("traceparent", b"t"), ("stream.warnings", b"w")), 1000),
    ]


def test_a_timestamp_is_never_in_the_future() -> None:
    made = FakeOutlet()
    messages = replace(ten(), timestamp=np.array([-1, 1000, 9000] + [0] * 7))
    sink_of(made).produce_rows(outputs([0, 1, 2]), messages, {})
    assert [stamp for *_, stamp in made.sent] == [0, 1000, 2000]


def test_a_full_queue_is_waited_for_and_nothing_is_sent_twice() -> None:
    made = FakeOutlet(room=2, left=2)
    sink_of(made).produce_rows(outputs(list(range(10))), ten(), {7: ("w",)})
    assert [value for _, value, _, _ in made.sent] == [b"v%d" % row for row in range(10)]


def test_a_queue_that_stays_full_ends_the_attempt() -> None:
    made, ticks = FakeOutlet(room=0, left=3), iter(range(0, 1000, 5))
    with pytest.raises(TransactionError, match="stayed full"):
        sink_of(made, clock=lambda: next(ticks)).produce_rows(outputs(list(range(10))), ten(), {})


class _Producer:
    def __init__(self, fits: int) -> None:
        self.fits, self.sent = fits, list[tuple[Any, ...]]()

    def produce(self, *message: Any) -> None:
        if len(self.sent) == self.fits:
            raise BufferError
        self.sent.append(message)


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("fits", [0, 1, 3, 9])
def test_the_python_outlet_tells_how_many_are_queued(first: int, fits: int) -> None:
    outlet = object.__new__(python_outlet.MessageOutlet)
    outlet._producer = producer = _Producer(fits)  # type: ignore[assignment]
    rows, stamps = outputs([2, 4, 5, 8]), np.array([1, 2, 3, 4])
    queued = outlet.produce_rows(rows, ten(), stamps, first)
    wanted = [
        ("out", b"v2", b"k2", -1, None, None, 1),
        ("out", b"v4", None, -1, None, None, 2),
        ("out", b"v5", b"k5", -1, None, None, 3),
        ("out", b"v8", b"k8", -1, None, None, 4),
    ][first:]
    assert producer.sent == wanted[:fits]
    assert queued == min(4, first + fits)


def test_dead_letters_are_queued_as_there_is_room_each_once_and_in_order() -> None:
    made = FakeOutlet(room=4, left=3)
    source = Messages.of([b"%d" % n for n in range(10)], [b"k"] * 10)
    letters = DeadLetters("p.dlq", "p").records(grouped(failures_of(range(0, 10), "decode", "truncated")), source, 9)
    sink_of(made).produce_records(letters)
    assert [value for _, value, _, _ in made.sent] == [b"%d" % n for n in range(10)]
    assert [headers for _, _, headers, _ in made.sent] == [tuple(record.headers) for record in letters]
