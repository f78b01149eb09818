"""The dead letters of a batch as columns, so that none of them is a Python object on its way to Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream.batch import Header, Int64s, Messages, Record

Headers = tuple[Header, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Letters:
    """A sequence of Record: messages as they came, none of which has headers, with headers that say why.

    Letter i is message rows[i], with these headers in this order: its topic, partition and offset under the
    names of `origin`, those of causes[cause[i]], and `tail`. rows and cause have shape (n,); rows rise.
    """

    topic: str
    messages: Messages
    rows: Int64s
    cause: Int64s
    causes: Sequence[Headers]
    tail: Headers
    origin: tuple[str, str, str]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Record]:
        m, rows = self.messages, self.rows
        where, ends = self.where(), [(*cause, *self.tail) for cause in self.causes]
        columns = m.keys_of(rows), m.values_of(rows), self.offsets(), self.stamps().tolist()
        places = zip(m.topic[rows].tolist(), m.partition[rows].tolist(), self.cause.tolist(), strict=True)
        for (topic, partition, cause), key, value, offset, stamp in zip(places, *columns, strict=True):
            headers = [*where[topic, partition], (self.origin[2], offset), *ends[cause]]
            yield Record(self.topic, key, value, headers, stamp)

    def __getitem__(self, index: int) -> Record:
        return list(self)[index]

    def stamps(self) -> Int64s:
        """Of each letter in ms, 0 for now."""
        return np.maximum(self.messages.timestamp[self.rows], 0)

    def offsets(self) -> list[bytes]:
        """The offset of each letter, as text."""
        return [b"%d" % offset for offset in self.messages.offset[self.rows].tolist()]

    def where(self) -> dict[tuple[int, int], Headers]:
        """The headers of topic and partition, by the topic's index in the messages and the partition."""
        m, rows = self.messages, self.rows
        found = set(zip(m.topic[rows].tolist(), m.partition[rows].tolist(), strict=True))
        topic, partition, _ = self.origin
        return {(t, p): ((topic, m.topics[t].encode()), (partition, b"%d" % p)) for t, p in found}
