"""`stream` with a clock around every call of its metrics: python -m bench.metered TOLD.json run PIPELINE ...

Writes what `Told` holds when the command ends.
"""

from __future__ import annotations

import atexit
import functools
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from stream.cli import main
from stream.metrics import Metrics

NOT_COUNTED: Final = ("collect", "exposition")
"""Of a scrape, which is timed in the end."""
TRIES: Final = 100_000
SCRAPES: Final = 20


@dataclass(slots=True)
class Told:
    """CPU seconds of the threads that called; clock_s is what the clock itself took of cpu_s; bytes: of a scrape."""

    calls: int = 0
    cpu_s: float = 0.0
    clock_s: float = 0.0
    scrape_s: float = 0.0
    scrape_bytes: int = 0


@dataclass(slots=True)
class Meter:
    """clock: CPU seconds of the calling thread."""

    told: Told = field(default_factory=Told)
    clock: Callable[[], float] = time.thread_time
    metered: Any = None
    """The object whose methods were called."""
    _local: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same method, its outermost calls timed."""

        @functools.wraps(function)
        def timed(itself: Any, *arguments: Any, **named: Any) -> Any:
            if getattr(self._local, "inside", False):
                return function(itself, *arguments, **named)
            self._local.inside, self.metered, started = True, itself, self.clock()
            try:
                return function(itself, *arguments, **named)
            finally:
                self._count(self.clock() - started)
                self._local.inside = False

        return timed

    def install(self, metrics: type) -> None:
        """Every public method of the class is timed from now on."""
        for name, member in list(vars(metrics).items()):
            if callable(member) and not name.startswith("_") and name not in NOT_COUNTED:
                setattr(metrics, name, self.around(member))

    def write(self, path: Path) -> None:
        """With what a scrape costs now, and what the clock cost in so many calls."""
        if self.metered is not None:
            started = self.clock()
            bodies = [self.metered.exposition()[0] for _ in range(SCRAPES)]
            self.told.scrape_s = (self.clock() - started) / SCRAPES
            self.told.scrape_bytes = len(bodies[-1])
        self.told.clock_s = _clock_s() * self.told.calls
        path.write_text(json.dumps(asdict(self.told)), "utf-8")

    def _count(self, seconds: float) -> None:
        with self._lock:
            self.told.calls += 1
            self.told.cpu_s += seconds


def _clock_s() -> float:
    """What one call that does nothing is told to take."""
    meter = Meter()
    timed = meter.around(lambda _itself: None)
    for _ in range(TRIES):
        timed(None)
    return meter.told.cpu_s / TRIES


if __name__ == "__main__":
    meter, told = Meter(), Path(sys.argv.pop(1))
    meter.install(Metrics)
    atexit.register(meter.write, told)
    main()
