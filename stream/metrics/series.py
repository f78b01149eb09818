"""A store of numbers by metric and label values: one thread adds, scrapes read whole batches.

Counts, sums and buckets only. What the numbers mean stands in `stream.metrics`. A lock of its own
instead of one a series: everything of a batch appears in a scrape, or nothing of it, so that a sum
over outcomes equals the events received in every scrape.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Labels = tuple[str, ...]
MANY: Final = 4096
"""From so many values on it pays to look at their least and highest first."""


@dataclass(slots=True)
class Tally:
    """counts[i] values were at most bounds[i] and above the bound before it; the last count has no bound."""

    counts: npt.NDArray[np.int64]
    total: float

    def cumulative(self, bounds: Sequence[float]) -> list[tuple[str, float]]:
        """(upper bound, values up to it) as Prometheus has it, "+Inf" last."""
        names = [*(str(float(b)) for b in bounds), "+Inf"]
        return list(zip(names, np.cumsum(self.counts).astype(float).tolist(), strict=True))

    def copy(self) -> Tally:
        """As it stands now."""
        return Tally(self.counts.copy(), self.total)


def bucketed(bounds: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """How many values are in each bucket, the last without a bound.

    Many values are mostly in few buckets, as the ages of a batch's events are: comparing all of them with these bounds
    is several times faster than looking for the bucket of each.
    """
    if len(values) < MANY or np.isnan(highest := values.max()):
        return np.bincount(np.searchsorted(bounds, values, side="left"), minlength=len(bounds) + 1)
    first, last = np.searchsorted(bounds, (values.min(), highest), side="left")
    up_to = np.zeros(len(bounds) + 2, np.int64)
    up_to[last + 1 :] = len(values)
    for bucket in range(first, last):
        up_to[bucket + 1] = np.count_nonzero(values <= bounds[bucket])
    return np.diff(up_to)


class Series:
    """Numbers by (metric name, label values)."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
        self._tallies: defaultdict[str, dict[Labels, Tally]] = defaultdict(dict)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is noted inside appears in a scrape as a whole."""
        with self._lock:
            yield

    def add(self, name: str, labels: Labels, amount: float) -> None:
        with self._lock:
            numbers = self._numbers[name]
            numbers[labels] = numbers.get(labels, 0.0) + amount

    def set(self, name: str, labels: Labels, value: float) -> None:
        with self._lock:
            self._numbers[name][labels] = value

    def observe(self, name: str, labels: Labels, bounds: Sequence[float], value: float) -> None:
        """Put a value into its bucket: a bound belongs to the bucket below it (`le`)."""
        bucket = bisect_left(bounds, value)
        with self._lock:
            tally = self._tally(name, labels, len(bounds))
            tally.counts[bucket] += 1
            tally.total += value

    def observe_all(
        self, name: str, labels: Labels, bounds: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
    ) -> None:
        """The same with all values at once."""
        counts, total = bucketed(bounds, values), float(values.sum())
        with self._lock:
            tally = self._tally(name, labels, len(bounds))
            tally.counts += counts
            tally.total += total

    def clear(self, name: str) -> None:
        """Forget all series of a metric."""
        with self._lock:
            self._numbers.pop(name, None)

    def numbers(self, name: str) -> dict[Labels, float]:
        with self._lock:
            return dict(self._numbers.get(name, {}))

    def distributions(self, name: str) -> dict[Labels, Tally]:
        with self._lock:
            return {labels: tally.copy() for labels, tally in self._tallies.get(name, {}).items()}

    def known(self, name: str, labels: Labels) -> bool:
        return labels in self._numbers.get(name, ()) or labels in self._tallies.get(name, ())

    def size(self, name: str) -> int:
        """How many series the metric has."""
        return len(self._numbers.get(name, ())) + len(self._tallies.get(name, ()))

    def _tally(self, name: str, labels: Labels, bounds: int) -> Tally:
        """Of a histogram's series; made when it is new."""
        tallies = self._tallies[name]
        if (tally := tallies.get(labels)) is None:
            tally = tallies[labels] = Tally(np.zeros(bounds + 1, np.int64), 0.0)
        return tally
