"""What a rebalance leaves behind in a session: nothing is started, held or waited for that belongs to somebody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition
from unit.kafka.test_session import Outlet

from stream.batch import Messages, Outcome, failures_of
from stream.errors import TransactionError
from stream.kafka.intake import MessageIntake
from stream.kafka.session import Session
from stream.kafka.settings import ClientSettings, Slot

A, B = ("input", 0), ("input", 1)
NO_OFFSET = KafkaError(KafkaError._AUTO_OFFSET_RESET)
Call = tuple[Callable[[], object], list[Message]]


@dataclass
class Offsets:
    """What the group has committed; below 0: nothing."""

    offsets: dict[tuple[str, int], tuple[int, str]]
    lost: bool = False

    def commit(self, offset: int, text: str, *partitions: tuple[str, int]) -> None:
        self.offsets |= dict.fromkeys(partitions, (offset, text))


@dataclass
class Consumer:
    """Each call delivers what is scripted next, and what is scripted before it happens inside of the call."""

    group: Offsets
    script: list[Call] = field(default_factory=list)
    started: list[tuple[int, int]] = field(default_factory=list)
    """(partition, offset) of each that was assigned by hand."""
    resumed: list[int] = field(default_factory=list)
    callbacks: dict[str, Any] = field(default_factory=dict)

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def tell(self, what: str, *partitions: tuple[str, int]) -> None:
        self.callbacks[what](self, [TopicPartition(*where) for where in partitions])

    def poll(self, wait_s: float) -> Message | None:
        return next(iter(self.consume(1, wait_s)), None)

    def consume(self, most: int, wait_s: float) -> list[Message]:
        happens, arrived = self.script.pop(0) if self.script else (lambda: None, [])
        happens()
        return arrived

    def committed(self, wanted: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, *self.group.offsets[p.topic, p.partition]) for p in wanted]

    def get_watermark_offsets(self, partition: TopicPartition, **_how: Any) -> tuple[int, int]:
        return 0, 1000

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None: ...
    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.started += [(p.partition, p.offset) for p in partitions]

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.resumed += [p.partition for p in partitions]

    def pause(self, partitions: Any) -> None: ...
    def seek(self, partition: Any) -> None: ...
    def consumer_group_metadata(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Transport:
    group: Offsets
    made: Consumer = field(init=False)
    name: str = "fake"
    carries_headers: bool = False
    hangs: threading.Event | None = None

    def consumer(self, *_arguments: Any) -> Consumer:
        self.made = Consumer(self.group)
        return self.made

    def intake(self, consumer: Any, assignment: Any, on_event: Any, topics: Any) -> MessageIntake:
        return MessageIntake(consumer, assignment, on_event, topics)

    def outlet(self, *_arguments: Any) -> Outlet:
        return Outlet(self.group, hangs=self.hangs)  # type: ignore[arg-type]


def nothing() -> None: ...


def event(where: tuple[str, int], offset: int) -> Message:
    return Message(topic=where[0], partition=where[1], offset=offset, value=b"v", timestamp=(1, 1_700_000_000_000))


def no_offset(where: tuple[str, int]) -> Message:
    return Message(topic=where[0], partition=where[1], offset=-1001, error=NO_OFFSET, timestamp=(0, -1))


@pytest.fixture
def group() -> Offsets:
    return Offsets({A: (5, ""), B: (-1001, "")})


@pytest.fixture
def transport(group: Offsets) -> Transport:
    return Transport(group)


@pytest.fixture
def session(transport: Transport) -> Session:
    settings = ClientSettings(Slot("p", "one"), ("input",), transport=transport, batch_wait_s=0.0)  # type: ignore[arg-type]
    made = Session(settings)
    made.source.sleep = lambda _seconds: None
    transport.made.tell("on_assign", A, B)
    made.recover()
    return made


def commit(session: Session, messages: Messages) -> None:
    outcome = Outcome(messages, [], failures_of(list(range(len(messages))), "decode", "not_avro"))
    session.begin_commit(outcome, [])
    session.finish_commit()


def test_where_there_is_no_offset_the_start_is_committed_before_anything_is_read(
    session: Session, transport: Transport, group: Offsets
) -> None:
    transport.made.script = [(nothing, [no_offset(B)])]
    assert session.poll(0) is None
    assert transport.made.started == []
    session.poll(0)
    assert group.offsets[B][0] == 0
    assert transport.made.started == [(1, 0)]


def test_a_start_whose_calls_hang_is_not_waited_for_longer_than_any_other_transaction(group: Offsets) -> None:
    transport = Transport(group, hangs=threading.Event())
    settings = ClientSettings(Slot("p", "one"), ("input",), transport=transport, transaction_timeout_s=0.01)  # type: ignore[arg-type]
    session = Session(settings)
    transport.made.tell("on_assign", A, B)
    session.recover()
    transport.made.script = [(nothing, [no_offset(B)])]
    session.poll(0)
    try:
        with pytest.raises(TransactionError, match="did not end within"):
            session.poll(0)
        assert transport.made.started == [], "where it is not certain that the start is committed nothing is read"
    finally:
        transport.hangs.set()  # type: ignore[union-attr]


def test_a_missing_offset_that_is_told_behind_the_revoke_of_its_partition_is_not_ours_to_set(
    session: Session, transport: Transport, group: Offsets
) -> None:
    """The client serves the revoke inside of the call that delivers the error as well."""
    transport.made.script = [(lambda: transport.made.tell("on_revoke", B), [no_offset(B)])]
    session.poll(0)
    group.commit(40, "", B)  # somebody else has it
    transport.made.tell("on_assign", B)
    session.poll(0)
    assert (transport.made.started, group.offsets[B]) == ([], (40, ""))


def test_events_in_hand_are_committed_before_their_partition_is_set_to_where_the_group_stands(
    session: Session, transport: Transport, group: Offsets
) -> None:
    """Set to the offset before them it would read them a second time, and they would be there twice."""
    transport.made.script = [(nothing, [event(A, 5)]), (nothing, [event(A, 6), no_offset(A)])]
    messages = session.poll(0)
    assert messages is not None
    assert messages.next_offsets == {A: 7}
    assert transport.made.started == [], "not while its events are in hand"
    commit(session, messages)
    session.poll(0)
    assert transport.made.started == [(0, 7)]
    assert group.offsets[A][0] == 7


def test_what_was_held_here_and_comes_back_does_not_wait_any_more(session: Session, transport: Transport) -> None:
    """It begins where the group stands: the client fetches it, and what is behind the event is not caught up with."""
    far_away = 10**15
    session.hold(A, 5, far_away)
    session.source.assignment.end_seen(B, 9)

    def away_and_back() -> None:
        transport.made.tell("on_lost", A)
        transport.made.tell("on_assign", A)

    transport.made.script = [(away_and_back, [])]
    session.poll(0)
    assert not session.caught_up()
    session.source.resume()
    assert 0 in transport.made.resumed[-2:]
