"""Worker processes under fault: started, hit by signals, watched by log and pages, started again when they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from stream.chaos.project import INPUT
from stream.chaos.recovery import Memory
from stream.devkafka.process import Process, resident_bytes
from stream.errors import FatalError
from stream.log_file import LogFile
from stream.metrics import Metric, table

STOP_WITHIN_S: Final = 30.0
PAGE_S: Final = 1.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.3, 3.0
"""Before a worker that ended by itself is started again, growing."""
SAMPLE_EVERY_S: Final = 1.0
TAIL_LINES: Final = 12
MAX_SAMPLES: Final = 5_000


@dataclass(slots=True)
class Worker:
    """One process of a slot; a slot has many, one after the other."""

    slot: int
    log: Path
    popen: subprocess.Popen[bytes]
    started_s: float
    address: str = ""
    joined: bool = False
    """It has, or had, partitions."""
    told: Counter[str] = field(default_factory=Counter)
    """Sums over its log lines of committed batches: events, output, dead_letter."""
    recoveries: int = 0
    new_consumers: int = 0
    """How often it was fenced by its static member id and made a new consumer: nobody else has that id here."""
    refusals: list[str] = field(default_factory=list)
    """Lines of standard error that are no log lines: what a command says before it ends."""
    stopped: bool = False
    samples: list[tuple[float, int]] = field(default_factory=list)
    metrics: dict[str, int] = field(default_factory=dict)
    """stream_events_total by outcome as its page said last, before it was told to end."""
    _lines: LogFile = field(init=False)

    def __post_init__(self) -> None:
        self._lines = LogFile(self.log)

    @property
    def code(self) -> int | None:
        return self.popen.poll()

    @property
    def alive(self) -> bool:
        return self.code is None

    def look(self) -> None:
        """Read what is new in its log."""
        for line in self._lines.new_lines():
            self._note(line)

    def said(self, words: str) -> bool:
        """Whether these words are in what it said before it ended."""
        return any(words in line for line in self.refusals)

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.popen.pid, number)
            self.stopped = number is signal.SIGSTOP

    def page(self, path: str) -> str:
        """The text of one of its pages; "" when it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=PAGE_S) as answer:
                return str(answer.read().decode("utf-8"))
        except (OSError, ValueError):
            return ""

    def partitions(self) -> frozenset[int]:
        """Those of the input that it has, as its metrics said within the last second."""
        samples = self._samples(table.LAG_EVENTS)
        return frozenset(int(s.labels["partition"]) for s in samples if s.labels["topic"] == INPUT)

    def ask_counters(self) -> None:
        """Remember what its metrics say now."""
        found = {s.labels["outcome"]: int(s.value) for s in self._samples(table.EVENTS)}
        self.metrics = found or self.metrics

    def sample(self, now_s: float) -> None:
        size = resident_bytes(Process(self.popen.pid, ""))
        if size and len(self.samples) < MAX_SAMPLES:
            self.samples.append((now_s - self.started_s, size))

    def memory(self) -> Memory:
        return Memory(tuple(self.samples))

    def tail(self) -> str:
        return self._lines.tail(TAIL_LINES)

    def _samples(self, metric: Metric) -> list[Sample]:
        """Those of a metric, the moments of their creation left out; none when the page does not answer."""
        families = text_string_to_metric_families(self.page("metrics"))
        return [s for family in families for s in family.samples if s.name == metric.name]

    def _note(self, line: bytes) -> None:
        try:
            found: dict[str, Any] = json.loads(line)
            message = found["message"]
        except (ValueError, KeyError, TypeError):
            self.refusals.append(line.decode("utf-8", errors="replace"))
            return
        if message == "committed":
            outputs, dead = sum(found["outputs"].values()), sum(found["dead_letters"].values())
            self.told.update(events=found["events"], output=outputs, failed=dead)
        elif message == "started":
            self.address = str(found["health"])
        elif message == "rebalance":
            self.joined |= found["partitions"] > 0
        elif str(message).startswith("attempt failed"):
            self.recoveries += 1
        elif str(message).startswith("making a new consumer"):
            self.new_consumers += 1


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker that ended by itself."""

    slot: int
    code: int
    excused: str
    """Why it had to: "" when it had not."""
    tail: str


@dataclass(slots=True)
class Crew:
    """The workers of all slots, numbered from 1. Whoever ends unasked is started again, after a growing wait."""

    command: Callable[[int], Sequence[str]]
    environ: Callable[[int], Mapping[str, str]]
    folder: Path
    excuse: Callable[[Worker], str] = lambda _worker: ""
    """Asked about a worker that ended by itself: why it had to, or ""."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    slots: dict[int, Worker] = field(default_factory=dict)
    """The present process of each slot that shall have one."""
    past: list[Worker] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    starts: int = 0
    _again_s: dict[int, float] = field(default_factory=dict)
    _falls: Counter[int] = field(default_factory=Counter)
    _next_sample_s: float = 0.0

    def start(self, slot: int, failpoint: str = "") -> Worker:
        """A new process in a slot that has none alive."""
        if slot in self.slots:
            self.past.append(self.slots.pop(slot))
        self.starts += 1
        log = self.folder / f"worker-{slot}-{self.starts}.log"
        with log.open("wb") as errors:
            popen = subprocess.Popen(
                list(self.command(slot)),
                env={**self.environ(slot), **({"STREAM_FAILPOINT": failpoint} if failpoint else {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self._again_s.pop(slot, None)
        self.slots[slot] = Worker(slot, log, popen, self.clock())
        return self.slots[slot]

    def look(self) -> None:
        """Read logs, sample memory, start again who has ended by itself."""
        now_s = self.clock()
        due = now_s >= self._next_sample_s
        self._next_sample_s = now_s + SAMPLE_EVERY_S if due else self._next_sample_s
        for slot, worker in list(self.slots.items()):
            worker.look()
            if worker.alive:
                self._falls[slot] *= not worker.joined
                if due:
                    worker.sample(now_s)
            elif slot not in self._again_s:
                self._fell(slot, worker, now_s)
            elif now_s >= self._again_s[slot]:
                self.start(slot)

    def kill(self, slot: int, failpoint: str = "") -> None:
        """SIGKILL, and another process in its place, which dies at a failpoint if one is given."""
        worker = self.slots[slot]
        worker.send(signal.SIGKILL)
        worker.popen.wait(STOP_WITHIN_S)
        worker.look()
        self.start(slot, failpoint)

    def leave(self, slot: int) -> Worker:
        """SIGTERM; the slot stays empty. The one that leaves ends in its own time: `left` waits for it."""
        worker = self.slots.pop(slot)
        self.past.append(worker)
        worker.ask_counters()
        worker.send(signal.SIGTERM)
        return worker

    def left(self, worker: Worker) -> int:
        """Its exit code. Raises FatalError when it does not end within STOP_WITHIN_S."""
        try:
            code = worker.popen.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired as error:
            worker.send(signal.SIGKILL)
            worker.popen.wait()
            raise FatalError(
                f"a worker did not end within {STOP_WITHIN_S:.0f} s of SIGTERM:\n{worker.tail()}"
            ) from error
        worker.look()
        return code

    def at_work(self, slot: int) -> bool:
        """Whether it lives, is not stopped, and has had partitions."""
        worker = self.slots.get(slot)
        return worker is not None and worker.alive and worker.joined and not worker.stopped

    def everybody(self) -> list[Worker]:
        return [*self.past, *self.slots.values()]

    def end(self) -> None:
        """Nobody stays behind, whatever happened."""
        for worker in self.everybody():
            if worker.alive:
                os.kill(worker.popen.pid, signal.SIGKILL)
                worker.popen.wait()

    def _fell(self, slot: int, worker: Worker, now_s: float) -> None:
        worker.look()  # its last words
        self.ended.append(Ended(slot, worker.code or 0, self.excuse(worker), worker.tail()))
        self._again_s[slot] = now_s + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** self._falls[slot])
        self._falls[slot] += 1


def run_command(pipeline: Path) -> Callable[[int], Sequence[str]]:
    """`stream run` of a pipeline, as a user would."""
    return lambda _slot: [sys.executable, "-m", "stream", "run", str(pipeline)]
