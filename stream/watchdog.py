"""Ends the process when its loop stands still: Kafka calls can block far beyond their timeouts.

send_offsets_to_transaction(timeout=5) was once seen to block for 73 s. Nothing inside the loop can notice,
so a thread outside it does; the group then gives the partitions to another member (R10).
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stream.errors import ExitCode


def _end_process(seconds: float) -> None:
    print(f"stream: no progress for {seconds:.0f} s: ending this process; its threads:", file=sys.stderr, flush=True)  # noqa: T201
    faulthandler.dump_traceback(sys.stderr)
    os._exit(ExitCode.FATAL)


@dataclass(slots=True)
class Watchdog:
    """beat() from the loop; `expired` is called once when no beat came for limit_s."""

    limit_s: float
    clock: Callable[[], float] = time.monotonic
    expired: Callable[[float], None] = _end_process
    _last: float = field(default=0.0)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.beat()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self) -> None:
        self._last = self.clock()

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> bool:
        """Whether the limit was passed; `expired` has been called then."""
        silent_s = self.clock() - self._last
        if silent_s > self.limit_s:
            self.expired(silent_s)
        return silent_s > self.limit_s

    def _watch(self) -> None:
        while not self._stop.wait(min(1.0, self.limit_s / 4)):
            if self.look():
                return
