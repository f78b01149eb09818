"""How each bug is planted: what stands in the place of the product's own definition.

Each function gets the original and `strike`, which it calls where the bug is at work, and answers with the
replacement. None of this is in the product: it happens from outside, in a process that is about to run it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from planted.bugs import BY_NAME, Bug

Strike = Callable[[], None]
Make = Callable[[Any, Strike], Any]
STRUCK: Final = "a planted bug was at work"
SLOW_S: Final = 0.3
"""What the fault slow-transactions adds to each, so that the next batch is in hand before it ends."""
LOST_ANSWER_AT: Final = 12
"""Which commit of a process gets no answer under the fault lost-answer."""
FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "slow-transactions": ("stream.kafka.sink", "Sink.flush"),
    "lost-answer": ("stream.kafka.sink", "Sink.commit"),
    "small-fetches": ("stream.kafka.intake", "MessageIntake.fetch"),
}
"""Faults that the product must stand: planted in both, the run with the bug and the one without."""

_MAKERS: dict[str, Make] = {}


def plant(name: str) -> None:
    """Put a bug, or a fault, in its place. Ends the process when that place is not there any more."""
    bug = BY_NAME.get(name)
    module, path = bug.target if bug is not None else FAULTS[name]
    *owners, last = path.split(".")
    try:
        importlib.import_module("stream.service")
        owner: Any = importlib.import_module(module)
        for part in owners:
            owner = vars(owner)[part]
        original = vars(owner)[last]
    except (ImportError, KeyError) as error:
        sys.exit(f"cannot plant {name}: {module} has no {path} any more ({error!r}); see tests/planted/bugs.py")
    new = _MAKERS[name](original, _strike(name))
    setattr(owner, last, new)
    if not owners:
        _replace_imported(original, new, last)


def unplantable(bugs: Mapping[str, Bug]) -> set[str]:
    """Bugs of the table without a replacement here, and replacements without a row there."""
    return set(bugs) ^ (set(_MAKERS) - set(FAULTS))


def _replace_imported(original: Any, new: Any, name: str) -> None:
    """Modules that have imported the name hold the original."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("stream.") and vars(module).get(name) is original:
            setattr(module, name, new)


def _strike(name: str) -> Strike:
    """Tells once, as a log line, that the bug was at work: a bug that never is proves nothing."""
    once = threading.Lock()

    def strike() -> None:
        if once.acquire(blocking=False):
            print(json.dumps({"message": STRUCK, "bug": name}), file=sys.stderr, flush=True)

    return strike


def _makes(name: str) -> Callable[[Make], Make]:
    def keep(make: Make) -> Make:
        assert name in BY_NAME or name in FAULTS, name
        _MAKERS[name] = make
        return make

    return keep


def _client(sink: Any) -> Any:
    """The producer of the client library."""
    return sink._outlet._producer


def _topic_partitions(offsets: Mapping[tuple[str, int], int]) -> list[Any]:
    from confluent_kafka import TopicPartition

    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]


# faults


@_makes("slow-transactions")
def _slow_transactions(original: Any, strike: Strike) -> Any:
    def flush(self: Any) -> None:
        original(self)
        time.sleep(SLOW_S)

    return flush


@_makes("lost-answer")
def _lost_answer(original: Any, strike: Strike) -> Any:
    from stream.errors import TransactionError

    left = LOST_ANSWER_AT

    def commit(self: Any) -> None:
        nonlocal left
        original(self)
        left -= 1
        if left == 0:
            strike()
            raise TransactionError("the answer was lost")

    return commit


@_makes("small-fetches")
def _small_fetches(original: Any, strike: Strike) -> Any:
    """A batch is read in many calls, as it is when it is limited by its bytes."""

    def fetch(self: Any, most: int, wait_s: float) -> bool:
        return bool(original(self, min(most, 10), wait_s))

    return fetch


# offsets


@_makes("offset-without-plus-one")
def _offset_without_plus_one(original: Any, strike: Strike) -> Any:
    def next_offsets(*columns: Any) -> Any:
        strike()
        return {where: offset - 1 for where, offset in original(*columns).items()}

    return next_offsets


@_makes("offset-plus-two")
def _offset_plus_two(original: Any, strike: Strike) -> Any:
    def next_offsets(*columns: Any) -> Any:
        strike()
        return {where: offset + 1 for where, offset in original(*columns).items()}

    return next_offsets


@_makes("offsets-by-the-consumer")
def _offsets_by_the_consumer(original: Any, strike: Strike) -> Any:
    def transact(self: Any, produce: Any, next_offsets: Any, group_metadata: Any) -> float:
        started = self.clock()
        sink = self._sink or self._open_sink()
        sink.begin()
        produce(sink)
        sink.flush()
        self.failpoint("before_send_offsets")
        self.failpoint("before_commit")
        sink.commit()
        strike()
        self.failpoint("after_commit")
        self.source._consumer.commit(offsets=_topic_partitions(next_offsets), asynchronous=False)
        return float(self.clock() - started)

    return transact


