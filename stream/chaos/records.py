"""What a reader found in a topic, as columns: ids, keys and results are read from the bytes by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.batch import Int32s, Int64s, Messages
from stream.chaos.events import KEY_BYTES

PREFIX_BYTES: Final = 5
"""Confluent's framing: a zero byte and the schema's id."""
NO_ID: Final = -1
MAX_VARINT_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Records:
    """n records of one topic, in no order. y is NaN where a record has no result; id and key -1 where unreadable."""

    ids: Int64s
    keys: Int64s
    partitions: Int32s
    offsets: Int64s
    y: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[np.bool_] | Int64s) -> Records:
        return Records(*(getattr(self, f.name)[rows] for f in fields(self)))


def none() -> Records:
    """No records."""
    empty = np.zeros(0, np.int64)
    return Records(empty, empty, empty.astype(np.int32), empty, empty.astype(np.float32))


def joined(parts: Sequence[Records]) -> Records:
    """All of them together."""
    parts = parts or [none()]
    return Records(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Records)))


def read(messages: Messages, *, scored: bool) -> Records:
    """scored: whether the values are Scores, whose result follows their id."""
    values = np.frombuffer(messages.values, np.uint8)
    ids, ends = _longs(values, messages.value_offsets[:-1] + PREFIX_BYTES, messages.value_offsets[1:])
    y = _floats(values, ends, messages.value_offsets[1:]) if scored else np.full(len(ids), np.nan, np.float32)
    return Records(ids, _keys(messages), messages.partition, messages.offset, y)


def _longs(values: npt.NDArray[np.uint8], starts: Int64s, limits: Int64s) -> tuple[Int64s, Int64s]:
    """The Avro long at each start, NO_ID where it does not end before its limit; and where each one ends."""
    found, at, shift = np.zeros(len(starts), np.int64), starts.copy(), 0
    going = np.ones(len(starts), bool)
    broken = np.zeros(len(starts), bool)
    for _ in range(MAX_VARINT_BYTES):
        broken |= going & (at >= limits)
        going &= ~broken
        if not going.any():
            break
        byte = values[at[going]].astype(np.int64)
        found[going] |= (byte & 0x7F) << shift
        at[going] += 1
        going[going] = byte >= 0x80
        shift += 7
    numbers = (found >> 1) ^ -(found & 1)
    return np.where(broken | going, NO_ID, numbers), at


def _floats(values: npt.NDArray[np.uint8], starts: Int64s, limits: Int64s) -> npt.NDArray[np.float32]:
    """The little-endian float at each start, NaN where there is no room for one."""
    there = starts + 4 <= limits
    found = np.full(len(starts), np.nan, np.float32)
    places = starts[there][:, None] + np.arange(4)
    found[there] = values[places].reshape(-1, 4).copy().view("<f4")[:, 0]
    return found


def _keys(messages: Messages) -> Int64s:
    """Keys as numbers; -1 for one of another length."""
    if (np.diff(messages.key_offsets) == KEY_BYTES).all():
        return np.frombuffer(messages.keys, ">i8").astype(np.int64)
    raw = [messages.key(row) for row in range(len(messages))]
    return np.array([int.from_bytes(k, "big") if k and len(k) == KEY_BYTES else -1 for k in raw], np.int64)
