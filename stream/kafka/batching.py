"""How large a batch may be and how long it may wait: adapted to what batches take, by additive growth and halving.

Nothing here knows Kafka or a clock; times are seconds and come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

BUDGET_S: Final = 1.0
"""A batch that takes longer is made smaller: its first event waits for all the others."""
POLL_SHARE: Final = 0.5
"""Of max.poll.interval that a batch may take, whatever the reason: past it the group takes this member for dead."""
STEPS: Final = 10
"""Full batches that it takes to grow from nothing to the limit, if each leaves time for it."""
USUAL: Final = 10_000
"""Events of a full batch while Kafka keeps up: past that they are no cheaper, and cost memory and latency."""
COMMIT_SHARE: Final = 0.1
"""Of a batch's time that may be spent waiting for the commit of the one before. With more, larger batches help: what a
transaction costs Kafka, and its round trips, hardly depend on how many events are in it.
"""
HELPED: Final = 0.75
"""A halved batch that takes more than this share of the time before: the time is not one of its events."""


@dataclass(slots=True)
class BatchSize:
    """How many events the next batch may have: at first, and while commits keep up, `USUAL`; `limit` at most."""

    limit: int
    max_poll_s: float
    size: int = field(init=False)
    _slow: tuple[int, float] | None = None
    """(size, seconds) of the batch that was halved last."""
    _useless: bool = False
    """Halving did not help: each batch takes its time, however many events it has."""

    def __post_init__(self) -> None:
        self.size = self._usual

    def took(self, events: int, seconds: float, waited_s: float = 0.0) -> None:
        """A batch took so long, from the poll that read it to the next one; waited_s of it for an earlier commit."""
        full = events >= self.size
        if seconds > POLL_SHARE * self.max_poll_s:
            self._halve(events, seconds)
        elif seconds > BUDGET_S:
            self._passed(events, seconds, full)
        elif full:
            self._useless, self._slow = False, None
            self._grow(seconds, self.limit if waited_s > COMMIT_SHARE * seconds else self._usual)

    @property
    def _usual(self) -> int:
        return min(self.limit, USUAL)

    def _grow(self, seconds: float, most: int) -> None:
        fits = int(self.size * BUDGET_S / max(seconds, 1e-6))
        self.size = max(self.size, min(most, self.size + max(1, self.limit // STEPS), fits))

    def _passed(self, events: int, seconds: float, full: bool) -> None:
        if full and self._slow is not None and seconds > HELPED * self._slow[1]:
            self.size, self._useless = self._slow[0], True
        elif not self._useless:
            self._halve(events, seconds)

    def _halve(self, events: int, seconds: float) -> None:
        self._slow = (self.size, seconds)
        self.size = max(1, min(self.size, events) // 2)


@dataclass(slots=True)
class BatchWait:
    """Until when a batch that is not full waits for more: wait_s after the one before it was closed.

    So what comes after a pause goes at once, a steady load makes one batch each wait_s, and no event waits longer
    than that. Under a backlog, when the batch before was full, the wait counts from now: what is queued already is
    only a part of what there is.
    """

    wait_s: float
    backlog: bool = False
    _closed_at: float = float("-inf")

    def until(self, now: float) -> float:
        return now + self.wait_s if self.backlog else self._closed_at + self.wait_s

    def closed(self, now: float, full: bool) -> None:
        self._closed_at, self.backlog = now, full
