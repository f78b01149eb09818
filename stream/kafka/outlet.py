"""Writing with the Python transport: one call of confluent_kafka's producer for each event."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import Producer

from stream.batch import ANY_PARTITION, Int64s, Messages, Record, Rows
from stream.kafka.guard import TroubleLog
from stream.kafka.transport import ErrorCallback, Properties


@dataclass(slots=True)
class MessageOutlet:
    """An Outlet over confluent_kafka's producer."""

    properties: Properties
    on_error: ErrorCallback
    log: logging.Logger
    trouble: TroubleLog = field(default_factory=TroubleLog)
    _producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        logger = logging.Logger(self.log.name)
        logger.addHandler(self.trouble)
        logger.parent = self.log
        self._producer = Producer({**self.properties, "error_cb": self.on_error}, logger=logger)

    def init_transactions(self, timeout: float) -> None:
        self._producer.init_transactions(timeout)

    def begin_transaction(self) -> None:
        self._producer.begin_transaction()

    def produce(self, record: Record) -> None:
        headers: list[Any] | None = list(record.headers) or None
        self._producer.produce(
            record.topic, record.value, record.key, record.partition, None, None, record.timestamp, headers
        )

    def produce_rows(self, rows: Rows, messages: Messages, stamps: Int64s, first: int) -> int:
        values = _slices(rows.values, rows.value_offsets, np.arange(first, len(rows)))
        sources = rows.rows[first:]
        keys = _slices(messages.keys, messages.key_offsets, sources)
        if messages.flags.any():
            keys = [None if messages.key(r) is None else k for r, k in zip(sources.tolist(), keys, strict=True)]
        # the hot loop: positional arguments and a bound method are worth a third of its time
        produce, topic, queued = self._producer.produce, rows.topic, first
        try:
            for value, key, stamp in zip(values, keys, stamps[first:].tolist(), strict=True):
                produce(topic, value, key, ANY_PARTITION, None, None, stamp)
                queued += 1
        except BufferError:
            return queued
        return queued

    def flush(self, timeout: float) -> int:
        return self._producer.flush(timeout)

    def poll(self, timeout: float) -> Any:
        return self._producer.poll(timeout)

    def send_offsets_to_transaction(self, positions: list[Any], group_metadata: Any, timeout: float) -> None:
        self._producer.send_offsets_to_transaction(positions, group_metadata, timeout)

    def commit_transaction(self, timeout: float) -> None:
        self._producer.commit_transaction(timeout)

    def discard(self) -> None:
        self._producer.purge()
        del self._producer


def _slices(data: bytes | memoryview, offsets: Int64s, rows: Int64s) -> list[Any]:
    starts, ends = offsets[rows].tolist(), offsets[rows + 1].tolist()
    data = bytes(data)  # the client takes read-only bytes only
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]
