"""Messages: bytes as Kafka gave them, held as columns (one buffer and its offsets).

So that no Python object per event is needed between Kafka and the codec. Nothing here knows Kafka.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Header = tuple[str, bytes | None]

NULL_VALUE: Final = 1
NULL_KEY: Final = 2


class Origin(NamedTuple):
    """Where an event was read."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Places:
    """Where messages stand in the topics that they were read from: as in Messages."""

    topics: tuple[str, ...]
    topic: Int32s
    partition: Int32s
    offset: Int64s

    def place(self, row: int) -> Origin:
        return Origin(self.topics[self.topic[row]], int(self.partition[row]), int(self.offset[row]))

    def of(self, topic: str, partition: int) -> npt.NDArray[np.bool_]:
        """Which messages were read from this partition."""
        if topic not in self.topics:
            return np.zeros(len(self.offset), np.bool_)
        found: npt.NDArray[np.bool_] = (self.topic == self.topics.index(topic)) & (self.partition == partition)
        return found

    def take(self, keep: npt.NDArray[np.bool_]) -> Places:
        return Places(self.topics, self.topic[keep], self.partition[keep], self.offset[keep])


@dataclass(frozen=True, slots=True)
class Messages:
    """n messages of one poll.

    values[value_offsets[i]:value_offsets[i + 1]] is the value of message i, likewise for keys.
    topic[i] is an index into topics. timestamp is in ms since the epoch, -1 when there is none.
    flags holds NULL_VALUE and NULL_KEY. headers is None when no message has any.
    next_offsets and group_metadata were taken together with the messages and are what the
    transaction commits; group_metadata is opaque here.

    topic, partition and offset say where an event was read first. read says where it was read now, when
    that is another place for some of them: a retry tier.

    full says that no more would have fitted when they were read, else the time for it was over.
    """

    values: bytes | memoryview
    value_offsets: Int64s
    keys: bytes | memoryview
    key_offsets: Int64s
    topics: tuple[str, ...]
    topic: Int32s
    partition: Int32s
    offset: Int64s
    timestamp: Int64s
    flags: Bytes
    headers: Sequence[Sequence[Header] | None] | None = None
    next_offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)
    group_metadata: Any = None
    read: Places | None = None
    full: bool = False

    def __len__(self) -> int:
        return len(self.offset)

    def value(self, row: int) -> bytes | None:
        if self.flags[row] & NULL_VALUE:
            return None
        return bytes(self.values[self.value_offsets[row] : self.value_offsets[row + 1]])

    def key(self, row: int) -> bytes | None:
        if self.flags[row] & NULL_KEY:
            return None
        return bytes(self.keys[self.key_offsets[row] : self.key_offsets[row + 1]])

    def values_of(self, rows: Int64s) -> list[bytes | None]:
        """value(row) of each; for many rows in a third of the time."""
        return _items(self.values, self.value_offsets, rows, self.flags & np.uint8(NULL_VALUE))

    def keys_of(self, rows: Int64s) -> list[bytes | None]:
        return _items(self.keys, self.key_offsets, rows, self.flags & np.uint8(NULL_KEY))

    def headers_of(self, row: int) -> Sequence[Header]:
        return (self.headers[row] or ()) if self.headers is not None else ()

    def origin(self, row: int) -> Origin:
        return Origin(self.topics[self.topic[row]], int(self.partition[row]), int(self.offset[row]))

    @property
    def places(self) -> Places:
        """Where each message was read now; next_offsets are of these partitions."""
        return self.read or Places(self.topics, self.topic, self.partition, self.offset)

    def take(self, keep: npt.NDArray[np.bool_], next_offsets: Mapping[tuple[str, int], int]) -> Messages:
        """The messages where keep is true, with offsets of their own to commit."""
        rows = np.flatnonzero(keep)
        values, value_offsets = pack(self.values_of(rows))
        keys, key_offsets = pack(self.keys_of(rows))
        return replace(
            self,
            values=values,
            value_offsets=value_offsets,
            keys=keys,
            key_offsets=key_offsets,
            topic=self.topic[keep],
            partition=self.partition[keep],
            offset=self.offset[keep],
            timestamp=self.timestamp[keep],
            flags=self.flags[keep],
            headers=None if self.headers is None else [self.headers[row] for row in rows.tolist()],
            next_offsets=next_offsets,
            read=None if self.read is None else self.read.take(keep),
        )

    @classmethod
    def of(
        cls,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None = None,
        *,
        topic: str = "input",
        timestamp_ms: int = -1,
        first_offset: int = 0,
    ) -> Messages:
        """Messages of one partition that no broker has seen: a file's, or a test's."""
        n = len(values)
        keys = keys if keys is not None else [None] * n
        value_bytes, value_offsets = pack(values)
        key_bytes, key_offsets = pack(keys)
        nulls = [(NULL_VALUE * (v is None)) | (NULL_KEY * (k is None)) for v, k in zip(values, keys, strict=True)]
        return cls(
            values=value_bytes,
            value_offsets=value_offsets,
            keys=key_bytes,
            key_offsets=key_offsets,
            topics=(topic,),
            topic=np.zeros(n, np.int32),
            partition=np.zeros(n, np.int32),
            offset=np.arange(first_offset, first_offset + n, dtype=np.int64),
            timestamp=np.full(n, timestamp_ms, np.int64),
            flags=np.array(nulls, np.uint8),
            next_offsets={(topic, 0): first_offset + n},
        )


def _items(data: bytes | memoryview, offsets: Int64s, rows: Int64s, null: Bytes) -> list[bytes | None]:
    """Slices of a buffer, None where null."""
    spans = zip(offsets[rows].tolist(), offsets[rows + 1].tolist(), null[rows].tolist(), strict=True)
    return [None if absent else bytes(data[start:end]) for start, end, absent in spans]


def pack(items: Sequence[bytes | None]) -> tuple[bytes, Int64s]:
    """One buffer and n + 1 offsets; a None takes no room."""
    offsets = np.zeros(len(items) + 1, np.int64)
    np.cumsum([len(i) if i is not None else 0 for i in items], out=offsets[1:])
    return b"".join([i for i in items if i is not None]), offsets
