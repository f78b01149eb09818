"""The writing half of a session: one transactional producer, thrown away after any trouble."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from stream.batch import ANY_PARTITION, Int64s, Messages, Record, Rows
from stream.errors import FatalError, StreamError, TransactionError
from stream.failures.headers import own_headers
from stream.kafka.gather import Partition
from stream.kafka.guard import FENCED, LateRequestGuard, TroubleLog, failed
from stream.kafka.settings import ClientSettings, refused_settings

INIT_TIMEOUT_S: Final = 10.0
FULL_QUEUE_WAIT_S: Final = 0.1

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
    _producer: Producer = field(init=False)
    _guard: LateRequestGuard = field(init=False)
    _error: str = ""

    def __post_init__(self) -> None:
        trouble = TroubleLog()
        logger = logging.Logger(__name__)
        logger.addHandler(trouble)
        logger.parent = log
        properties = {**self.settings.producer(), "error_cb": self._on_error}
        with refused_settings("producer"):
            self._producer = Producer(properties, logger=logger)
        self._guard = LateRequestGuard(trouble, lambda: self._producer.poll(0), self.clock, self.settings.slow_call_s)
        try:
            self._init()
        except StreamError:  # with Kafka away one fails every few seconds: its threads must not wait for the collector
            self.discard()
            raise

    def begin(self) -> None:
        self._guard.begin()
        self._guard.call("begin_transaction", self._producer.begin_transaction)

    def produce_rows(self, rows: Rows, messages: Messages, warnings: Mapping[int, tuple[str, ...]]) -> None:
        """Outputs: key, headers and timestamp of the message each row came from."""
        stamps = self._timestamps(messages.timestamp[rows.rows])
        keys = _slices(messages.keys, messages.key_offsets, rows.rows)
        if messages.flags.any():
            keys = [None if messages.key(r) is None else k for r, k in zip(rows.rows.tolist(), keys, strict=True)]
        values = _slices(rows.values, rows.value_offsets, np.arange(len(rows)))
        if messages.headers is None and not warnings:
            self._produce_plain(rows.topic, values, keys, stamps)
            return
        for row, value, key, stamp in zip(rows.rows.tolist(), values, keys, stamps, strict=True):
            headers = own_headers(messages.headers_of(row))
            if row in warnings:
                headers.append(("stream.warnings", ",".join(warnings[row]).encode()))
            self.produce(Record(rows.topic, key, value, headers, stamp))

    def produce(self, record: Record) -> None:
        """Raises TransactionError when the client refuses the message or its queue stays full."""
        deadline = self.clock() + self.settings.transaction_timeout_s
        headers: list[Any] | None = list(record.headers) or None
        while True:
            try:
                self._producer.produce(
                    record.topic, record.value, record.key, record.partition, None, None, record.timestamp, headers
                )
            except BufferError as error:
                if self.clock() > deadline:
                    raise TransactionError(f"produce: the local queue stayed full: {error}") from error
                self._producer.poll(FULL_QUEUE_WAIT_S)
            except KafkaException as error:
                raise TransactionError(f"produce to {record.topic}: {error}") from error
            else:
                return

    def flush(self) -> None:
        """Wait until every message is acknowledged, so that the guarded calls after it are quick when all is well."""
        try:
            left = self._producer.flush(self.settings.transaction_timeout_s)
        except Exception as error:  # a fatal error can surface here as SystemError (client 2.16.1)
            raise failed("flush", error) from error
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
        send = self._producer.send_offsets_to_transaction
        self._guard.call("send_offsets", send, positions, group_metadata, self.settings.transaction_timeout_s)

    def commit(self) -> None:
        """Raises TransactionError when the outcome is not certain: the committed offsets will tell."""
        self._guard.call("commit", self._producer.commit_transaction, self.settings.transaction_timeout_s)

    def discard(self) -> None:
        """Never used again: nothing it still holds may be sent."""
        self._producer.purge()
        del self._producer

    def _produce_plain(self, topic: str, values: list[bytes], keys: list[bytes | None], stamps: list[int]) -> None:
        """The hot loop: positional arguments and a bound method are worth a third of its time."""
        produce = self._producer.produce
        for value, key, stamp in zip(values, keys, stamps, strict=True):
            try:
                produce(topic, value, key, ANY_PARTITION, None, None, stamp)
            except (BufferError, KafkaException):
                self.produce(Record(topic, key, value, (), stamp))

    def _timestamps(self, stamps: Int64s) -> list[int]:
        """The source's timestamps: none becomes now (0), and never the future, which a broker may refuse."""
        now_ms = int(self.wall_clock() * 1000)
        return list(np.clip(stamps, 0, now_ms).tolist())

    def _init(self) -> None:
        try:
            self._producer.init_transactions(INIT_TIMEOUT_S)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            self._producer.poll(0)
            text = f"init_transactions of {self.settings.slot}: {cause.str()}" + (
                f" ({self._error})" if self._error else ""
            )
            if cause.code() == KafkaError._FENCED:  # a coordinator's timeout looks the same: see MAX_FENCES
                raise TransactionError(text, FENCED) from error
            if cause.retriable():
                raise TransactionError(text) from error
            raise FatalError(text) from error

    def _on_error(self, error: KafkaError) -> None:
        self._error = str(error)
        self.client_error("producer", error.name())
        log.warning("producer: %s", error)


def _slices(data: bytes | memoryview, offsets: Int64s, rows: Int64s) -> list[Any]:
    starts, ends = offsets[rows].tolist(), offsets[rows + 1].tolist()
    data = bytes(data)  # the client takes read-only bytes only
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]
