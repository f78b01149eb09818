"""Python's cycle collector, kept out of the hot loop.

Ten thousand message objects a batch would start it dozens of times, each time to find nothing: they hold no
cycles. It costs half of the time of a poll. So it is off while the loop runs, what is there at the start is
set aside for good, and between batches it runs now and then, since errors do leave cycles behind.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

COLLECT_EVERY_S: Final = 10.0


@dataclass(slots=True)
class QuietCollector:
    """A context; between_batches() collects when it is due."""

    clock: Callable[[], float] = time.monotonic
    _next: float = 0.0
    _was_enabled: bool = True

    def __enter__(self) -> Self:
        self._was_enabled = gc.isenabled()
        gc.freeze()  # not collected before: there is next to no garbage yet, and looking for it takes 0.1 s
        gc.disable()
        self._next = self.clock() + COLLECT_EVERY_S
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def between_batches(self) -> None:
        if self.clock() >= self._next:
            gc.collect()
            self._next = self.clock() + COLLECT_EVERY_S
