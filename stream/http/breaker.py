"""Is the service down? Many calls in a row that failed say so: then no event is at fault, and none is set aside.

closed      calls are made; `limit` failures in a row open it
open        half-open at the next batch: a single event is tried first
            it gets an answer: closed; it fails: open, and the worker pauses longer
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Any answer proves that the service works, also one that refuses the event."""

    limit: int
    open: bool = False
    last: str = ""
    """Why the last call failed."""
    _in_a_row: int = 0
    _probes: int = 0

    def answered(self) -> None:
        self._in_a_row = 0
        self.open = False

    def failed(self, detail: str) -> None:
        self._in_a_row += 1
        self.last = detail
        self.open = self.open or self._in_a_row >= self.limit

    def trip(self, detail: str) -> None:
        """Open at once: one call was enough to know."""
        self.last = detail
        self.open = True

    def probe(self, events: int) -> int:
        """Which of so many events to try first: each time another one, as the failure may be an event's own."""
        self._probes += 1
        return (self._probes - 1) % events

    def __str__(self) -> str:
        return f"{self._in_a_row} calls in a row failed, the last: {self.last}" if self._in_a_row > 1 else self.last
