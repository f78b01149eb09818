"""The headers of a batch's dead letters as columns: what many have in common stands there once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stream.batch import Header, Int64s
from stream.failures.letters import Letters
from stream.kafka.native.headers import HeaderColumn

Places = npt.NDArray[np.int64]


def headers_of(letters: Letters) -> HeaderColumn:
    """Those of letter i under row i. O(letters x headers), with work in Python only for different headers."""
    texts = _Texts()
    where = {place: texts.places(headers) for place, headers in letters.where().items()}
    ends = [texts.places([*cause, *letters.tail]) for cause in letters.causes]
    origin = np.concatenate([_chosen(letters, where), _offsets(letters, texts)[:, None]], axis=1)
    counts = origin.shape[1] + np.array([len(end) for end in ends], np.int64)[letters.cause]
    first = np.cumsum(counts) - counts
    places = np.empty((int(counts.sum()), 4), np.int64)
    places[:, 0] = np.repeat(np.arange(len(letters)), counts)
    places[first[:, None] + np.arange(origin.shape[1]), 1:] = origin
    for cause, end in enumerate(ends):
        begin = first[letters.cause == cause] + origin.shape[1]
        places[begin[:, None] + np.arange(len(end)), 1:] = end
    return HeaderColumn(memoryview(bytes(texts.data)), places, len(letters))


@dataclass(slots=True)
class _Texts:
    """Names and values, each at a place (name, value, end); see HeaderColumn."""

    data: bytearray = field(default_factory=bytearray)

    def places(self, headers: list[Header] | tuple[Header, ...]) -> Places:
        """Shape (headers, 3)."""
        return np.array([self.place(name, value) for name, value in headers], np.int64).reshape(-1, 3)

    def place(self, name: str, value: bytes | None) -> tuple[int, int, int]:
        start = len(self.data)
        self.data += name.encode() + b"\0"
        middle = len(self.data)
        self.data += value or b""
        return start, middle, -1 if value is None else len(self.data)


def _chosen(letters: Letters, where: dict[tuple[int, int], Places]) -> Places:
    """The places of each letter's first headers, shape (letters, 2, 3)."""
    m, rows = letters.messages, letters.rows
    topic, partition = m.topic[rows], m.partition[rows]
    chosen = np.empty((len(letters), 2, 3), np.int64)
    for (t, p), places in where.items():
        chosen[(topic == t) & (partition == p)] = places
    return chosen


def _offsets(letters: Letters, texts: _Texts) -> Int64s:
    """The place of each letter's offset, shape (letters, 3)."""
    name = letters.origin[2].encode() + b"\0"  # before each value, as HeaderColumn has it
    parts = [name + offset for offset in letters.offsets()]
    ends = len(texts.data) + np.cumsum([len(part) for part in parts], dtype=np.int64)
    starts = np.concatenate([[len(texts.data)], ends[:-1]])[: len(parts)]
    texts.data += b"".join(parts)
    return np.stack([starts, starts + len(name), ends], axis=1)
