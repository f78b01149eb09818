"""How long each activity of the loop takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self


@dataclass(slots=True)
class Timed:
    """A context that tells its seconds under the name of an activity, which may be set before it ends."""

    tell: Callable[[str, float], None]
    clock: Callable[[], float]
    activity: str
    idle_s: float = 0.0
    """How much of it was waiting for something to do, told as "idle"; may be set before it ends."""
    _began: float = 0.0

    def __enter__(self) -> Self:
        self._began = self.clock()
        return self

    def __exit__(self, *_error: object) -> None:
        seconds = self.clock() - self._began
        idle_s = min(self.idle_s, seconds)
        self.tell(self.activity, seconds - idle_s)
        if idle_s:
            self.tell("idle", idle_s)
