"""Consumer, producer and transaction as one object: poll, commit, recover, close.

One object owns both clients because only then can a rebalance turn a commit into an abort. There is one
road back from any trouble (R5): throw the producer away, make one with the same transactional id (which
fences the old one and ends what it left open), then read on from the committed offsets.
The rules R1 to R11 are argued in docs/exactly-once.md.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from stream.batch import Messages, Outcome, RecordList
from stream.errors import FatalError, SystemicError, TransactionError
from stream.kafka.assignment import Assignment
from stream.kafka.committer import Committer
from stream.kafka.gather import Partition
from stream.kafka.guard import FENCED
from stream.kafka.positions import Mark
from stream.kafka.settings import ClientSettings
from stream.kafka.sink import Sink
from stream.kafka.source import ANOTHER, IDLE_POLL_S, Source
from stream.kafka.waiting import Waiting

MAX_FENCES: Final = 5
FENCES_WITHIN_S: Final = 60.0
"""A coordinator's timeout looks like fencing by another instance: only repetition tells them apart. Successes
in between say nothing, two processes that fence each other in turn both have them.
"""
PATIENCE: Final = 3.0
"""Times transaction.timeout that a transaction is waited for: the coordinator has ended it long before."""

log = logging.getLogger(__name__)


def _no_failpoint(_name: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Sent:
    """What a transaction commits: next offsets, and beside each a text that no other transaction has."""

    next_offsets: Mapping[Partition, int]
    text: str

    def tells(self, where: Partition, mark: Mark) -> bool:
        """Whether a committed offset shows if this transaction was made: where it passed by, another one took it."""
        return mark.text == self.text or mark.offset < self.next_offsets.get(where, 0)


@dataclass(slots=True)
class Session:
    """Owned by one thread, but for the transaction under way.

    failpoint is called with the name of each step, for tests that kill there; client_error with "consumer"
    or "producer" and librdkafka's name of an error that the client retries by itself. name: of this session
    among all that ever commit for the group.
    """

    settings: ClientSettings
    clock: Callable[[], float] = time.monotonic
    failpoint: Callable[[str], None] = _no_failpoint
    client_error: Callable[[str, str], None] = lambda _client, _name: None
    name: str = field(default_factory=lambda: uuid4().hex[:12])
    source: Source = field(init=False)
    _transactions: int = 0
    _sent: Sent | None = None
    """The last transaction."""
    _committer: Committer = field(default_factory=Committer)
    _second: Committer = field(default_factory=Committer)
    """For transactions without a batch: how the last one with a batch ended may not have been asked yet."""
    _sink: Sink | None = None
    _fences: Mapping[str, deque[float]] = field(
        default_factory=lambda: {client: deque(maxlen=MAX_FENCES + 1) for client in ("consumer", "producer")}
    )
    """When each client was fenced. Two processes of one name fence each other's clients in turn: counted together,
    the last fence of the one that gives up would be one too many for the other, and both would end.
    """

    def __post_init__(self) -> None:
        self.source = Source(
            self.settings,
            self.clock,
            assignment=Assignment(before_revoke=self._end_transaction),
            waiting=Waiting(self.settings.tiers),
            client_error=self.client_error,
        )

    def poll(self, wait_s: float = IDLE_POLL_S) -> Messages | None:
        """The next batch, or None when nothing came within wait_s."""
        self._start()
        return self.source.poll(wait_s)

    @property
    def waited_s(self) -> float:
        """How much of the last poll there was nothing to do."""
        return self.source.filler.waited_s

    def begin_commit(self, outcome: Outcome, records: RecordList) -> None:
        """Outputs, records and source offsets in one transaction, opened only now, after all processing.

        It runs in another thread: finish_commit() tells how it ended, and must be called before the next one.
        """

        def produce(sink: Sink) -> None:
            for rows in outcome.outputs:
                sink.produce_rows(rows, outcome.messages, outcome.warnings)
                self.failpoint("mid_produce")
            sink.produce_records(records)

        messages = outcome.messages
        self._committer.begin(lambda: self._transact(produce, messages.next_offsets, messages.group_metadata))

    def finish_commit(self) -> float | None:
        """The seconds of the transaction under way, None when there is none.

        Raises TransactionError when it failed or its outcome is not certain: call recover(). FatalError when too
        many hang.
        """
        began = self.clock()
        try:
            return self._committer.finish(PATIENCE * self.settings.transaction_timeout_s)
        except FatalError as error:
            since = self.clock() - FENCES_WITHIN_S
            if not any(fence > since for fences in self._fences.values() for fence in tuple(fences)):
                raise
            raise FatalError(f"{error}, and it was fenced: {ANOTHER}") from error  # whose calls may hang, not fail
        finally:
            self.source.filler.awaited_commit(self.clock() - began)

    def recover(self) -> dict[Partition, int]:
        """R1, R5: new producer, then back to the committed offsets; gives those offsets.

        Left out are partitions in which somebody else has committed past the last transaction: they do not tell
        whether it was made. No transaction may be under way: finish_commit() first. Raises TransactionError while
        Kafka does not answer: wait and call it again.
        """
        # a dead consumer must not fence the producer of the one that took its place
        self._require_consumer()
        self._drop_sink()
        self._open_sink()
        committed = self.source.rewind()
        if self._sent is None:
            return committed
        marks = self.source.marks(self._sent.next_offsets.keys() & committed.keys())
        uncertain = {where for where, mark in marks.items() if not self._sent.tells(where, mark)}
        return {where: offset for where, offset in committed.items() if where not in uncertain}

    def hold(self, where: Partition, offset: int, until_ms: int) -> None:
        """Leave a partition at an offset until a time (ms since the epoch): strict order."""
        self.source.hold(where, offset, until_ms)

    def idle(self, seconds: float) -> None:
        """Stay in the group without reading; what was read and not committed comes back with recover()."""
        self.source.pause()
        self.source.serve(seconds)
        self.source.resume()

    def marks(self, partitions: Iterable[Partition]) -> dict[Partition, Mark]:
        """Committed offsets of partitions and the texts that were committed with them."""
        return self.source.marks(partitions)

    def mark(self, marks: Mapping[Partition, Mark]) -> None:
        """Commit texts with the offsets that are committed already; the next commit of a partition ends its mark.

        No transaction may be under way: finish_commit() first. Raises as it does.
        """
        offsets = {where: mark.offset for where, mark in marks.items()}
        texts, metadata = {where: mark.text for where, mark in marks.items()}, self.source.group_metadata()
        sink = self._sink or self._open_sink()

        def transaction() -> float:
            started = self.clock()
            with self._counting_fences():
                sink.begin()
                sink.send_offsets(offsets, metadata, texts)
                sink.commit()
            return self.clock() - started

        self._aside(transaction)

    def losses(self) -> int:
        """How often partitions were taken from this process; it only rises."""
        return self.source.assignment.revoked_count + self.source.assignment.lost_count

    def caught_up(self) -> bool:
        """Everything there is in the owned partitions was read; False for a member that owns none."""
        return self.source.caught_up()

    def standing_by(self) -> bool:
        """In the group, but other members own all partitions."""
        return self.source.assignment.standing_by()

    def close(self) -> None:
        self._committer.close()
        self._second.close()
        self._drop_sink()
        self.source.close()

    def _transact(
        self, produce: Callable[[Sink], None], next_offsets: Mapping[Partition, int], group_metadata: Any
    ) -> float:
        """The seconds it took."""
        started = self.clock()
        self._transactions += 1
        self._sent = sent = Sent(next_offsets, f"transaction={self.name}.{self._transactions}")
        sink = self._sink or self._open_sink()
        with self._counting_fences():
            sink.begin()
            produce(sink)
            sink.flush()
            self.failpoint("before_send_offsets")
            sink.send_offsets(next_offsets, group_metadata, dict.fromkeys(next_offsets, sent.text))
            self.failpoint("before_commit")
            sink.commit()
        self.failpoint("after_commit")
        return self.clock() - started

    def _start(self) -> None:
        """Where the group has no offset yet the configured start position is committed, then reading begins there.

        So a crash before the first result cannot move it. It comes before the next batch is read: nothing is in hand
        and nothing under way, so what is committed is what was handed out. A partition that has an offset after all
        is set to that, and no event of it is read twice. What fails is tried again at the next poll.
        """
        if self.source.assignment.without_offset and self._end_transaction() and (starts := self.source.starts()):
            metadata = self.source.group_metadata()
            self._aside(lambda: self._transact(lambda sink: None, starts, metadata))
            self.source.start_at(starts)

    def _aside(self, transaction: Callable[[], float]) -> None:
        """One that is waited for at once, and no longer than any other (R10). Raises as finish_commit."""
        self._second.begin(transaction)
        self._second.finish(PATIENCE * self.settings.transaction_timeout_s)

    def _end_transaction(self) -> bool:
        """R7: a partition is not given back while a transaction holds its offsets; a lost one is not waited for."""
        return self._committer.await_end(self.settings.transaction_timeout_s)

    def _require_consumer(self) -> None:
        """One that was fenced is replaced: it may have been by its own attempt to join, whose answer was lost.

        librdkafka then joins once more under its old member id, which the new one, that nobody told it of, has
        fenced. So is one that lacked a right on its group. Raises FatalError for a fence too many, which is another
        process of this name, and as require_alive.
        """
        try:
            with self._counting_fences("consumer"):
                self.source.require_alive()
        except (TransactionError, SystemicError) as ended:
            log.warning("making a new consumer: %s", ended)
            self.source.reopen()

    def _open_sink(self) -> Sink:
        with self._counting_fences():
            self._sink = Sink(self.settings, self.clock, client_error=self.client_error)
        return self._sink

    @contextmanager
    def _counting_fences(self, client: str = "producer") -> Iterator[None]:
        """Raises FatalError instead of the TransactionError of a fence too many."""
        try:
            yield
        except TransactionError as error:
            if error.reason != FENCED:
                raise
            fences = self._fences[client]
            fences.append(self.clock())
            if len(fences) > MAX_FENCES and fences[-1] - fences[0] < FENCES_WITHIN_S:
                text = f"fenced {len(fences)} times within {FENCES_WITHIN_S:.0f} s: {ANOTHER}, or no transaction"
                raise FatalError(f"{text} ends within transaction.timeout ({error})") from error
            raise

    def _drop_sink(self) -> None:
        if self._sink is not None:
            self._sink.discard()
            self._sink = None
