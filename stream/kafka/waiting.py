"""Partitions that wait: a retry tier whose head is not due yet, or one held back in strict order.

A waiting partition is paused at the event it waits for, so that nothing behind it overtakes and nothing is
read early; everything else goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from confluent_kafka import Message

from stream.batch import Messages
from stream.failures.headers import DUE, TIMESTAMP, number, origin_of
from stream.kafka.gather import Partition


@dataclass(slots=True)
class Waiting:
    """tiers: the retry topics. Times are ms since the epoch."""

    tiers: frozenset[str] = frozenset()
    until: dict[Partition, int] = field(default_factory=dict)

    def due(self, now_ms: int) -> list[Partition]:
        """Partitions whose waiting is over; they do not wait any more."""
        over = [p for p, until in self.until.items() if until <= now_ms]
        for partition in over:
            del self.until[partition]
        return over

    def hold(self, partition: Partition, until_ms: int) -> None:
        self.until[partition] = until_ms

    def forget(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self.until.pop(partition, None)

    def split(self, messages: list[Message], now_ms: int) -> tuple[list[Message], dict[Partition, int]]:
        """(messages that are due, offset of the first that is not by partition): what is behind one waits too."""
        if not self.tiers:
            return messages, {}
        due: list[Message] = []
        held: dict[Partition, int] = {}
        for message in messages:
            where = (message.topic() or "", message.partition() or 0)
            if where in held:
                continue
            until = number(dict(message.headers() or ()).get(DUE)) if where[0] in self.tiers else None  # type: ignore[arg-type]
            if until is not None and until > now_ms:
                held[where] = message.offset() or 0
                self.hold(where, until)
            else:
                due.append(message)
        return due, held


def as_first_read(messages: Messages, tiers: frozenset[str]) -> Messages:
    """Messages of retry tiers as they were read the first time: topic, partition, offset and timestamp.

    So columns, idempotency keys and a later dead letter are the same at every attempt. next_offsets stay
    those of the tiers.
    """
    rows = [i for i, t in enumerate(messages.topic.tolist()) if messages.topics[t] in tiers] if tiers else []
    if not rows:
        return messages
    topics: Mapping[str, int] = {name: i for i, name in enumerate(messages.topics)}
    names = dict(topics)
    topic, partition = messages.topic.copy(), messages.partition.copy()
    offset, timestamp = messages.offset.copy(), messages.timestamp.copy()
    for row in rows:
        origin = origin_of(messages.headers_of(row))
        stamp = number(dict(messages.headers_of(row)).get(TIMESTAMP))
        if origin is not None:
            topic[row] = names.setdefault(origin.topic, len(names))
            partition[row], offset[row] = origin.partition, origin.offset
        timestamp[row] = stamp if stamp is not None else timestamp[row]
    used, index = np.unique(topic, return_inverse=True)
    ordered = tuple(names)
    return replace(
        messages,
        topics=tuple(ordered[i] for i in used),
        topic=index.astype(np.int32),
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        read=messages.places,
    )
