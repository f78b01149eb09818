"""What a session makes of a lost answer and of a fence, against clients that behave as they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream.batch import Messages, Outcome, failures_of
from stream.errors import FatalError, SystemicError, TransactionError
from stream.kafka.guard import FENCED, TroubleLog
from stream.kafka.positions import Mark
from stream.kafka.session import FENCES_WITHIN_S, MAX_FENCES, Session
from stream.kafka.settings import ClientSettings, Slot
from stream.kafka.source import TAKEN_OVER

A, B = ("input", 0), ("input", 1)
FATAL_FENCE = KafkaError(KafkaError._FATAL, f"Broker: Static consumer {TAKEN_OVER}")


@dataclass
class Group:
    """What is committed for it: offset and text of each partition; lost: whether answers to commits get lost."""

    offsets: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    lost: bool = False

    def commit(self, offset: int, text: str, *partitions: tuple[str, int]) -> None:
        self.offsets |= dict.fromkeys(partitions, (offset, text))


@dataclass
class Consumer:
    group: Group
    closed: bool = False
    assign: Callable[[], None] = lambda: None

    def subscribe(self, topics: list[str], *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        self.assign = lambda: on_assign(self, [TopicPartition(*where) for where in (A, B)])

    def committed(self, wanted: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, *self.group.offsets[p.topic, p.partition]) for p in wanted]

    def pause(self, partitions: Any) -> None: ...
    def resume(self, partitions: Any) -> None: ...
    def seek(self, partition: Any) -> None: ...
    def consumer_group_metadata(self) -> None: ...
    def close(self) -> None:
        self.closed = True


class Intake:
    """Nothing arrives."""

    events = 0

    def fetch(self, most: int, wait_s: float) -> bool:
        return False

    def take(self) -> Messages:
        return Messages.of([])


@dataclass
class Outlet:
    """Commits to the group; says that it failed when answers get lost."""

    group: Group
    trouble: TroubleLog = field(default_factory=TroubleLog)
    positions: list[TopicPartition] = field(default_factory=list)
    hangs: threading.Event | None = None
    """Calls do not return before it is set, whatever timeout they are given."""

    def init_transactions(self, timeout: float) -> None: ...
    def begin_transaction(self) -> None: ...
    def flush(self, timeout: float) -> int:
        return 0

    def poll(self, timeout: float) -> int:
        return 0

    def send_offsets_to_transaction(self, positions: list[TopicPartition], metadata: Any, timeout: float) -> None:
        if self.hangs is not None:
            self.hangs.wait()
        self.positions = positions

    def commit_transaction(self, timeout: float) -> None:
        for p in self.positions:
            self.group.commit(p.offset, p.metadata or "", (p.topic, p.partition))
        if self.group.lost:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def discard(self) -> None: ...


@dataclass
class Transport:
    group: Group
    name: str = "fake"
    carries_headers: bool = False
    consumers: list[Consumer] = field(default_factory=list)
    tell: Callable[[KafkaError], None] = lambda _error: None
    hangs: threading.Event | None = None

    def consumer(self, properties: Any, on_error: Any, log: Any) -> Consumer:
        self.tell = on_error
        self.consumers.append(Consumer(self.group))
        return self.consumers[-1]

    def intake(self, *_arguments: Any) -> Intake:
        return Intake()

    def outlet(self, *_arguments: Any) -> Outlet:
        return Outlet(self.group, hangs=self.hangs)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def group() -> Group:
    return Group({A: (0, ""), B: (0, "")})


@pytest.fixture
def transport(group: Group) -> Transport:
    return Transport(group)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(transport: Transport, clock: Clock) -> Session:
    made = Session(ClientSettings(Slot("p", "one"), ("input",), transport=transport), clock=clock, name="mine")  # type: ignore[arg-type]
    transport.consumers[0].assign()
    made.recover()
    return made


def commit_without_an_answer(session: Session, group: Group) -> None:
    """Offset 10 of both partitions."""
    group.lost = True
    messages = replace(Messages.of([]), next_offsets={A: 10, B: 10})
    session.begin_commit(Outcome(messages, [], failures_of([], "decode", "not_avro")), [])
    with pytest.raises(TransactionError):
        session.finish_commit()
    group.lost = False


def test_offsets_that_its_own_transaction_committed_are_told(session: Session, group: Group) -> None:
    commit_without_an_answer(session, group)
    assert session.recover() == {A: 10, B: 10}


def test_offsets_of_a_transaction_that_was_not_made_are_told(session: Session, group: Group) -> None:
    commit_without_an_answer(session, group)
    group.commit(0, "", A, B)
    assert session.recover() == {A: 0, B: 0}


def test_where_another_worker_passed_by_nothing_is_told_of_its_own(session: Session, group: Group) -> None:
    commit_without_an_answer(session, group)
    group.commit(10, "transaction=another.1", A, B)
    assert session.recover() == {}
    group.commit(30, "", B)
    assert session.recover() == {}


def test_one_partition_that_nobody_took_tells_of_the_whole_transaction(session: Session, group: Group) -> None:
    commit_without_an_answer(session, group)
    group.commit(30, "transaction=another.1", B)
    assert session.recover() == {A: 10}


def test_no_two_transactions_have_the_same_text(session: Session, group: Group) -> None:
    commit_without_an_answer(session, group)
    first = group.offsets[A]
    session.recover()
    commit_without_an_answer(session, group)
    group.commit(10, first[1], A)
    assert session.recover() == {B: 10}


def test_a_fenced_consumer_is_replaced_and_owns_nothing_until_the_group_gives_it(
    session: Session, transport: Transport
) -> None:
    transport.tell(FATAL_FENCE)
    with pytest.raises(TransactionError) as raised:
        session.poll(0)
    assert raised.value.reason == FENCED
    losses = session.losses()
    assert session.recover() == {}
    old, new = transport.consumers
    assert (old.closed, new.closed) == (True, False)
    assert session.losses() == losses + 1
    assert not session.standing_by()
    new.assign()
    assert session.poll(0) is None
    assert session.recover() == {A: 0, B: 0}


def test_whoever_waits_when_fenced_finds_out_when_he_recovers(session: Session, transport: Transport) -> None:
    transport.tell(FATAL_FENCE)
    session.source.serve(0)
    session.recover()
    assert len(transport.consumers) == 2


def survive_a_fence(session: Session, transport: Transport, clock: Clock) -> None:
    clock.now += 1
    transport.tell(FATAL_FENCE)
    session.recover()


def test_fenced_again_and_again_it_gives_way_to_the_other_process(
    session: Session, transport: Transport, clock: Clock
) -> None:
    for _ in range(MAX_FENCES):
        survive_a_fence(session, transport, clock)
    transport.tell(FATAL_FENCE)
    with pytest.raises(FatalError, match="another process runs with the same STREAM_INSTANCE and slot"):
        session.recover()


def test_calls_that_hang_after_a_fence_point_to_the_other_process_too(
    session: Session, transport: Transport, clock: Clock
) -> None:
    """Of two processes that fence each other one may hang in its calls before it is fenced often enough."""
    transport.tell(FATAL_FENCE)
    session.recover()
    session._committer = HungCommitter()  # type: ignore[assignment]
    with pytest.raises(FatalError, match=r"4 of them hang.*another process runs with the same STREAM"):
        session.finish_commit()
    clock.now += FENCES_WITHIN_S + 1
    with pytest.raises(FatalError, match=r"4 of them hang$"):
        session.finish_commit()


def test_fences_of_its_producers_do_not_count_with_those_of_its_consumers(
    session: Session, transport: Transport, clock: Clock
) -> None:
    """Of two processes of one name one must stay: the other's last fence may be of either client."""
    for _ in range(MAX_FENCES):
        survive_a_fence(session, transport, clock)
        with pytest.raises(TransactionError), session._counting_fences():
            raise TransactionError("fenced", FENCED)
    with pytest.raises(FatalError, match="another process runs"), session._counting_fences():
        raise TransactionError("fenced", FENCED)


