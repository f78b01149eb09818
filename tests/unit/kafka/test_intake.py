"""A batch that fills while partitions come and go: both transports hand out what is owned, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition
from unit.kafka.test_native import FakeConsumer

from stream.kafka.assignment import Assignment
from stream.kafka.intake import MessageIntake
from stream.kafka.native.intake import NativeIntake

Script = Sequence[tuple[Callable[[], object], list[tuple[str, int, int]]]]


class MessageConsumer:
    """Each call delivers the next messages; what is scripted before them happens inside of the call."""

    def __init__(self, script: Script) -> None:
        self._script = list(script)

    def consume(self, _most: int, _wait_s: float) -> list[Message]:
        happens, arrived = self._script.pop(0)
        happens()
        return [message(*place) for place in arrived]


def message(topic: str, partition: int, offset: int) -> Message:
    stamp = (1, 1_700_000_000_000 + offset)
    return Message(topic=topic, partition=partition, offset=offset, value=str(offset).encode(), timestamp=stamp)


def python(assignment: Assignment, script: Script) -> MessageIntake:
    return MessageIntake(MessageConsumer(script), assignment, lambda *_: None, ["t"])  # type: ignore[arg-type]


def native(assignment: Assignment, script: Script) -> NativeIntake:
    return NativeIntake(FakeConsumer(script), assignment, lambda *_: None)


@pytest.fixture(params=[python, native])
def make(request: pytest.FixtureRequest) -> Any:
    return request.param


def places(make: Any, assignment: Assignment, *script: tuple[Callable[[], object], list[tuple[str, int, int]]]) -> Any:
    intake = make(assignment, script)
    for _ in script:
        intake.fetch(10, 0)
    messages = intake.take()
    rows = range(len(messages))
    assert [messages.value(row) for row in rows] == [str(messages.origin(row)[2]).encode() for row in rows]
    assert len(messages.timestamp) == len(messages)
    return [tuple(messages.origin(row)) for row in rows]


def owning(*partitions: int) -> Assignment:
    assignment = Assignment()
    assignment.on_assign(None, [TopicPartition("t", p) for p in partitions])
    return assignment


def nothing() -> None: ...


def test_what_was_revoked_before_more_arrives_is_dropped(make: Any) -> None:
    owned = owning(0, 1)
    script = (
        (nothing, [("t", 0, 5), ("t", 1, 7)]),
        (lambda: owned.on_revoke(None, [TopicPartition("t", 1)]), [("t", 0, 6)]),
    )
    assert places(make, owned, *script) == [("t", 0, 5), ("t", 0, 6)]


def test_what_was_revoked_by_the_last_call_is_dropped_although_nothing_arrives_with_it(make: Any) -> None:
    owned = owning(0, 1)
    script = (
        (nothing, [("t", 0, 5), ("t", 1, 7), ("t", 0, 6)]),
        (lambda: owned.on_revoke(None, [TopicPartition("t", 1)]), []),
    )
    assert places(make, owned, *script) == [("t", 0, 5), ("t", 0, 6)]


def test_nothing_is_left_of_a_batch_whose_only_partition_was_revoked(make: Any) -> None:
    owned = owning(0)
    script = ((nothing, [("t", 0, 5)]), (lambda: owned.on_lost(None, [TopicPartition("t", 0)]), []))
    assert places(make, owned, *script) == []


def test_what_came_back_before_anything_arrives_starts_from_its_committed_offset(make: Any) -> None:
    owned = owning(0)

    def away_and_back() -> None:
        owned.on_revoke(None, [TopicPartition("t", 0)])
        owned.on_assign(None, [TopicPartition("t", 0)])

    assert places(make, owned, (nothing, [("t", 0, 5)]), (away_and_back, []), (nothing, [("t", 0, 3)])) == [("t", 0, 3)]
