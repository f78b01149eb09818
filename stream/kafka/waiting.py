"""Partitions that wait: a retry tier whose head is not due yet, or one held back in strict order.

A waiting partition is paused at the event it waits for, so that nothing behind it overtakes and nothing is
read early; everything else goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stream.batch import Messages
from stream.failures.headers import DUE, TIMESTAMP, number, origin_of
from stream.kafka.gather import Partition, next_offsets


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

    def split(self, messages: Messages, now_ms: int) -> tuple[Messages, dict[Partition, int]]:
        """(messages that are due, offset of the first that is not by partition): what is behind one waits too."""
        rows = rows_of(messages, self.tiers)
        held: dict[Partition, int] = {}
        keep = np.ones(len(messages), np.bool_)
        for row in rows:
            topic, partition, offset = messages.origin(row)
            where = (topic, partition)
            if where not in held:
                until = number(dict(messages.headers_of(row)).get(DUE))
                if until is None or until <= now_ms:
                    continue
                held[where] = offset
                self.hold(where, until)
            keep[row] = False
        if not held:
            return messages, {}
        left = next_offsets(messages.topics, messages.topic[keep], messages.partition[keep], messages.offset[keep])
        return messages.take(keep, left), held


def rows_of(messages: Messages, topics: frozenset[str]) -> list[int]:
    """The messages that were read from one of these topics."""
    found = [i for i, topic in enumerate(messages.topics) if topic in topics]
    rows: list[int] = np.flatnonzero(np.isin(messages.topic, found)).tolist() if found else []
    return rows


def as_first_read(messages: Messages, tiers: frozenset[str]) -> Messages:
    """Messages of retry tiers as they were read the first time: topic, partition, offset and timestamp.

    So columns, idempotency keys and a later dead letter are the same at every attempt. next_offsets stay
    those of the tiers.
    """
    rows = rows_of(messages, tiers)
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
