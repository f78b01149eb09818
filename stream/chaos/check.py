"""The checker: what was found, against what each event must become. A pure function over records; it knows no Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.batch import Int64s
from stream.chaos import events
from stream.chaos.events import Place
from stream.chaos.records import Records, joined

SAMPLES: Final = 5
"""Ids of each kind of finding that are told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How many events of one kind of wrong, and the first few of their ids."""

    count: int
    ids: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self.count > 0


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything but `events`, `by_place` and `input_doubled` must be zero."""

    events: int
    by_place: dict[str, int]
    lost: Finding
    """Found less often than in the input."""
    doubled: Finding
    """Found in a place more often than in the input."""
    in_two_places: Finding
    unexpected: Finding
    """Not in the input."""
    misplaced: Finding
    """In one place, but not in the one that is right for it."""
    wrong_result: Finding
    moved: Finding
    """Another key, or another partition, than in the input."""
    out_of_order: Finding
    """Behind a later event of its key."""
    input_doubled: Finding
    """Twice in the input, by its producer: the pipeline must then give it twice too."""

    @property
    def wrong(self) -> dict[str, Finding]:
        """What was found that must not be."""
        every = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "input_doubled"}
        return {name: found for name, found in every.items() if isinstance(found, Finding) and found}


def check(source: Records, found: Mapping[Place, Records]) -> Findings:
    """source: the input topic as an independent reader found it; found: each place, WAITING what is left in tiers."""
    wanted, copies = np.unique(source.ids, return_counts=True)
    counts = {place: _counts(records.ids, wanted) for place, records in found.items()}
    table = np.stack([counts[place] for place in Place if place in counts] or [np.zeros(len(wanted), np.int64)])
    order = [place for place in Place if place in counts]
    total, places = table.sum(axis=0), (table > 0).sum(axis=0)
    whole = (total == copies) & (places == 1)
    where = np.array([int(place) for place in order] or [0])[table.argmax(axis=0)]
    single = wanted[copies == 1]
    everything = joined(list(found.values()))
    return Findings(
        events=len(wanted),
        by_place={place.name.lower(): len(records) for place, records in found.items()},
        lost=_finding(wanted[total < copies]),
        doubled=_finding(wanted[(table > copies).any(axis=0)]),
        in_two_places=_finding(wanted[places > 1]),
        unexpected=_finding(everything.ids[~np.isin(everything.ids, wanted)]),
        misplaced=_finding(wanted[whole & (where != events.places(wanted))]),
        wrong_result=_finding(np.concatenate([_wrong_results(p, r) for p, r in found.items()] or [wanted[:0]])),
        moved=_finding(_moved(source, everything)),
        out_of_order=_finding(np.concatenate([_out_of_order(r, single) for r in found.values()] or [wanted[:0]])),
        input_doubled=_finding(wanted[copies > 1]),
    )


def same(one: Records, other: Records) -> bool:
    """Whether two readers saw the same records at the same offsets."""
    if len(one) != len(other):
        return False
    a, b = (r.take(np.lexsort((r.offsets, r.partitions))) for r in (one, other))
    return bool((a.partitions == b.partitions).all() and (a.offsets == b.offsets).all() and (a.ids == b.ids).all())


def _counts(ids: Int64s, wanted: Int64s) -> Int64s:
    """How often each wanted id (sorted, distinct) is among the ids."""
    known = ids[np.isin(ids, wanted)]
    return np.bincount(np.searchsorted(wanted, known), minlength=len(wanted)).astype(np.int64)


def _finding(ids: Int64s) -> Finding:
    return Finding(len(ids), tuple(np.sort(ids)[:SAMPLES].tolist()))


def _wrong_results(place: Place, records: Records) -> Int64s:
    if place not in (Place.HIGH, Place.LOW):
        return np.zeros(0, np.int64)
    wrong: Int64s = records.ids[records.y != events.scores(records.ids)]
    return wrong


def _moved(source: Records, everything: Records) -> Int64s:
    """Same key, same partitioner, as many partitions: an event stays in the partition of its number."""
    order = np.argsort(source.ids, kind="stable")
    rows = everything.take(np.isin(everything.ids, source.ids))
    at = order[np.searchsorted(source.ids[order], rows.ids)]
    elsewhere = (source.partitions[at] != rows.partitions) | (source.keys[at] != rows.keys)
    moved: Int64s = rows.ids[elsewhere]
    return moved


def _out_of_order(records: Records, single: Int64s) -> Int64s:
    """Of one topic: ids that stand behind a higher one of the same partition and key; only those of `single`."""
    rows = records.take(events.ordered(records.ids) & np.isin(records.ids, single))
    order = np.lexsort((rows.offsets, rows.keys, rows.partitions))
    ids, keys, partitions = rows.ids[order], rows.keys[order], rows.partitions[order]
    same_key = (keys[1:] == keys[:-1]) & (partitions[1:] == partitions[:-1])
    behind: Int64s = ids[1:][same_key & (ids[1:] < ids[:-1])]
    return behind
