"""Reading with the native transport: what the library delivers becomes columns without a Python object for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stream.batch import Messages, pack
from stream.kafka.assignment import Assignment
from stream.kafka.gather import next_offsets
from stream.kafka.native.headers import HeaderColumn
from stream.kafka.transport import EventCallback


@dataclass(slots=True)
class NativeIntake:
    """An Intake over `consumer.Consumer`.

    A batch is one set of columns, but for one thing: when partitions were revoked while it was filled, what was
    read before is put aside without them.
    """

    consumer: Any
    assignment: Assignment
    on_event: EventCallback
    _aside: list[Messages] = field(default_factory=list)

    @property
    def events(self) -> int:
        return int(self.consumer.columns.events) + sum(map(len, self._aside))

    @property
    def size(self) -> int:
        return int(self.consumer.columns.size) + sum(len(m.values) for m in self._aside)

    def fetch(self, most: int, wait_s: float) -> bool:
        before = self.consumer.columns.events
        events, arrived = self.consumer.fetch(most, wait_s)
        for topic, partition, offset, error in events:
            self.on_event((topic, partition), offset, error)
        revoked = self.assignment.take_revoked()
        if revoked:
            self._put_aside(before, revoked)
        return bool(arrived)

    def take(self) -> Messages:
        messages = self._columns()
        if not self._aside:
            return messages
        parts, self._aside = [*self._aside, messages], []
        return joined(parts)

    def _columns(self) -> Messages:
        fields, headers = self.consumer.columns.take()
        count = len(fields["offset"])
        column: Any = None if headers is None else HeaderColumn(headers[0], headers[1], count)
        return Messages(
            **fields,
            headers=column,
            next_offsets=next_offsets(fields["topics"], fields["topic"], fields["partition"], fields["offset"]),
        )

    def _put_aside(self, before: int, revoked: set[tuple[str, int]]) -> None:
        """As Assignment.keep_owned: rows read earlier go with their revoked partition, even if it came back."""
        earlier = [*self._aside]
        columns = self._columns()
        keep = np.array([self._stays(columns, row, row < before, revoked) for row in range(len(columns))], np.bool_)
        self._aside = [
            kept(m, np.array([self._stays(m, row, True, revoked) for row in range(len(m))], np.bool_)) for m in earlier
        ]
        self._aside.append(kept(columns, keep))

    def _stays(self, messages: Messages, row: int, earlier: bool, revoked: set[tuple[str, int]]) -> bool:
        topic, partition, _ = messages.origin(row)
        where = (topic, partition)
        return where not in revoked if earlier else where in self.assignment.owned


def kept(messages: Messages, keep: npt.NDArray[np.bool_]) -> Messages:
    """The messages where keep is true."""
    offsets = next_offsets(messages.topics, messages.topic[keep], messages.partition[keep], messages.offset[keep])
    return messages.take(keep, offsets)


def joined(parts: list[Messages]) -> Messages:
    """Batches as one, in order; for the rare case that there are several."""
    topics = tuple(dict.fromkeys(name for m in parts for name in m.topics))
    topic = np.concatenate([np.array([topics.index(n) for n in m.topics], np.int32)[m.topic] for m in parts])
    partition = np.concatenate([m.partition for m in parts])
    offset = np.concatenate([m.offset for m in parts])
    values, value_offsets = pack([m.value(row) for m in parts for row in range(len(m))])
    keys, key_offsets = pack([m.key(row) for m in parts for row in range(len(m))])
    headers = [m.headers[row] if m.headers is not None else None for m in parts for row in range(len(m))]
    return Messages(
        values=values,
        value_offsets=value_offsets,
        keys=keys,
        key_offsets=key_offsets,
        topics=topics,
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=np.concatenate([m.timestamp for m in parts]),
        flags=np.concatenate([m.flags for m in parts]),
        headers=headers if any(headers) else None,
        next_offsets=next_offsets(topics, topic, partition, offset),
    )