@_makes("commit-before-flush")
def _commit_before_flush(original: Any, strike: Strike) -> Any:
    def transact(self: Any, produce: Any, next_offsets: Any, group_metadata: Any) -> float:
        started = self.clock()
        sink = self._sink or self._open_sink()
        sink.begin()
        self.failpoint("before_send_offsets")
        sink.send_offsets(next_offsets, group_metadata)
        self.failpoint("before_commit")
        sink.commit()
        strike()
        self.failpoint("after_commit")
        sink.begin()
        produce(sink)
        sink.flush()
        sink.commit()
        return float(self.clock() - started)

    return transact


@_makes("offsets-of-the-batch-ahead")
def _offsets_of_the_batch_ahead(original: Any, strike: Strike) -> Any:
    def transact(self: Any, produce: Any, next_offsets: Any, group_metadata: Any) -> float:
        started = self.clock()
        sink = self._sink or self._open_sink()
        with self._counting_fences():
            sink.begin()
            produce(sink)
            sink.flush()
            self.failpoint("before_send_offsets")
            read = self.source.assignment.read
            ahead = {where: max(offset, read.get(where, offset)) for where, offset in next_offsets.items()}
            if ahead != dict(next_offsets):
                strike()
            sink.send_offsets(ahead, group_metadata)
            self.failpoint("before_commit")
            sink.commit()
        self.failpoint("after_commit")
        return float(self.clock() - started)

    return transact


# what is written


@_makes("full-queue-drops")
def _full_queue_drops(original: Any, strike: Strike) -> Any:
    class Producer(original):  # type: ignore[misc]
        def produce(self, *arguments: Any, **named: Any) -> None:
            try:
                super().produce(*arguments, **named)
            except BufferError:
                strike()

    return Producer


@_makes("key-dropped")
def _key_dropped(original: Any, strike: Strike) -> Any:
    from stream.batch import NULL_KEY

    def produce_rows(self: Any, rows: Any, messages: Any, warnings: Any) -> None:
        strike()
        original(self, rows, replace(messages, flags=messages.flags | NULL_KEY), warnings)

    return produce_rows


@_makes("flush-skipped")
def _flush_skipped(original: Any, strike: Strike) -> Any:
    return lambda self: strike()


@_makes("dead-letters-outside")
def _dead_letters_outside(original: Any, strike: Strike) -> Any:
    from confluent_kafka import Producer

    others: list[Any] = []

    def produce_records(self: Any, records: Any) -> None:
        letters = [record for record in records if record.topic.endswith(".dlq")]
        original(self, [record for record in records if not record.topic.endswith(".dlq")])
        if not letters:
            return
        strike()
        if not others:
            others.append(Producer({"bootstrap.servers": self.settings.user["bootstrap.servers"], "linger.ms": 0}))
        for record in letters:
            others[0].produce(record.topic, record.value, record.key, headers=list(record.headers))
        others[0].flush()

    return produce_records


# client settings


@_makes("random-transactional-id")
def _random_transactional_id(original: Any, strike: Strike) -> Any:
    mark = uuid.uuid4().hex

    def producer(self: Any) -> Any:
        strike()
        return {**original(self), "transactional.id": f"{self.slot}-{mark}"}

    return producer


@_makes("auto-commit")
def _auto_commit(original: Any, strike: Strike) -> Any:
    def consumer(self: Any) -> Any:
        strike()
        auto = {"enable.auto.commit": True, "enable.auto.offset.store": True, "auto.commit.interval.ms": 20}
        return {**original(self), **auto}

    return consumer


@_makes("acks-of-the-leader-alone")
def _acks_of_the_leader_alone(original: Any, strike: Strike) -> Any:
    def producer(self: Any) -> Any:
        strike()
        return {**original(self), "acks": 1}

    return producer


@_makes("timeouts-in-any-order")
def _timeouts_in_any_order(original: Any, strike: Strike) -> Any:
    def timeouts(file: Any, environment: Any) -> Any:
        if list(original(file, environment)):
            strike()
        return ()

    return timeouts


@_makes("watchdog-off")
def _watchdog_off(original: Any, strike: Strike) -> Any:
    def look(self: Any) -> bool:
        if self.clock() - self._last > self.limit_s:
            strike()
        return False

    return look


@_makes("read-uncommitted")
def _read_uncommitted(original: Any, strike: Strike) -> Any:
    def consumer(self: Any) -> Any:
        strike()
        return {**original(self), "isolation.level": "read_uncommitted"}

    return consumer


