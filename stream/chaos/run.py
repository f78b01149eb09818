"""A run from the first broker to the verdict: what is started, the faults in their time, and the reckoning."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stream.chaos.faults import Fault
from stream.chaos.injector import Injector
from stream.chaos.plan import Look, Plan
from stream.chaos.project import INPUT
from stream.chaos.reckoning import reckon
from stream.chaos.scene import PARTITIONS, Scene
from stream.chaos.verdict import Progress, Seen
from stream.errors import FatalError
from stream.kafka.snapshot import Snapshot

LOOK_EVERY_S: Final = 0.05
READY_WITHIN_S: Final = 120.0
FAULT_WITHIN_S: Final = 60.0
"""So long a fault waits for what it is to hit; after that it is left out, and counted as missed."""
HEALS_WITHIN_S: Final = 90.0
STALLED_AFTER_S: Final = 90.0
"""No event ended for this long, with nothing broken any more: the run ends with what it has."""


@dataclass(slots=True)
class Run:
    """Runs it. say is told what happens, show is given a Look several times a second."""

    plan: Plan
    folder: Path
    say: Callable[[str], None]
    show: Callable[[Look], None]
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    _stack: ExitStack = field(default_factory=ExitStack)
    _started_s: float = 0.0
    _act: str = ""
    _missed: int = 0
    _behind_s: float = 0.0
    """How far the faults are behind their times: none is hurried."""

    def run(self) -> Seen:
        """Raises ProcessError when a part of it does not start or cannot go on; whatever was started is ended."""
        with self._stack:
            self._begin("Kafka")
            scene = Scene(self.plan, self.folder, self.environ, self.say, self._stack, self.clock, self.wall_clock)
            injector = scene.set_up()
            self._start(injector)
            self._begin("faults")
            self._started_s = self.clock()
            for fault in self.plan.schedule:
                self._do(injector, fault)
            self._pass(injector, lambda: self._elapsed() < self.plan.seconds)
            progress = self._progress(injector, self._elapsed())
            self._calm(injector)
            self._begin("reckoning")
            return reckon(self.plan, injector, progress, self._missed, self._elapsed())

    def _start(self, injector: Injector) -> None:
        self._begin("workers")
        crew, follower, load = injector.crew, injector.follower, injector.load
        for slot in range(1, self.plan.workers + 1):
            crew.start(slot)
        self._until(injector, lambda: all(map(crew.at_work, crew.slots)), READY_WITHIN_S, "the workers to start")
        follower.start()
        self._stack.callback(follower.stop)
        load.start()
        self._stack.callback(load.stop)
        with follower.lock:
            follower.pulse.begin(PARTITIONS, self.wall_clock())

    # While it runs

    def _do(self, injector: Injector, fault: Fault) -> None:
        """One fault, in its time; what it is to hit is waited for."""
        due_s = fault.at_s + self._behind_s
        self._pass(injector, lambda: self._elapsed() < min(due_s, self.plan.seconds))
        late_s = min(due_s + FAULT_WITHIN_S, self.plan.seconds)
        self._pass(injector, lambda: not injector.ready(fault) and self._elapsed() < late_s)
        if injector.ready(fault) and self._elapsed() < self.plan.seconds:
            self._behind_s = max(0.0, self._elapsed() - fault.at_s)
            injector.begin(fault)
        else:
            self._missed += 1

    def _calm(self, injector: Injector) -> None:
        """Everything that is broken is mended; the load goes on until each partition flows, and is then drained."""
        self._begin("mending")
        self._until(injector, injector.settled, FAULT_WITHIN_S, "the last faults to end")
        injector.brokers.wait()
        pulse = injector.follower.pulse
        late_s = self.clock() + HEALS_WITHIN_S
        self._pass(injector, lambda: not pulse.healed() and self.clock() < late_s)
        if self.plan.events:
            self._pass(injector, lambda: not injector.load.done())
        injector.load.stop()
        with injector.follower.lock:
            pulse.end(self.wall_clock())
        self._begin("draining")
        there = Snapshot(injector.follower.connection, INPUT).spans(PARTITIONS).values()
        total = sum(span.end - span.first for span in there)  # no transactions in this topic: each offset is an event
        moved, seen = self.clock(), -1
        while seen < total and self.clock() - moved < STALLED_AFTER_S:
            self._turn(injector)
            if injector.follower.total() > seen:
                moved, seen = self.clock(), injector.follower.total()

    def _pass(self, injector: Injector, go_on: Callable[[], bool]) -> None:
        while go_on():
            self._turn(injector)

    def _until(self, injector: Injector, condition: Callable[[], bool], within_s: float, what: str) -> None:
        """Raises FatalError when it takes too long."""
        late_s = self.clock() + within_s
        while not condition():
            if self.clock() > late_s:
                tails = "\n".join(worker.tail() for worker in injector.crew.slots.values())
                raise FatalError(f"waited {within_s:.0f} s for {what}; the workers' last lines:\n{tails}")
            self._turn(injector)

    def _turn(self, injector: Injector) -> None:
        injector.crew.look()
        injector.look()
        for error in (*injector.load.errors, *injector.follower.errors):
            raise error
        self.show(self._look(injector))
        self.sleep(LOOK_EVERY_S)

    def _look(self, injector: Injector) -> Look:
        pulse = injector.follower.pulse
        return Look(
            act=self._act,
            elapsed_s=self._elapsed() if self._started_s else 0.0,
            plan=self.plan,
            sent=injector.load.sent,
            ended=dict(injector.follower.seen),
            done=dict(injector.done),
            hurt=sum(wound.recovered_s is None for wound in pulse.wounds),
            alive=sum(worker.alive and not worker.stopped for worker in injector.crew.slots.values()),
            brokers=len(injector.brokers.cluster.alive()),
        )

    def _progress(self, injector: Injector, elapsed_s: float) -> Progress:
        return Progress(elapsed_s, injector.load.sent, injector.follower.total())

    def _elapsed(self) -> float:
        return self.clock() - self._started_s

    def _begin(self, act: str) -> None:
        self._act = act
