"""What a plan says of one batch: cheap where nothing is wrong, complete where something is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stream.arrow import Bools
from stream.batch import Int64s

Words = npt.NDArray[np.uint64]

WORD_BITS = 64


@dataclass(slots=True)
class Misses:
    """Which of some expectations each row does not meet.

    bits: shape (words, rows); bit i % 64 of word i // 64 stands for ids[i]. None: every row meets all of them.
    """

    ids: Sequence[str]
    rows: int
    bits: Words | None = None

    def add(self, index: int, mask: Bools | None) -> None:
        """Note that the rows of mask do not meet expectation `index`."""
        if mask is None or not mask.any():
            return
        if self.bits is None:
            self.bits = np.zeros((-(-len(self.ids) // WORD_BITS), self.rows), np.uint64)
        self.bits[index // WORD_BITS, mask] |= np.uint64(1 << (index % WORD_BITS))

    def any(self) -> Bools | None:
        """Rows that miss at least one; None when there are none."""
        return None if self.bits is None else np.asarray(self.bits.any(axis=0))

    def of(self, row: int) -> tuple[str, ...]:
        """Ids that a row misses, in suite order."""
        return () if self.bits is None else self._named(self.bits[:, row])

    def groups(self, among: Bools | None = None) -> Iterator[tuple[tuple[str, ...], Int64s]]:
        """(ids, rows) for each set of expectations that some rows miss together; rows rise."""
        missing = self.any()
        if self.bits is None or missing is None:
            return
        rows = np.flatnonzero(missing if among is None else missing & among)
        if not rows.size:
            return
        sets, group = np.unique(self.bits[:, rows], axis=1, return_inverse=True)
        for index in range(sets.shape[1]):
            yield self._named(sets[:, index]), rows[group.ravel() == index]

    def _named(self, words: Words) -> tuple[str, ...]:
        flags = [int(words[i // WORD_BITS]) >> (i % WORD_BITS) & 1 for i in range(len(self.ids))]
        return tuple(id for id, flag in zip(self.ids, flags, strict=True) if flag)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Row verdicts by severity, and ids of the expectations about the whole batch that it does not meet.

    A batch-level expectation never rejects an event, whatever its severity.
    """

    critical: Misses
    warning: Misses
    info: Misses
    batch: Sequence[str] = field(default_factory=tuple)
