"""Failures: events that left the line, as data. Those that failed alike are one group, however many they are.

So that a bad hour, with a dead letter for every third event, costs no Python object an event on the way to
Kafka, to the metrics and to the log.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from stream.messages import Int64s

K = TypeVar("K")


class FailureClass(enum.StrEnum):
    """What is done with an event that was set aside."""

    POISON = "poison"
    TRANSIENT = "transient"
    UNTRIED = "untried"
    """Its turn did not come within the batch's time: it is read again, and nothing is written of it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One event that left the line: data, not an exception.

    row is the message's index in Messages. stage and reason are metric labels from closed sets.
    detail is for a person and never holds a piece of the event. facts become headers
    `stream.<name>` of the dead letter: "schema", "suite", "expectations", "model".
    """

    row: int
    stage: str
    kind: FailureClass
    reason: str
    detail: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FailureGroup:
    """Events that failed alike: the fields of Failure, with many rows, shape (n,), rising."""

    rows: Int64s
    stage: str
    kind: FailureClass
    reason: str
    detail: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def of(self, row: int) -> Failure:
        return Failure(row, self.stage, self.kind, self.reason, self.detail, self.facts)


@dataclass(frozen=True, slots=True, eq=False)
class Failures:
    """A sequence of Failure by message row, held as groups; no row is in two of them."""

    groups: Sequence[FailureGroup] = ()

    def __len__(self) -> int:
        return sum(len(group.rows) for group in self.groups)

    def __iter__(self) -> Iterator[Failure]:
        rows, groups = self.places()
        for row, group in zip(rows.tolist(), groups.tolist(), strict=True):
            yield self.groups[group].of(row)

    def __getitem__(self, index: int) -> Failure:
        rows, groups = self.places()
        return self.groups[int(groups[index])].of(int(rows[index]))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Failures | Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # as a list

    def places(self) -> tuple[Int64s, Int64s]:
        """Message rows, rising, and the index of the group of each; shape (n,) both."""
        rows = np.concatenate([np.zeros(0, np.int64), *(group.rows for group in self.groups)])
        groups = np.repeat(np.arange(len(self.groups)), [len(group.rows) for group in self.groups])
        order = np.argsort(rows, kind="stable")
        return rows[order], groups[order]

    def count(self, key: Callable[[FailureGroup], K]) -> Counter[K]:
        """How many events there are of each key(group)."""
        counts: Counter[K] = Counter()
        for group in self.groups:
            counts[key(group)] += len(group.rows)
        return counts

    def split(self, rows: Collection[int]) -> tuple[Failures, Failures]:
        """(those of these message rows, the others)."""
        if not rows:
            return Failures(), self
        wanted = np.fromiter(rows, np.int64, len(rows))
        masks = [np.isin(group.rows, wanted) for group in self.groups]
        return self._where(masks), self._where([~mask for mask in masks])

    def _where(self, masks: Sequence[npt.NDArray[np.bool_]]) -> Failures:
        parts = zip(self.groups, masks, strict=True)
        return Failures([replace(group, rows=group.rows[mask]) for group, mask in parts if mask.any()])


FailureList = Sequence[Failure] | Failures


def grouped(failures: FailureList) -> Failures:
    """The same as groups; what is grouped already comes back as it is."""
    if isinstance(failures, Failures):
        return failures
    found: dict[tuple[object, ...], list[Failure]] = {}
    for f in failures:
        found.setdefault((f.stage, f.kind, f.reason, f.detail, *sorted(f.facts.items())), []).append(f)
    return Failures([_group(alike) for alike in found.values()])


def failures_of(rows: Iterable[int], stage: str, reason: str, detail: str = "", **facts: str) -> list[Failure]:
    """The same poison verdict for several messages."""
    return [Failure(int(row), stage, FailureClass.POISON, reason, detail, facts) for row in rows]


def _group(alike: Sequence[Failure]) -> FailureGroup:
    first = alike[0]
    rows = np.sort(np.fromiter((f.row for f in alike), np.int64, len(alike)))
    return FailureGroup(rows, first.stage, first.kind, first.reason, first.detail, first.facts)
