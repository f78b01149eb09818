"""Dead letters counted as `stream dlq list` and a dry run show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stream.batch import Origin, Record
from stream.dlq.columns import Letters
from stream.dlq.restoring import Stays

AGES: Final = ((3600, "last hour"), (24 * 3600, "last day"), (7 * 24 * 3600, "last week"), (float("inf"), "older"))
"""Bounds in seconds, and what is within them."""
MAX_GROUPS: Final = 1000
"""Further kinds of failures are counted together: headers of other programs can hold anything."""
SAMPLE: Final = 10
OTHER: Final = "(other)"


class Kind(NamedTuple):
    """What dead letters are grouped by."""

    stage: str
    reason: str
    expectations: str
    model: str


@dataclass(slots=True)
class Group:
    """Times of failure in ms since the epoch."""

    number: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0

    def add(self, failed_ms: int) -> None:
        self.oldest_ms = min(self.oldest_ms, failed_ms) if self.number else failed_ms
        self.newest_ms = max(self.newest_ms, failed_ms)
        self.number += 1


@dataclass(slots=True)
class Counts:
    """All dead letters that were added, by kind and by age."""

    now_ms: int
    total: int = 0
    parked: int = 0
    groups: dict[Kind, Group] = field(default_factory=dict)
    ages: Counter[str] = field(default_factory=Counter)

    def add(self, letters: Letters, rows: Iterable[int], max_replays: int) -> None:
        for row in rows:
            facts, failed_ms = letters.facts[row], letters.failed_ms(row)
            kind = Kind(facts.stage or "", facts.reason or "", facts.expectations or "", facts.model or "")
            if kind not in self.groups and len(self.groups) >= MAX_GROUPS:
                kind = Kind("", OTHER, "", "")
            self.groups.setdefault(kind, Group()).add(failed_ms)
            self.ages[age(failed_ms, self.now_ms)] += 1
            self.parked += facts.replays >= max_replays
            self.total += 1

    def by_number(self) -> list[tuple[Kind, Group]]:
        return sorted(self.groups.items(), key=lambda item: (-item[1].number, item[0]))


def age(failed_ms: int, now_ms: int) -> str:
    seconds = (now_ms - failed_ms) / 1000
    return next(name for bound, name in AGES if seconds < bound)


@dataclass(slots=True)
class Tally:
    """What a replay or discard does, or would do: by reason, and why some stay."""

    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(reason, topic it goes to; "" for none)"""
    stays: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(reason, why it stays)"""
    sample: list[tuple[Origin | None, Origin]] = field(default_factory=list)
    """Of the first ones that are moved: where they were read, and where the dead letter is."""

    @property
    def total(self) -> int:
        return self.moved.total()

    def add(self, letters: Letters, row: int, what: Record | Stays | None) -> None:
        """what: the record to be sent, why it stays, or None for one that is discarded."""
        facts = letters.facts[row]
        reason = facts.reason or ""
        if isinstance(what, Stays):
            self.stays[reason, what.value] += 1
            return
        self.moved[reason, "" if what is None else what.topic] += 1
        if len(self.sample) < SAMPLE:
            self.sample.append((facts.origin, letters.messages.origin(row)))
