"""Writing with the Python transport: one call of confluent_kafka's producer for each event."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import islice
from operator import length_hint
from typing import Any

import numpy as np
from confluent_kafka import Producer

from stream.arrow import split
from stream.batch import ANY_PARTITION, NULL_KEY, Int64s, Messages, Record, Rows
from stream.failures.letters import Letters
from stream.kafka.guard import TroubleLog
from stream.kafka.serving import served
from stream.kafka.transport import ErrorCallback, Properties


@dataclass(slots=True)
class MessageOutlet:
    """An Outlet over confluent_kafka's producer."""

    properties: Properties
    on_error: ErrorCallback
    log: logging.Logger
    trouble: TroubleLog = field(init=False)
    _producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        self.trouble = TroubleLog(self.log)
        # the guard needs what is not worth showing
        self._producer = Producer({**self.properties, "error_cb": self.on_error}, logger=self.trouble)

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
        values = iter(split(rows.values, rows.value_offsets[first:]))
        keys, times = _keys(messages, rows.rows[first:]), stamps[first:].tolist()
        # the hot loop: positional arguments and a bound method are worth a third of its time
        produce, topic = self._producer.produce, rows.topic
        try:
            for value, key, time in zip(values, keys, times, strict=True):
                produce(topic, value, key, ANY_PARTITION, None, None, time)
        except BufferError:
            return len(rows) - length_hint(values) - 1
        return len(rows)

    def produce_letters(self, letters: Letters, first: int) -> int:
        queued = first
        try:
            for record in islice(letters, first, None):
                self.produce(record)
                queued += 1
        except BufferError:
            return queued
        return queued

    def flush(self, timeout: float) -> int:
        return served(self._producer.flush, timeout)

    def poll(self, timeout: float) -> Any:
        return served(self._producer.poll, timeout)

    def send_offsets_to_transaction(self, positions: list[Any], group_metadata: Any, timeout: float) -> None:
        self._producer.send_offsets_to_transaction(positions, group_metadata, timeout)

    def commit_transaction(self, timeout: float) -> None:
        self._producer.commit_transaction(timeout)

    def discard(self) -> None:
        self._producer.purge()
        del self._producer


def _keys(messages: Messages, rows: Int64s) -> list[bytes | None]:
    """Of messages whose indexes rise: the keys of all between the first and the last are made, and picked from."""
    if not len(rows):
        return []
    first, stop = int(rows[0]), int(rows[-1]) + 1
    keys: list[bytes | None] = [*split(messages.keys, messages.key_offsets[first : stop + 1])]
    for row in np.flatnonzero(messages.flags[first:stop] & NULL_KEY).tolist():
        keys[row] = None
    return keys if len(rows) == len(keys) else [keys[row] for row in (rows - first).tolist()]
