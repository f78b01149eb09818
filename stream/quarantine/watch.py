"""Deaths counted where they cannot be lost: beside the offset that the group has committed.

The first batch of a partition since it came to this process is marked before it is processed: the committed
offset is committed once more, with the text "deaths=N". Whatever is committed next takes the mark away. So
a mark that is found, at the offset where the next owner begins, says that N owners in a row ended before
they could commit anything from there on. From then until the partition is lost again nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
import structlog

from stream.batch import Failure, FailureClass, Int64s, Messages, Outcome
from stream.kafka.positions import Mark
from stream.logs import logger
from stream.messages import Places
from stream.quarantine.trial import Stay, Verdict

STAGE: Final = "quarantine"
REASON: Final = "quarantined"
_DEATHS: Final = re.compile(r"deaths=(\d{1,9})")

Partition = tuple[str, int]


class Group(Protocol):
    """What is needed of `stream.kafka.Session`."""

    def marks(self, partitions: Iterable[Partition]) -> dict[Partition, Mark]: ...
    def mark(self, marks: Mapping[Partition, Mark]) -> None: ...
    def losses(self) -> int: ...


class Cut(NamedTuple):
    """A batch in pieces, to be processed and committed one after another.

    again: then read on from the committed offsets: a trial was held meanwhile, or something was left out.
    """

    parts: Sequence[Part]
    again: bool


class Part(NamedTuple):
    """A piece of a batch that is committed by itself. verdict: how its one event kills; "" for no such event."""

    messages: Messages
    verdict: str = ""

    def outcome(self) -> Outcome:
        """Of an event that is not to be processed: a dead letter, unread."""
        detail = f"it ended every process that had it in hand ({self.verdict})"
        return Outcome(self.messages, [], [Failure(0, STAGE, FailureClass.POISON, REASON, detail)])


class Suspicion(NamedTuple):
    """Owners of a partition that have ended in a row with nothing committed from this offset on."""

    offset: int
    deaths: int


NONE: Final = Suspicion(0, 0)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial has found of one partition: offsets from first to end, those that kill, and how."""

    first: int
    end: int
    guilty: Mapping[int, str]
    part: int

    def covers(self, offset: int) -> bool:
        return self.first <= offset < self.end


