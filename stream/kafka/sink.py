"""The writing half of a session: one transactional producer, thrown away after any trouble."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream.arrow import split
from stream.batch import Int64s, Messages, Record, RecordList, Rows
from stream.errors import FatalError, StreamError, TransactionError
from stream.failures.headers import own_headers
from stream.failures.letters import Letters
from stream.kafka.gather import Partition
from stream.kafka.guard import FENCED, LateRequestGuard, failed
from stream.kafka.settings import ClientSettings, refused_settings
from stream.kafka.transport import Outlet

INIT_TIMEOUT_S: Final = 10.0
REFUSED: Final = "refused"
FULL_QUEUE_WAIT_S: Final = 0.1
RUN_COST: Final = 8
"""Events that a call for a run of them costs as much as, beside its own."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sink:
    """A producer that has been initialised: its predecessors with the same id are fenced.

    Raises TransactionError when initialising failed and may be tried again, FatalError when not.
    """

    settings: ClientSettings
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    client_error: Callable[[str, str], None] = lambda _client, _name: None
    _outlet: Outlet = field(init=False)
    _guard: LateRequestGuard = field(init=False)
    _error: str = ""

    def __post_init__(self) -> None:
        with refused_settings("producer"):
            self._outlet = outlet = self.settings.transport.outlet(self.settings.producer(), self._on_error, log)
        self._guard = LateRequestGuard(outlet.trouble, self._serve_log, self.clock, self.settings.slow_call_s)
        try:
            self._init()
        except StreamError:  # with Kafka away one fails every few seconds: its threads must not wait for the collector
            self.discard()
            raise

    def begin(self) -> None:
        self._guard.begin()
        self._guard.call("begin_transaction", self._outlet.begin_transaction)

    def produce_rows(self, rows: Rows, messages: Messages, warnings: Mapping[int, tuple[str, ...]]) -> None:
        """Outputs: key, headers and timestamp of the message each row came from."""
        stamps = self._timestamps(messages.timestamp[rows.rows])
        headers = messages.headers is not None and not self.settings.transport.carries_headers
        alone = np.arange(len(rows)) if headers else _warned(rows, warnings)
        start = 0
        for index, record in _records(rows, alone, messages, warnings, stamps):
            self._produce_run(rows, messages, stamps, start, index)  # in order: two of them may have the same key
            self.produce(record)
            start = index + 1
        self._produce_run(rows, messages, stamps, start, len(rows))

    def produce_records(self, records: RecordList) -> None:
        """Raises TransactionError as `produce`."""
        if isinstance(records, Letters):
            self._queue(records.topic, len(records), lambda first: self._outlet.produce_letters(records, first))
            return
        for record in records:
            self.produce(record)

    def produce(self, record: Record) -> None:
        """Raises TransactionError when the client refuses the message or its queue stays full."""
        deadline = self.clock() + self.settings.transaction_timeout_s
        while True:
            try:
                self._outlet.produce(record)
            except BufferError:
                self._make_room(deadline)
            except KafkaException as error:
                raise failed(f"produce to {record.topic}", error) from error
            else:
                return

    def flush(self) -> None:
        """Wait until every message is acknowledged, so that the guarded calls after it are quick when all is well."""
        try:
            left = self._outlet.flush(self.settings.transaction_timeout_s)
        except Exception as error:  # a fatal error can surface here as SystemError (client 2.16.1)
            raise failed(f"flush ({self._error})" if self._error else "flush", error) from error
        if left:
            raise TransactionError(f"flush: {left} messages not acknowledged in time: {self._error or 'no answer'}")

    def send_offsets(
        self, next_offsets: Mapping[Partition, int], group_metadata: Any, texts: Mapping[Partition, str] | None = None
    ) -> None:
        """An offset is the next one to read. group_metadata lets the broker refuse a stale member (R6).

        texts are committed with the offsets; without them the text of before is gone.
        """
        texts = texts or {}
        positions = [TopicPartition(*where, offset, texts.get(where, "")) for where, offset in next_offsets.items()]
        send = self._outlet.send_offsets_to_transaction
        self._guard.call("send_offsets", send, positions, group_metadata, self.settings.transaction_timeout_s)

    def commit(self) -> None:
        """Raises TransactionError when the outcome is not certain: the committed offsets will tell."""
        self._guard.call("commit", self._outlet.commit_transaction, self.settings.transaction_timeout_s)

    def discard(self) -> None:
        """Never used again: nothing it still holds may be sent."""
        self._outlet.discard()

    def _produce_run(self, rows: Rows, messages: Messages, stamps: Int64s, start: int, stop: int) -> None:
        """rows[start:stop], none of which has headers that the transport does not carry."""
        run = Rows(rows.topic, rows.rows[start:stop], rows.values, rows.value_offsets[start : stop + 1])
        part = stamps[start:stop]
        self._queue(rows.topic, len(run), lambda first: self._outlet.produce_rows(run, messages, part, first))

    def _queue(self, topic: str, n: int, produce: Callable[[int], int]) -> None:
        """n messages: produce(first) queues from there on, and says how many are queued then."""
        deadline = self.clock() + self.settings.transaction_timeout_s
        queued = 0
        while queued < n:
            try:
                queued = produce(queued)
            except KafkaException as error:
                raise failed(f"produce to {topic}", error) from error
            if queued < n:
                self._make_room(deadline)

    def _make_room(self, deadline: float) -> None:
        if self.clock() > deadline:
            raise TransactionError("produce: the local queue stayed full")
        self._outlet.poll(FULL_QUEUE_WAIT_S)

    def _timestamps(self, stamps: Int64s) -> Int64s:
        """The source's timestamps: none becomes now (0), and never the future, which a broker may refuse."""
        now_ms = int(self.wall_clock() * 1000)
        return np.clip(stamps, 0, now_ms)

    def _serve_log(self) -> None:
        """A client that met a fatal error while nothing was under way tells it here."""
        try:
            self._outlet.poll(0)
        except Exception as error:
            raise failed("poll", error) from error

    def _init(self) -> None:
        try:
            self._outlet.init_transactions(INIT_TIMEOUT_S)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            with contextlib.suppress(KafkaException):  # after a fatal error it raises that once more
                self._outlet.poll(0)
            text = f"init_transactions of {self.settings.slot}: {cause.str()}" + (
                f" ({self._error})" if self._error else ""
            )
            if cause.code() == KafkaError._FENCED:  # a coordinator's timeout looks the same: see MAX_FENCES
                raise TransactionError(text, FENCED) from error
            if cause.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                acl = f"the ACL Write on transactional-id {self.settings.slot.pipeline}- (prefixed) is missing"
                raise TransactionError(f"{acl}: {text}", REFUSED) from error
            if cause.retriable():
                raise TransactionError(text) from error
            raise FatalError(text) from error

    def _on_error(self, error: KafkaError) -> None:
        self._error = str(error)
        self.client_error("producer", error.name())
        log.warning("producer: %s", error)


def _warned(rows: Rows, warnings: Mapping[int, tuple[str, ...]]) -> Int64s:
    """Which rows have a header of their own, and so a call each. With many all have: a short run costs more."""
    if len(warnings) * RUN_COST > len(rows):
        return np.arange(len(rows))
    warned = np.fromiter(warnings, np.int64, len(warnings))
    return np.flatnonzero(np.isin(rows.rows, warned)) if len(warned) else warned


def _records(
    rows: Rows, alone: Int64s, messages: Messages, warnings: Mapping[int, tuple[str, ...]], stamps: Int64s
) -> Iterator[tuple[int, Record]]:
    """(index, message to produce) of some rows, with the headers of their messages and their warnings."""
    if not len(alone):
        return
    values = split(rows.values, rows.value_offsets)
    for index, row, stamp in zip(alone.tolist(), rows.rows[alone].tolist(), stamps[alone].tolist(), strict=True):
        headers = own_headers(messages.headers_of(row))
        if row in warnings:
            headers.append(("stream.warnings", ",".join(warnings[row]).encode()))
        yield index, Record(rows.topic, messages.key(row), values[index], headers, stamp)
