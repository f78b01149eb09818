"""Records of a run as they must be, and as a bug would leave them."""

from __future__ import annotations

import numpy as np

from stream.batch import Int64s
from stream.chaos import events
from stream.chaos.events import Place
from stream.chaos.records import Records

PARTITIONS = 6


def records(ids: Int64s, *, scored: bool = False) -> Records:
    """Of one topic: events in the order of their ids, offsets as a topic would give them."""
    partitions = (events.keys(ids) % PARTITIONS).astype(np.int32)
    offsets = np.zeros(len(ids), np.int64)
    for partition in range(PARTITIONS):
        rows = partitions == partition
        offsets[rows] = np.arange(rows.sum())
    y = events.scores(ids) if scored else np.full(len(ids), np.nan, np.float32)
    return Records(ids, events.keys(ids), partitions, offsets, y)


def source(count: int) -> Records:
    return records(np.arange(count, dtype=np.int64))


def found(count: int) -> dict[Place, Records]:
    """Each of the events 0 to count in its right place."""
    ids = np.arange(count, dtype=np.int64)
    where = events.places(ids)
    return {place: records(ids[where == place], scored=place in (Place.HIGH, Place.LOW)) for place in Place}


def without(records: Records, row: int) -> Records:
    return records.take(np.arange(len(records)) != row)


def with_again(records: Records, row: int) -> Records:
    """The record of a row a second time, at the end of its partition."""
    rows = np.append(np.arange(len(records)), row)
    more = records.take(rows)
    more.offsets[-1] = records.offsets.max() + 1
    return more
