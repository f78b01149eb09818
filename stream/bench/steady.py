"""Workers under a steady load: how late results are, and how long they stop when a worker is killed."""

from __future__ import annotations

import contextlib
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stream.bench.load import SteadyLoad
from stream.bench.pages import batch_times, merged, scrape
from stream.bench.processes import Process
from stream.bench.receipts import Receipts, flows_again_s, latencies_s, newest_ms
from stream.bench.statistics import Floats, Histogram
from stream.errors import FatalError

LOOK_EVERY_S: Final = 0.05
READY_WITHIN_S: Final = 60.0
WARM_UP_S: Final = 3.0
"""Sent, but not counted."""
KEEPS_UP_WITHIN_S: Final = 30.0
"""How long after the last counted event its result may come; later, the load is more than the pipeline takes."""
BETWEEN_KILLS_S: Final = 3.0
RECOVERS_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Steady:
    """What was seen at a steady rate. cores: processors' worth of CPU time; None where the system does not tell."""

    rate: float
    seconds: float
    latencies_s: Floats
    kept_up: bool
    cores: float | None
    batch_times: dict[str, Histogram]
    recoveries_s: list[float]


@dataclass(slots=True)
class SteadyRun:
    """Runs it. start(slot) starts a worker; show(what, done, total) is told several times a second."""

    start: Callable[[int], Process]
    workers: int
    load: SteadyLoad
    receipts: Receipts
    show: Callable[[str, float, float], None]
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    processes: list[Process] = field(default_factory=list)
    """Those of the slots, now."""

    def run(self, seconds: float, kills: int) -> Steady:
        """Raises ProcessError when a part of it fails; whatever was started is ended."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._end_workers)
            self.processes = [self.start(slot) for slot in range(self.workers)]
            for number, process in enumerate(self.processes):
                self._until(lambda p=process: _ready(p), READY_WITHIN_S, "workers start", number, self.workers)  # type: ignore[misc]
            self.receipts.start()
            stack.callback(self.receipts.stop)
            self.load.start()
            stack.callback(self.load.stop)
            return self._measure(seconds, kills)

    def _measure(self, seconds: float, kills: int) -> Steady:
        self._pass(WARM_UP_S, "warming up")
        start_s, cpu_s = self.wall_clock(), self._cpu_s()
        self._pass(seconds, "latency")
        end_s, spent_s = self.wall_clock(), self._cpu_s()
        kept_up = self._wait(lambda: self._seen_until(end_s), KEEPS_UP_WITHIN_S, "last results")
        times = merged([batch_times(scrape(str(_address(process)))) for process in self.processes])
        return Steady(
            rate=self.load.rate,
            seconds=seconds,
            latencies_s=latencies_s(self.receipts.seen, start_s, end_s),
            kept_up=kept_up,
            cores=None if cpu_s is None or spent_s is None else (spent_s - cpu_s) / (end_s - start_s),
            batch_times=times,
            recoveries_s=[self._kill(number, kills) for number in range(kills if kept_up else 0)],
        )

    def _kill(self, number: int, kills: int) -> float:
        """Seconds from SIGKILL until results of new events come from every partition that had some before."""
        self._pass(BETWEEN_KILLS_S, f"kill {number + 1} of {kills}")
        before = newest_ms(self.receipts.seen).keys()
        slot = number % self.workers
        seen, moment = len(self.receipts.seen), self.wall_clock()
        self.processes[slot].kill()
        self.processes[slot] = self.start(slot)
        flowing: dict[int, float] = {}

        def all_flow() -> bool:
            flowing.update(flows_again_s(self.receipts.seen[seen:], moment))
            return flowing.keys() >= before

        self._until(all_flow, RECOVERS_WITHIN_S, "recovery", number, kills)
        return max(flowing.values())

    def _seen_until(self, moment_s: float) -> bool:
        newest = newest_ms(self.receipts.seen[-1000:])
        return bool(newest) and min(newest.values()) >= moment_s * 1000

    def _cpu_s(self) -> float | None:
        spent = [process.cpu_s() for process in self.processes]
        return None if None in spent else sum(s for s in spent if s is not None)

    def _pass(self, seconds: float, what: str) -> None:
        started = self.clock()
        while (passed := self.clock() - started) < seconds:
            self._check()
            self.show(what, passed, seconds)
            self.sleep(LOOK_EVERY_S)

    def _until(self, condition: Callable[[], bool], within_s: float, what: str, done: int, total: int) -> None:
        """Raises FatalError when it takes too long."""
        self.show(what, done, total)
        if not self._wait(condition, within_s, what):
            tails = "\n".join(process.tail() for process in self.processes)
            raise FatalError(f"{what}: not within {within_s:.0f} s; the workers' last lines:\n{tails}")

    def _wait(self, condition: Callable[[], bool], within_s: float, what: str) -> bool:
        deadline = self.clock() + within_s
        while not condition():
            if self.clock() >= deadline:
                return False
            self._check()
            self.sleep(LOOK_EVERY_S)
        return True

    def _check(self) -> None:
        for error in (*self.load.errors, *self.receipts.errors):
            raise error
        for process in self.processes:
            process.check()

    def _end_workers(self) -> None:
        for process in self.processes:
            process.stop()


def _address(process: Process) -> str | None:
    """ "http://host:port/" of its pages, once it has them."""
    line = process.logged("started")
    return str(line["health"]) if line else None


def _ready(process: Process) -> bool:
    address = _address(process)
    if address is None:
        return False
    try:
        with urllib.request.urlopen(f"{address}readyz", timeout=1.0):
            return True
    except OSError:
        return False
