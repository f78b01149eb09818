"""When the next call may be made: not faster than the rate, and not while the service asked to be left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """interval_s: between two calls, 0 for as fast as it goes. Times are seconds of the clock."""

    interval_s: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _next: float = float("-inf")
    _closed_until: float = float("-inf")

    def reserve(self, deadline: float) -> float | None:
        """How long to wait before the next call; None, and nothing reserved, when that is past the deadline."""
        now = self.clock()
        at = max(now, self._next, self._closed_until)
        if at >= deadline:
            return None
        self._next = at + self.interval_s
        return at - now

    def close(self, seconds: float) -> None:
        """No call is to be made before so many seconds have passed."""
        self._closed_until = max(self._closed_until, self.clock() + seconds)

    @property
    def closed(self) -> bool:
        return self._closed_until > self.clock()