def test_a_transaction_without_a_batch_is_not_waited_for_longer_than_any_other(group: Group, clock: Clock) -> None:
    """A mark of the quarantine whose calls hang: the loop goes on, and sees a signal to stop."""
    never = threading.Event()
    transport = Transport(group, hangs=never)
    settings = ClientSettings(Slot("p", "one"), ("input",), transport=transport, transaction_timeout_s=0.01)  # type: ignore[arg-type]
    session = Session(settings, clock=clock)
    transport.consumers[0].assign()
    session.recover()
    try:
        with pytest.raises(TransactionError, match="did not end within"):
            session.mark({A: Mark(0, "suspect")})
    finally:
        never.set()


def test_fences_that_are_rare_are_all_survived(session: Session, transport: Transport, clock: Clock) -> None:
    for _ in range(3 * MAX_FENCES):
        clock.now += FENCES_WITHIN_S / MAX_FENCES
        transport.tell(FATAL_FENCE)
        session.recover()
    assert len(transport.consumers) == 1 + 3 * MAX_FENCES


class HungCommitter:
    def finish(self, _timeout_s: float) -> float:
        raise FatalError("4 of them hang")


REFUSED_GROUP = KafkaError(KafkaError._FATAL, "ConsumerGroupHeartbeat: Broker: Group authorization failed", fatal=True)


def test_a_consumer_that_lost_its_right_on_the_group_pauses_and_is_replaced(
    session: Session, transport: Transport
) -> None:
    for _ in range(3 * MAX_FENCES):  # however often: it is no fence
        transport.tell(REFUSED_GROUP)
        with pytest.raises(SystemicError, match="Group authorization failed") as refused:
            session.poll(0)
        assert refused.value.reason == "refused"
        session.idle(0)
        assert session.recover() == {}
    assert [consumer.closed for consumer in transport.consumers] == [True] * 3 * MAX_FENCES + [False]


def test_another_fatal_error_of_the_consumer_ends_the_process(session: Session, transport: Transport) -> None:
    transport.tell(KafkaError(KafkaError._FATAL, "something else", fatal=True))
    with pytest.raises(FatalError, match="something else"):
        session.poll(0)
    with pytest.raises(FatalError, match="something else"):
        session.recover()
