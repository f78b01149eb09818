"""Does the faults of a schedule, ends those that last, and knows what each of them excuses."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from stream.avro.framing import id_prefix
from stream.chaos.brokers import Brokers
from stream.chaos.faults import ON_BROKERS, ON_WORKERS, Fault, Kind
from stream.chaos.following import Follower
from stream.chaos.load import Load
from stream.chaos.network import Network
from stream.chaos.project import SUBJECT, Project
from stream.chaos.workers import Crew, Worker
from stream.devkafka.registry_server import RegistryServer
from stream.errors import ExitCode

AFTERMATH_S: Final = 15.0
"""So long after a fault of the registry, a broker or the network a worker that could not start is excused."""
LEAVES_WITHIN_S: Final = 30.0
REFUSED: Final = "SHA-256 differs"
"""What the line of a worker says that refuses a model file."""


@dataclass(slots=True)
class Injector:
    """partitions: of the input. say is told of each fault as it is done."""

    crew: Crew
    brokers: Brokers
    registry: RegistryServer
    project: Project
    load: Load
    follower: Follower
    network: Network | None
    """None when no fault of the network was chosen."""
    partitions: int
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    done: Counter[Kind] = field(default_factory=Counter)
    failpoints: Counter[str] = field(default_factory=Counter)
    """How often a worker died at each step."""
    at_work: int = 0
    """Kills that hit a worker with partitions."""
    wrong: list[str] = field(default_factory=list)
    """What a worker did that it must not."""
    refusals: int = 0
    """Workers that refused the wrong model file."""
    _ends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _leaving: list[tuple[Worker, float]] = field(default_factory=list)
    _armed: dict[int, tuple[Fault, Worker]] = field(default_factory=dict)
    _model_wrong_until_s: float = float("-inf")
    _registry_s: float = float("-inf")
    _brokers_s: float = float("-inf")
    _revision: int = 0
    _extra: int = 0

    def ready(self, fault: Fault) -> bool:
        """Whether what it hits is there to be hit."""
        if fault.kind in ON_BROKERS:
            return self.brokers.idle()
        return fault.kind not in ON_WORKERS or self._slot(fault.target) is not None

    def begin(self, fault: Fault) -> None:
        """Do it, and note whose partitions it hits; how it ends is arranged.

        A fault of a worker that is not at work, or that has only partitions of retry tiers, hits the next one that
        has some of the input.
        """
        affected: frozenset[int] = frozenset()
        if fault.kind in ON_WORKERS:
            target, affected = self._victim(fault.target)
            fault = replace(fault, target=target)
        affected = affected or frozenset(range(self.partitions))
        if fault.kind not in (Kind.JOIN, Kind.FAILPOINT):
            self._hurt(fault, affected)
        self.say(str(fault))
        _ACTS[fault.kind](self, fault)
        self.done[fault.kind] += fault.kind is not Kind.FAILPOINT

    def look(self) -> None:
        """End what is over, and see what came of it."""
        now_s = self.clock()
        if not self.brokers.idle():
            self._brokers_s = max(self._brokers_s, now_s)
        if self.registry.failing:
            self._registry_s = now_s
        for end in [end for end in self._ends if end[0] <= now_s]:
            self._ends.remove(end)
            end[1]()
        for worker, told_s in list(self._leaving):
            self._look_at_leaving(worker, now_s - told_s)
        for slot, (fault, worker) in list(self._armed.items()):
            if not worker.alive:
                self._died_at_failpoint(slot, fault, worker)

    def settled(self) -> bool:
        """Whether everything that was begun is over."""
        return not (self._ends or self._leaving or self._armed) and self.brokers.idle()

    def excuse(self, worker: Worker) -> str:
        """Why a worker that ended by itself had to; "" when it had not."""
        now_s = self.clock()
        away = now_s - max(self._registry_s, self._brokers_s) < AFTERMATH_S
        if worker.slot in self._armed and worker.code == -signal.SIGKILL:
            return "failpoint"
        if worker.code == ExitCode.CONFIGURATION and now_s < self._model_wrong_until_s and worker.said(REFUSED):
            self.refusals += 1
            return "it refused a model file with another hash"
        if worker.code == ExitCode.UNREACHABLE and away:
            return "the registry or a broker was away when it started"
        return ""

    def _slot(self, wanted: int) -> int | None:
        """The wanted one or else the next that is at work."""
        return next(iter(self._at_work(wanted)), None)

    def _at_work(self, wanted: int) -> list[int]:
        slots = sorted(self.crew.slots, key=lambda slot: (slot < wanted, slot))
        return [slot for slot in slots if slot not in self._armed and self.crew.at_work(slot)]

    def _victim(self, wanted: int) -> tuple[int, frozenset[int]]:
        """Of those at work the next that has partitions of the input, and these; none, if nobody says so."""
        slots = self._at_work(wanted)
        for slot in slots:
            if partitions := self.crew.slots[slot].partitions():
                return slot, partitions
        return (slots[0] if slots else wanted), frozenset()

    def _hurt(self, fault: Fault, affected: frozenset[int]) -> None:
        with self.follower.lock:
            self.follower.pulse.hurt(fault, self.wall_clock(), affected)

    def _later(self, seconds: float, end: Callable[[], None]) -> None:
        self._ends.append((self.clock() + seconds, end))

    def _kill(self, fault: Fault) -> None:
        self.at_work += 1
        self.crew.kill(fault.target)

    def _stop(self, fault: Fault) -> None:
        worker = self.crew.slots[fault.target]
        worker.send(signal.SIGSTOP)
        self._later(fault.lasts_s, lambda: worker.send(signal.SIGCONT))

    def _leave(self, fault: Fault) -> None:
        self._leaving.append((self.crew.leave(fault.target), self.clock()))
        self._later(fault.lasts_s, lambda: self._start(fault.target))

    def _start(self, slot: int) -> None:
        self.crew.start(slot)

    def _join(self, fault: Fault) -> None:
        self._extra += 1
        slot = 100 + self._extra
        self.crew.start(slot)
        self._later(fault.lasts_s, lambda: self._leave_when_up(slot))

    def _leave_when_up(self, slot: int) -> None:
        """One that cannot hear SIGTERM yet would die of it."""
        worker = self.crew.slots[slot]
        if worker.alive and not worker.address:
            self._later(0.2, lambda: self._leave_when_up(slot))
        else:
            self._leaving.append((self.crew.leave(slot), self.clock()))

    def _broker(self, fault: Fault) -> None:
        self.brokers.hit(fault)

    def _registry(self, fault: Fault) -> None:
        """A revision of the schema that no worker has seen is used from this moment on."""
        self._revision += 1
        entry = self.registry.registry.register(SUBJECT, {"schema": self.project.schema_text(self._revision)})
        self.registry.failing = 503
        self.load.prefix = id_prefix(entry.id)
        self._later(fault.lasts_s, self._registry_back)

    def _registry_back(self) -> None:
        self.registry.failing = None

    def _network(self, fault: Fault) -> None:
        assert self.network is not None
        self._brokers_s = self.clock() + fault.lasts_s
        self._later(fault.lasts_s, self.network.hit(fault))

    def _model(self, fault: Fault) -> None:
        self.project.swap_model()
        self._model_wrong_until_s = float("inf")
        before = self.refusals
        self.crew.kill(fault.target)
        self._later(fault.lasts_s, lambda: self._model_back(fault.target, before))

    def _model_back(self, slot: int, refusals_before: int) -> None:
        """Not before somebody has seen the wrong file, however slowly it starts."""
        worker = self.crew.slots[slot]
        if worker.address:
            self.wrong.append("a worker took a model file with another hash")
        elif self.refusals == refusals_before and worker.alive:
            self._later(0.2, lambda: self._model_back(slot, refusals_before))
            return
        self.project.restore_model()
        self._model_wrong_until_s = self.clock() + AFTERMATH_S

    def _failpoint(self, fault: Fault) -> None:
        """The slot's next process has the failpoint set; it dies there by itself, when it gets there."""
        self.crew.kill(fault.target, failpoint=fault.detail)
        self._armed[fault.target] = (fault, self.crew.slots[fault.target])

    def _died_at_failpoint(self, slot: int, fault: Fault, worker: Worker) -> None:
        del self._armed[slot]
        if worker.code == -signal.SIGKILL:
            self.failpoints[fault.detail.partition(":")[0]] += 1
            self.done[Kind.FAILPOINT] += 1
            self._hurt(fault, frozenset(range(self.partitions)))
        if self.crew.slots.get(slot) is worker:
            self.crew.start(slot)

    def _look_at_leaving(self, worker: Worker, waited_s: float) -> None:
        if worker.alive and waited_s < LEAVES_WITHIN_S:
            return
        self._leaving = [entry for entry in self._leaving if entry[0] is not worker]
        code = self.crew.left(worker)
        if code != ExitCode.DONE:
            self.wrong.append(f"a worker that was told to end by SIGTERM ended with {code}")


_ACTS: Final[dict[Kind, Callable[[Injector, Fault], None]]] = {
    Kind.KILL: Injector._kill,
    Kind.STOP: Injector._stop,
    Kind.LEAVE: Injector._leave,
    Kind.JOIN: Injector._join,
    Kind.BROKER_KILL: Injector._broker,
    Kind.BROKER_STOP: Injector._broker,
    Kind.DISK: Injector._broker,
    Kind.REGISTRY: Injector._registry,
    Kind.MODEL: Injector._model,
    Kind.FAILPOINT: Injector._failpoint,
    Kind.CUT: Injector._network,
    Kind.DELAY: Injector._network,
    Kind.HOLD: Injector._network,
}
