"""The dead-letter limit: a bad deploy must stop the line, not drain the topic into the dead letters.

Judged before the commit, so a batch over the limit leaves nothing behind. (The idea of both measures is
that of Arroyo's DlqLimit.)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from stream.batch import Int64s, Outcome, grouped
from stream.errors import SystemicError


@dataclass(slots=True)
class DeadLetterLimit:
    """ratio: the largest share of dead letters among the last `window` events (judged once a window is
    full, so one poison event in a quiet topic stops nothing). consecutive: the longest run of them.
    """

    ratio: float = 0.5
    window: int = 1000
    consecutive: int = 1000
    _recent: deque[tuple[int, int]] = field(default_factory=deque)
    """(events, dead letters) of committed batches, together at least the window where there were so many."""
    _run: int = 0

    def check(self, outcome: Outcome, retried: frozenset[int] = frozenset()) -> None:
        """Raises SystemicError when this outcome, committed, would be over the limit.

        retried: rows of failures that are no dead letters, since they are tried again.
        """
        dead, n = _dead(outcome, retried), len(outcome.messages)
        run, _ = _runs(dead, n, self._run)
        if run > self.consecutive:
            text = f"{run} dead letters in a row, over the limit of {self.consecutive}"
            raise SystemicError("dead_letter_limit", text)
        events, failed = self._recent_with(n, len(dead))
        if events >= self.window and failed > self.ratio * events:
            text = f"{failed} of the last {events} events failed, over the limit of {self.ratio:.0%}"
            raise SystemicError("dead_letter_limit", text)

    def committed(self, outcome: Outcome, retried: frozenset[int] = frozenset()) -> None:
        """The outcome was committed: it counts from now on."""
        dead, n = _dead(outcome, retried), len(outcome.messages)
        _, self._run = _runs(dead, n, self._run)
        self._recent.append((n, len(dead)))
        while sum(events for events, _ in self._recent) - self._recent[0][0] >= self.window:
            self._recent.popleft()

    def _recent_with(self, events: int, dead: int) -> tuple[int, int]:
        """Events and dead letters of the newest batches that fill the window, this one included."""
        for batch_events, batch_dead in reversed(self._recent):
            if events >= self.window:
                break
            events, dead = events + batch_events, dead + batch_dead
        return events, dead


def _dead(outcome: Outcome, retried: frozenset[int]) -> Int64s:
    """Sorted message indexes of the outcome's dead letters."""
    _, dead = grouped(outcome.failures).split(retried)
    return dead.places()[0]


def _runs(dead: Int64s, n: int, before: int) -> tuple[int, int]:
    """(longest, last) run of dead letters among n events, `before` of them having come just ahead."""
    if len(dead) == n:
        return before + n, before + n
    if not len(dead):
        return 0, 0
    ends = np.flatnonzero(np.diff(dead) > 1)  # the last of each run but the final one
    starts = np.concatenate([[0], ends + 1])
    lengths = np.diff(np.append(starts, len(dead)))
    if dead[0] == 0:
        lengths[0] += before
    return int(lengths.max()), int(lengths[-1]) if dead[-1] == n - 1 else 0