@_makes("reset-to-earliest")
def _reset_to_earliest(original: Any, strike: Strike) -> Any:
    def consumer(self: Any) -> Any:
        strike()
        return {**original(self), "auto.offset.reset": "earliest"}

    return consumer


@_makes("one-name-for-all")
def _one_name_for_all(original: Any, strike: Strike) -> Any:
    def text(self: Any) -> str:
        strike()
        return str(self.pipeline)

    return text


# recovery


@_makes("guard-off")
def _guard_off(original: Any, strike: Strike) -> Any:
    from stream.errors import TransactionError
    from stream.kafka.guard import LATE

    def call(self: Any, name: str, request: Any, *arguments: Any) -> None:
        try:
            original(self, name, request, *arguments)
        except TransactionError as error:
            if error.reason != LATE:
                raise
            strike()

    return call


@_makes("no-seek-after-recovery")
def _no_seek_after_recovery(original: Any, strike: Strike) -> Any:
    def rewind(self: Any) -> Any:
        if self.assignment.read:
            strike()
        return self._positions.committed(self.assignment.owned)

    return rewind


@_makes("rewind-to-the-start")
def _rewind_to_the_start(original: Any, strike: Strike) -> Any:
    def rewind(self: Any) -> Any:
        committed = self._positions.committed(self.assignment.owned)
        if self.assignment.read:
            strike()
        self.seek({where: self._positions.first(where) for where in self.assignment.read if where in committed})
        return committed

    return rewind


@_makes("same-producer-after-trouble")
def _same_producer_after_trouble(original: Any, strike: Strike) -> Any:
    from confluent_kafka import KafkaException

    def recover(self: Any) -> Any:
        if self._sink is None:
            return original(self)
        strike()
        with contextlib.suppress(KafkaException):
            _client(self._sink).abort_transaction(5)
        return self.source.rewind()

    return recover


@_makes("fence-ends-the-process")
def _fence_ends_the_process(original: Any, strike: Strike) -> Any:
    from stream.errors import FatalError, TransactionError
    from stream.kafka.guard import FENCED

    @contextlib.contextmanager
    def counting_fences(self: Any, client: str = "producer") -> Iterator[None]:
        try:
            yield
        except TransactionError as error:
            if error.reason != FENCED:
                raise
            strike()
            raise FatalError(f"fenced: {error}") from error

    return counting_fences


@_makes("failed-commit-swallowed")
def _failed_commit_swallowed(original: Any, strike: Strike) -> Any:
    from stream.errors import TransactionError

    def call(self: Any, name: str, request: Any, *arguments: Any) -> None:
        try:
            original(self, name, request, *arguments)
        except TransactionError:
            strike()

    return call


@_makes("batch-sent-again")
def _batch_sent_again(original: Any, strike: Strike) -> Any:
    from stream.errors import TransactionError

    def transact(self: Any, produce: Any, next_offsets: Any, group_metadata: Any) -> Any:
        try:
            return original(self, produce, next_offsets, group_metadata)
        except TransactionError:
            strike()
            self._drop_sink()
            return original(self, produce, next_offsets, group_metadata)

    return transact


@_makes("never-settled")
def _never_settled(original: Any, strike: Strike) -> Any:
    def settle(self: Any, committed: Any) -> None:
        if self._in_flight is not None:
            strike()
        self._in_flight = None

    return settle


@_makes("refused-commit-repeated")
def _refused_commit_repeated(original: Any, strike: Strike) -> Any:
    def recover(self: Any) -> None:
        refused = self._in_flight
        original(self)
        if refused is None:
            return
        strike()
        outcome = refused[0]
        fresh = replace(outcome.messages, group_metadata=self.session.source.group_metadata())
        routed = self.router.route(replace(outcome, messages=fresh), int(self.wall_clock() * 1000))
        self._in_flight = (routed.outcome, routed.retried)
        self.session.begin_commit(routed.outcome, routed.records)

    return recover


@_makes("counted-before-commit")
def _counted_before_commit(original: Any, strike: Strike) -> Any:
    def send(self: Any, routed: Any) -> None:
        original(self, routed)
        if self._in_flight is not None:
            strike()
            self._committed(*self._in_flight, 0.0)

    return send


# the group


@_makes("assigned-not-subscribed")
def _assigned_not_subscribed(original: Any, strike: Strike) -> Any:
    from confluent_kafka import TopicPartition

    class Consumer(original):  # type: ignore[misc]
        def subscribe(self, topics: list[str], on_assign: Any = None, **callbacks: Any) -> None:
            strike()
            known = {topic: self.list_topics(topic, timeout=10).topics[topic].partitions for topic in topics}
            places = [TopicPartition(topic, number) for topic, numbers in known.items() for number in numbers]
            self.assign(places)
            on_assign(self, places)

    return Consumer


