"""The reading half of a session: one consumer, owned by one thread."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream.batch import Messages
from stream.errors import FatalError, SystemicError, TransactionError
from stream.kafka.assignment import Assignment
from stream.kafka.filling import Filler
from stream.kafka.gather import Partition
from stream.kafka.guard import FENCED
from stream.kafka.positions import Mark, Positions
from stream.kafka.settings import ClientSettings, refused_settings
from stream.kafka.transport import Consumer, Intake
from stream.kafka.waiting import Waiting, as_first_read

IDLE_POLL_S: Final = 0.2
"""How long a poll waits for a first event; bounds how late a signal is seen."""
LEAVING_POLLS: Final = 10
LEAVING_POLL_S: Final = 0.02
"""A static member tells that it leaves when its fetching has stopped, but not once it is closed: so that is awaited."""
REFUSED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""Errors after which the client is silent for ever unless somebody acts."""
ANOTHER: Final = "another process runs with the same STREAM_INSTANCE and slot"
TAKEN_OVER: Final = "fenced by other consumer with same group.instance.id"
"""FENCED_INSTANCE_ID, which comes wrapped in a fatal error of another code."""
GROUP_REFUSED: Final = "Group authorization failed"
"""GROUP_AUTHORIZATION_FAILED, which does so too."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Source:
    """Reads batches and knows where it stands. Raises FatalError for client errors that no retry mends."""

    settings: ClientSettings
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    assignment: Assignment = field(default_factory=Assignment)
    waiting: Waiting = field(default_factory=Waiting)
    client_error: Callable[[str, str], None] = lambda _client, _name: None
    trouble: str = ""
    """The client's last error that mends itself, for the state page."""
    _away: str = ""
    """Why no broker can be reached, until something is read again."""
    _fatal: KafkaError | None = None
    _refused: KafkaError | None = None
    filler: Filler = field(init=False)
    _consumer: Consumer = field(init=False)
    _intake: Intake = field(init=False)
    _positions: Positions = field(init=False)

    def __post_init__(self) -> None:
        self.filler = Filler(self.settings, self.clock, self.sleep)
        self._open()

    def reopen(self) -> None:
        """A new consumer in the place of one that is at its end: nothing is owned until the group gives it."""
        with contextlib.suppress(KafkaException):  # it says once more that it is at its end
            self._consumer.close()
        self.assignment.lose_all()
        self._fatal = self._refused = None
        self._open()

    def _open(self) -> None:
        topics = [*self.settings.topics, *sorted(self.settings.tiers)]
        transport = self.settings.transport
        with refused_settings("consumer"):
            self._consumer = transport.consumer(self.settings.consumer(), self._on_error, log)
        self._intake = transport.intake(self._consumer, self.assignment, self._on_event, topics)
        self._positions = Positions(self._consumer, self.settings.slot.pipeline, self.settings.start)
        # R6: subscribe, never assign: with assign the broker could not tell a zombie from the owner
        self._consumer.subscribe(
            topics,
            on_assign=self._on_assign,
            on_revoke=self.assignment.on_revoke,
            on_lost=self.assignment.on_lost,
        )

    def poll(self, wait_s: float = IDLE_POLL_S) -> Messages | None:
        """The next batch: up to batch_events, batch_bytes, or what came within batch_wait_s of the batch before."""
        self._wake()
        self.filler.asked_again()
        self.filler.wait_for_first(self._intake, wait_s)
        if self._intake.events:
            self.filler.fill(self._intake)
        read = self._intake.events
        messages = self._take() if read else None
        if not read:  # hundreds of times a second under a light load: the client tells of each end it comes to
            self.require_alive()
            self.assignment.advance({})
        if self._refused is not None:
            error, self._refused = self._refused, None
            raise SystemicError("refused", f"consumer: {error}")  # what was read is noted: a rewind gets it back
        if read:
            self._away = ""
        elif self._away:
            away, self._away = self._away, ""
            raise SystemicError("broker", f"consumer: {away}")
        return messages

    def _take(self) -> Messages | None:
        read = self._intake.take()
        self.filler.handed_out(read)
        self.require_alive()
        messages, early = self.waiting.split(read, self._now_ms())
        if len(messages):
            # the metadata of this very moment: a rebalance between here and the commit is then refused (KIP-447)
            messages = replace(messages, group_metadata=self.group_metadata(), full=self.filler.wait.backlog)
        self.assignment.advance(messages.next_offsets)
        self._stand_at(early)
        return as_first_read(messages, self.waiting.tiers) if len(messages) else None

    def require_alive(self) -> None:
        """Raises FatalError when the client is at its end.

        Where a new one may do better, reopen() makes it: TransactionError when it was fenced, SystemicError when it
        lacks Read on its group, which ends a client of the group protocol `consumer`.
        """
        if self._fatal is None:
            return
        if GROUP_REFUSED in self._fatal.str():
            raise SystemicError("refused", f"consumer: {self._fatal.str()}")
        if self._fenced():
            raise TransactionError(f"consumer: {self._fatal.str()}", FENCED)
        raise FatalError(f"consumer: {self._fatal.str()}")

    def group_metadata(self) -> Any:
        """Opaque: who this member is and in which generation, for send_offsets (KIP-447)."""
        return self._consumer.consumer_group_metadata()

    def starts(self) -> dict[Partition, int]:
        """Where to start in owned partitions that stand still for want of an offset; start_at ends that.

        An offset that is there after all stays: the commit of a start whose answer was lost, for example.
        Raises FatalError when input that was not read is gone.
        """
        fresh = self.assignment.without_offset & self.assignment.owned
        committed = self._positions.committed(fresh)
        gaps = [
            gap for p, offset in sorted(committed.items()) if offset >= 0 and (gap := self._positions.gap(p, offset))
        ]
        if gaps:
            raise FatalError("; ".join(gaps))
        return {p: offset if offset >= 0 else self._positions.first(p) for p, offset in sorted(committed.items())}

    def marks(self, partitions: Iterable[Partition]) -> dict[Partition, Mark]:
        """Committed offsets with their texts. Raises TransactionError when the broker does not answer."""
        return self._positions.marks(partitions)

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Set the position of owned partitions."""
        for (topic, partition), offset in positions.items():
            try:
                self._consumer.seek(TopicPartition(topic, partition, offset))
            except KafkaException as error:
                raise TransactionError(f"seek in {topic}/{partition} to {offset}: {error}") from error
        self.assignment.sought(positions)

    def start_at(self, starts: Mapping[Partition, int]) -> None:
        """Begin to fetch partitions that stand still for want of an offset; a seek would be refused there.

        Both group protocols we use are incremental, so handing a partition back and forth is local.
        """
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in starts.items()]
        self._consumer.incremental_unassign(positions)
        self._consumer.incremental_assign(positions)
        self.assignment.without_offset -= starts.keys()
        self.assignment.sought(starts)

    def rewind(self) -> dict[Partition, int]:
        """R5: back to the committed offsets wherever something was read; gives all committed offsets."""
        self.filler.interrupted()
        committed = self._positions.committed(self.assignment.owned)
        read = {p: committed[p] for p in self.assignment.read if p in committed}
        self.seek({p: offset if offset >= 0 else self._positions.first(p) for p, offset in read.items()})
        self._away = ""
        return committed

    def serve(self, wait_s: float) -> None:
        """Stay in the group without reading: what arrives is dropped, to be read again after a rewind."""
        self.filler.interrupted()
        deadline = self.clock() + wait_s
        while (left := deadline - self.clock()) > 0:
            self._intake.fetch(1, min(left, IDLE_POLL_S))
            self.assignment.advance(self._intake.take().next_offsets)
        if not self._replaceable():  # what waits here recovers next, and finds it then
            self.require_alive()

    def hold(self, where: Partition, offset: int, until_ms: int) -> None:
        """Read no further than before `offset` until it is due; events of other partitions go on."""
        self.waiting.hold(where, until_ms)
        self.assignment.at_end.discard(where)
        self._stand_at({where: offset})

    def pause(self) -> None:
        self._consumer.pause([TopicPartition(*p) for p in self.assignment.owned])

    def resume(self) -> None:
        """Go on, but for partitions that wait for a time."""
        self._consumer.resume([TopicPartition(*p) for p in self.assignment.owned - self.waiting.until.keys()])

    def caught_up(self) -> bool:
        """Something is owned, and all there is of it was read or waits for its time.

        A member that owns nothing may be waiting for what a dead one still holds: it is not caught up.
        """
        owned, now_ms = self.assignment.owned, self._now_ms()
        waiting = {where for where, until_ms in self.waiting.until.items() if until_ms > now_ms}
        return bool(owned) and owned <= self.assignment.at_end | waiting

    def lag(self) -> dict[Partition, int]:
        """Events not read yet, by owned partition, from cached watermarks: no request is made."""
        lags = {}
        for where in self.assignment.owned:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*where), cached=True)
            if where in self.assignment.at_end and where not in self.waiting.until:
                lags[where] = 0  # what is left are transaction markers, not events
            elif where in self.assignment.read and high >= 0:
                lags[where] = max(0, high - self.assignment.read[where])
        return lags

    def close(self) -> None:
        """Leave the group, as a static member too, so that others take over at once."""
        with contextlib.suppress(KafkaException):  # after a fatal error there is nothing to leave
            self._consumer.unsubscribe()
            for _ in range(LEAVING_POLLS):
                self._consumer.poll(LEAVING_POLL_S)
        with contextlib.suppress(KafkaException):  # the native client tells of it here once more
            self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The client keeps a pause over rebalances: what was paused here when it left would come back silent."""
        consumer.resume(partitions)
        self.waiting.forget([(p.topic, p.partition) for p in partitions])  # one that left and is back already
        self.assignment.on_assign(consumer, partitions)

    def _wake(self) -> None:
        """Let partitions go whose waiting is over; what was revoked waits no longer here."""
        self.waiting.forget([p for p in self.waiting.until if p not in self.assignment.owned])
        due = self.waiting.due(self._now_ms())
        if due:
            self._consumer.resume([TopicPartition(*p) for p in due])

    def _stand_at(self, positions: Mapping[Partition, int]) -> None:
        """Pause owned partitions at an offset. Noted first: should it fail, a rewind sets them right."""
        self.assignment.read.update(positions)
        for (topic, partition), offset in positions.items():
            place = TopicPartition(topic, partition, offset)
            self._consumer.pause([place])
            try:
                self._consumer.seek(place)
            except KafkaException as error:
                raise TransactionError(f"seek in {topic}/{partition} to {offset}: {error}") from error

    def _replaceable(self) -> bool:
        return self._fenced() or (self._fatal is not None and GROUP_REFUSED in self._fatal.str())

    def _fenced(self) -> bool:
        return self._fatal is not None and TAKEN_OVER in self._fatal.str()

    def _now_ms(self) -> int:
        return int(self.wall_clock() * 1000)

    def _on_event(self, where: Partition, offset: int, error: KafkaError) -> None:
        """Events that librdkafka delivers among the messages."""
        if error.code() == KafkaError._PARTITION_EOF:
            self.assignment.end_seen(where, offset)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            self.assignment.offset_missing(where)
        elif error.code() in REFUSED:
            self._refused = error
        else:
            self._on_error(error)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:  # whose own fatal() is False
            self._fatal = error
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._away = self.trouble or str(error)
        self.trouble = str(error)
        self.client_error("consumer", error.name())
        log.warning("consumer: %s", error)
