"""Client messages to Messages: the one place where a Python object per event exists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np
from confluent_kafka import Message

from stream.batch import NULL_KEY, NULL_VALUE, Bytes, Int64s, Messages, pack

Partition = tuple[str, int]
_MILLISECONDS: Final = itemgetter(1)


def gather(
    messages: list[Message],
    group_metadata: Any = None,
    only_topic: str | None = None,
    stamps: Sequence[Int64s] = (),
) -> Messages:
    """Messages without errors, as columns. Next offset = highest offset + 1 for each partition.

    only_topic: all of them are of it, so that none needs to be asked. stamps: their timestamps, if known already.
    """
    n = len(messages)
    topics, topic = _topics(messages) if only_topic is None else ((only_topic,), np.zeros(n, np.int32))
    partition = np.fromiter(map(Message.partition, messages), np.int32, n)
    offset = np.fromiter(map(Message.offset, messages), np.int64, n)
    values, value_offsets, null_values = _column(map(Message.value, messages))
    keys, key_offsets, null_keys = _column(map(Message.key, messages))
    headers: list[Any] | None = list(map(Message.headers, messages)) if any(map(Message.headers, messages)) else None
    return Messages(
        values=values,
        value_offsets=value_offsets,
        keys=keys,
        key_offsets=key_offsets,
        topics=topics,
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=np.concatenate(stamps) if stamps else timestamps(messages),
        flags=null_values * np.uint8(NULL_VALUE) + null_keys * np.uint8(NULL_KEY),
        headers=headers,
        next_offsets=next_offsets(topics, topic, partition, offset),
        group_metadata=group_metadata,
    )


def timestamps(messages: list[Message]) -> Int64s:
    """ms since the epoch; -1 where there is none, as for every error."""
    # timestamp() is (type, ms); a type of 0 says there is none and gives -1
    return np.fromiter(map(_MILLISECONDS, map(Message.timestamp, messages)), np.int64, len(messages))


def next_offsets(topics: tuple[str, ...], topic: Any, partition: Any, offset: Int64s) -> dict[Partition, int]:
    """For each partition the offset to read next."""
    if not len(offset):
        return {}
    width = int(partition.max()) + 1
    slots = topic.astype(np.int64) * width + partition
    highest = np.full(len(topics) * width, -1, np.int64)
    np.maximum.at(highest, slots, offset)
    return {(topics[i // width], int(i % width)): int(highest[i]) + 1 for i in np.flatnonzero(highest >= 0)}


def _topics(messages: list[Message]) -> tuple[tuple[str, ...], Any]:
    names: list[Any] = list(map(Message.topic, messages))
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    if len(index) == 1:
        return tuple(index), np.zeros(len(names), np.int32)
    return tuple(index), np.fromiter(map(index.__getitem__, names), np.int32, len(names))


def _column(items: Iterable[bytes | None]) -> tuple[bytes, Int64s, Bytes]:
    """(one buffer, n + 1 offsets, 1 where the item is null)."""
    parts: list[Any] = list(items)
    try:
        data = b"".join(parts)
    except TypeError:  # nulls are rare, and looking for them first costs as much as joining
        data, offsets = pack(parts)
        return data, offsets, np.fromiter((part is None for part in parts), np.uint8, len(parts))
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)), out=offsets[1:])
    return data, offsets, np.zeros(len(parts), np.uint8)