@_makes("no-group-metadata")
def _no_group_metadata(original: Any, strike: Strike) -> Any:
    from confluent_kafka import Consumer

    strangers: list[Any] = []

    def group_metadata(self: Any) -> Any:
        strike()
        if not strangers:
            properties = {"bootstrap.servers": self.settings.user["bootstrap.servers"]}
            strangers.append(Consumer({**properties, "group.id": self.settings.slot.pipeline}))
        return strangers[0].consumer_group_metadata()

    return group_metadata


@_makes("revoked-events-kept")
def _revoked_events_kept(original: Any, strike: Strike) -> Any:
    def keep_owned(self: Any, earlier: list[Any], arrived: list[Any]) -> list[Any]:
        if any((m.topic(), m.partition()) not in self.owned for m in earlier):
            strike()
        return earlier + arrived

    return keep_owned


@_makes("quiet-revoke-missed")
def _quiet_revoke_missed(original: Any, strike: Strike) -> Any:
    def keep(self: Any, arrived: list[Any], stamps: Any) -> None:
        if arrived:
            original(self, arrived, stamps)
        elif any((m.topic(), m.partition()) in self.assignment._revoked for m in self._kept):
            strike()

    return keep


@_makes("rebalance-commits")
def _rebalance_commits(original: Any, strike: Strike) -> Any:
    from confluent_kafka import KafkaException

    def on_revoke(self: Any, consumer: Any, partitions: list[Any]) -> None:
        if partitions:
            strike()
        with contextlib.suppress(KafkaException):
            positions = [place for place in consumer.position(partitions) if place.offset >= 0]
            consumer.commit(offsets=positions, asynchronous=False)
        original(self, consumer, partitions)

    return on_revoke


@_makes("revoke-does-not-wait")
def _revoke_does_not_wait(original: Any, strike: Strike) -> Any:
    def on_revoke(self: Any, consumer: Any, partitions: list[Any]) -> None:
        if partitions:
            strike()
        waits, self.before_revoke = self.before_revoke, lambda: None
        original(self, consumer, partitions)
        self.before_revoke = waits

    return on_revoke


@_makes("start-not-committed")
def _start_not_committed(original: Any, strike: Strike) -> Any:
    def poll(self: Any, *wait: Any) -> Any:
        messages = self.source.poll(*wait)
        if self.source.assignment.without_offset and (starts := self.source.starts()):
            strike()
            self.source.start_at(starts)
        return messages

    return poll


# retries, order, limits


@_makes("retried-early")
def _retried_early(original: Any, strike: Strike) -> Any:
    def split(self: Any, messages: Any, now_ms: int) -> Any:
        strike()
        return messages, {}

    return split


@_makes("attempts-not-counted")
def _attempts_not_counted(original: Any, strike: Strike) -> Any:
    def stage_attempts(earlier: Any) -> Any:
        strike()
        return original(replace(earlier, by_stage={}))

    return stage_attempts


@_makes("early-not-put-back")
def _early_not_put_back(original: Any, strike: Strike) -> Any:
    def stand_at(self: Any, positions: Any) -> None:
        if positions:
            strike()
            self._consumer.pause(_topic_partitions(positions))

    return stand_at


@_makes("held-offset-passed")
def _held_offset_passed(original: Any, strike: Strike) -> Any:
    def next_offsets(messages: Any, keep: Any, first: Any) -> Any:
        strike()
        return dict(messages.next_offsets)

    return next_offsets


@_makes("limit-not-judged")
def _limit_not_judged(original: Any, strike: Strike) -> Any:
    return lambda self, *judged: strike()


# the line


@_makes("halves-overlap")
def _halves_overlap(original: Any, strike: Strike) -> Any:
    from stream import pipeline
    from stream.errors import EventError

    def apply(name: str, work: Any, batch: Any) -> Any:
        try:
            return work(batch)
        except EventError:
            if len(batch) == 1:
                return original(name, work, batch)
        strike()
        half = len(batch) // 2
        first, second = batch.slice(0, half), batch.slice(half - 1, len(batch) - 1)
        return pipeline._join(apply(name, work, first), apply(name, work, second))

    return apply


@_makes("stage-drops-an-event")
def _stage_drops_an_event(original: Any, strike: Strike) -> Any:
    def apply(self: Any, batch: Any) -> Any:
        result = original(self, batch)
        strike()
        return replace(result, batch=result.batch.slice(0, len(result.batch) - 1))

    return apply


@_makes("filtered-without-offset")
def _filtered_without_offset(original: Any, strike: Strike) -> Any:
    def send(self: Any, routed: Any) -> None:
        if routed.outcome.outputs or routed.records:
            original(self, routed)
        else:
            strike()

    return send