@dataclass(slots=True)
class Quarantine:
    """Of the worker's thread. crashes: deaths in a row at one offset after which the events there are tried.

    reach: events of the largest batch; so far behind that offset the one that kills may be.
    """

    group: Group
    trial: Callable[[Messages, Stay], Verdict | None]
    crashes: int = 3
    reach: int = 10_000
    log: structlog.stdlib.BoundLogger = field(default_factory=lambda: logger("stream.quarantine"))
    _trusted: set[Partition] = field(default_factory=set)
    """Something of them was committed since they came."""
    _marked: dict[Partition, Suspicion] = field(default_factory=dict)
    """The others, as far as they were met."""
    _tried: dict[Partition, Tried] = field(default_factory=dict)
    _losses: int = 0

    def trusts(self, messages: Messages) -> bool:
        """Whether all of it may be processed as usual; that is so but for the first batch of a partition."""
        losses = self.group.losses()
        if losses != self._losses:  # which of them were elsewhere meanwhile is not known
            self._losses = losses
            self._trusted.clear()
            self._marked.clear()
        return messages.next_offsets.keys() <= self._trusted

    def committed(self, next_offsets: Mapping[Partition, int]) -> None:
        """These were committed. A partition is trusted then, unless what was tried of it explains nothing yet."""
        for where, offset in next_offsets.items():
            tried = self._tried.get(where)
            if tried is not None and offset < tried.end:
                continue
            self._tried.pop(where, None)
            suspicion = self._marked.get(where, NONE)
            behind = offset >= suspicion.offset + self.reach
            if suspicion.deaths < self.crashes or behind or (tried is not None and tried.guilty):
                self._trusted.add(where)
                self._marked.pop(where, None)

    def parts(self, messages: Messages, stay: Stay) -> Cut:
        """What is to be done with a batch that is not trusted. Raises TransactionError when a mark was not written."""
        self._mark([p for p in messages.next_offsets if p not in self._trusted and p not in self._marked])
        suspects = [p for p in messages.next_offsets if self._is_suspect(p, messages.places)]
        if suspects:
            self._try(suspects, messages, stay)
            return Cut([], again=True)
        parts = list(self._cut(messages))
        return Cut(parts, again=sum(len(part.messages) for part in parts) < len(messages))

    def _mark(self, fresh: list[Partition]) -> None:
        """Written before anything is processed: whoever dies with it in hand has left it."""
        if not fresh:
            return
        found = {where: mark for where, mark in self.group.marks(fresh).items() if mark.offset >= 0}
        deaths = {where: deaths_of(mark.text) for where, mark in found.items()}
        if found:
            self.group.mark({p: Mark(mark.offset, f"deaths={deaths[p] + 1}") for p, mark in found.items()})
        self._marked |= {p: Suspicion(found[p].offset, deaths[p]) if p in found else NONE for p in fresh}
        for topic, partition in [where for where in fresh if self._marked[where].deaths]:
            offset, times = self._marked[topic, partition]
            self.log.warning("ended here before", topic=topic, partition=partition, offset=offset, times=times)

    def _is_suspect(self, where: Partition, places: Places) -> bool:
        if self._marked.get(where, NONE).deaths < self.crashes:
            return False
        tried, rows = self._tried.get(where), np.flatnonzero(places.of(*where))
        return len(rows) > 0 and (tried is None or not tried.covers(int(places.offset[rows[0]])))

    def _try(self, suspects: list[Partition], messages: Messages, stay: Stay) -> None:
        """Nobody else may own them by the time there is a verdict: then it is not waited for."""
        keep = np.zeros(len(messages), np.bool_)
        for where in suspects:
            keep |= messages.places.of(*where)
        tried, losses = messages.take(keep, {}), self.group.losses()
        self.log.warning("trying events in a process of their own", events=len(tried), partitions=len(suspects))
        verdict = self.trial(tried, lambda seconds: stay(seconds) and self.group.losses() == losses)
        if verdict is None:
            return
        self.log.warning("events were tried", events=len(tried), held=verdict.held, guilty=len(verdict.guilty))
        if verdict.held:
            self._tried |= {where: _found(where, tried.places, verdict) for where in suspects}
        else:  # they are processed as if nothing had been; another death, and they are tried again
            self._marked |= dict.fromkeys(suspects, NONE)

    def _cut(self, messages: Messages) -> Iterator[Part]:
        """What nobody died of at once; then each partition where somebody did, so that only the guilty one stays.

        Those that were tried go first: they are not to be lost to another one that kills.
        """
        suspected = [p for p in messages.next_offsets if self._marked.get(p, NONE).deaths]
        suspected.sort(key=lambda p: (p not in self._tried, self._marked[p].deaths))
        rest = np.ones(len(messages), np.bool_)
        for where in suspected:
            rest &= ~messages.places.of(*where)
        if rest.all():
            yield Part(messages)
            return
        if rest.any():
            ends = {p: end for p, end in messages.next_offsets.items() if p not in suspected}
            yield Part(messages.take(rest, ends))
        for where in suspected:
            yield from _pieces(messages, where, self._tried.get(where))


def deaths_of(text: str) -> int:
    """The count of a mark; any other text is none."""
    found = _DEATHS.fullmatch(text)
    return int(found[1]) if found else 0


def _found(where: Partition, places: Places, verdict: Verdict) -> Tried:
    rows = np.flatnonzero(places.of(*where)).tolist()
    guilty = {int(places.offset[row]): verdict.guilty[row] for row in rows if row in verdict.guilty}
    return Tried(int(places.offset[rows[0]]), int(places.offset[rows[-1]]) + 1, guilty, verdict.part)


def _pieces(messages: Messages, where: Partition, found: Tried | None) -> Iterator[Part]:
    """The rows of a partition; after a trial those that were tried, in parts that came through, the guilty apart."""
    places = messages.places
    rows = np.flatnonzero(places.of(*where))
    offsets = places.offset[rows].tolist()
    guilty, part = (found.guilty, found.part) if found is not None else ({}, len(rows))
    start, tried = 0, sum(found is None or offset < found.end for offset in offsets)
    while start < tried:
        stop = start + 1
        while offsets[start] not in guilty and stop < min(tried, start + part) and offsets[stop] not in guilty:
            stop += 1
        end = offsets[stop] if stop < len(rows) else messages.next_offsets[where]
        yield Part(_rows(messages, rows[start:stop], {where: end}), guilty.get(offsets[start], ""))
        start = stop


def _rows(messages: Messages, rows: Int64s, next_offsets: Mapping[Partition, int]) -> Messages:
    keep = np.zeros(len(messages), np.bool_)
    keep[rows] = True
    return messages.take(keep, next_offsets)
