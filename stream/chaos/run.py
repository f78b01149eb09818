"""A run from the first broker to the verdict: what is started, the faults in their time, and the reckoning."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stream.avro.framing import id_prefix
from stream.chaos import check
from stream.chaos.brokers import Brokers
from stream.chaos.events import Place
from stream.chaos.faults import Chosen, Fault, Kind
from stream.chaos.following import Follower, read_topic, still_there
from stream.chaos.injector import Injector
from stream.chaos.load import Load
from stream.chaos.project import INPUT, SUBJECT, Project
from stream.chaos.records import joined
from stream.chaos.recovery import Pulse
from stream.chaos.verdict import Counters, Progress, Seen
from stream.chaos.workers import Crew, run_command
from stream.config import load as load_config
from stream.devkafka import Cluster
from stream.devkafka.registry_server import RegistryServer
from stream.errors import FatalError, UnreachableError
from stream.kafka.committed import committed_offsets
from stream.kafka.connection import Connection
from stream.kafka.topics import Role, TopicAdmin, needed, plan

LOOK_EVERY_S: Final = 0.05
READY_WITHIN_S: Final = 120.0
TOPICS_WITHIN_S: Final = 30.0
FAULT_WITHIN_S: Final = 60.0
"""So long a fault waits for what it is to hit; after that it is left out, and counted as missed."""
HEALS_WITHIN_S: Final = 90.0
STALLED_AFTER_S: Final = 90.0
"""No event ended for this long, with nothing broken any more: the run ends with what it has."""
PARTITIONS: Final = 6
SESSION_MS: Final = "6000"
HIGH, LOW, DEAD, WAITING = "chaos.high", "chaos.low", "chaos.dlq", "chaos.retry.1h"
ENDS: Final[Mapping[str, Place]] = {HIGH: Place.HIGH, LOW: Place.LOW, DEAD: Place.DEAD, WAITING: Place.WAITING}
GROUP: Final = "chaos"
PASSING: Final = ("chaos.retry.1s", "chaos.retry.2s")
"""Tiers that events leave again before a run ends."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of. seconds: over which the faults are spread; events: how many at most, 0 for as many as
    come in that time."""

    seed: int
    seconds: float
    chosen: Chosen
    schedule: Sequence[Fault]
    workers: int
    brokers: int
    rate: float
    protocol: str = "classic"
    events: int = 0
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What can be told at one moment."""

    act: str
    elapsed_s: float
    plan: Plan
    sent: int
    ended: Mapping[Place, int]
    done: Mapping[Kind, int]
    hurt: int
    """Faults whose partitions do not all flow again yet."""
    alive: int
    brokers: int


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
    _missed: list[Fault] = field(default_factory=list)
    _alive: int = 0

    def run(self) -> Seen:
        """Raises ProcessError when a part of it does not start or cannot go on; whatever was started is ended."""
        with self._stack:
            injector = self._set_up()
            self._begin("faults")
            self._started_s = self.clock()
            for fault in self.plan.schedule:
                self._do(injector, fault)
            self._pass(injector, lambda: self._elapsed() < self.plan.seconds)
            progress = self._progress(injector, self._elapsed())
            self._calm(injector)
            return self._reckon(injector, progress)

    # Setting up

    def _set_up(self) -> Injector:
        cluster, brokers = self._kafka()
        registry = self._stack.enter_context(RegistryServer())
        project = Project.copied(self.folder / "project", self.plan.protocol)
        schema = registry.registry.register(SUBJECT, {"schema": project.schema_text(0)})
        environ = self._variables(cluster, registry)
        connection = Connection({"bootstrap.servers": cluster.bootstrap})
        self._topics(project, environ, connection)
        follower = Follower(connection, ENDS, Pulse(), self.wall_clock)
        crew = self._crew(project, environ)
        load = Load(connection, INPUT, self.plan.rate, id_prefix(schema.id), self.plan.events)
        injector = Injector(crew, brokers, registry, project, load, follower, PARTITIONS, self.say, self.clock)
        crew.excuse = injector.excuse
        self._begin("workers")
        for slot in range(1, self.plan.workers + 1):
            crew.start(slot)
        follower.start()
        self._stack.callback(follower.stop)
        self._until(injector, lambda: all(map(crew.at_work, crew.slots)), READY_WITHIN_S, "the workers to start")
        load.start()
        self._stack.callback(load.stop)
        with follower.lock:
            follower.pulse.begin(PARTITIONS, self.wall_clock())
        return injector

    def _kafka(self) -> tuple[Cluster, Brokers]:
        self._begin("Kafka")
        folder = self.folder / "kafka"
        if folder.exists():
            Cluster(folder).stop()  # one that an earlier run kept, or left
        shutil.rmtree(folder, ignore_errors=True)
        cluster = Cluster(folder, self.plan.brokers, report=self.say)
        brokers = Brokers(cluster)
        self._stack.callback(self._clear, cluster, brokers)
        if Kind.DISK in self.plan.chosen.kinds:
            brokers.mount_disks()
        cluster.start()
        self._stack.callback(brokers.close)
        self.say(f"Apache Kafka runs at {cluster.bootstrap}: {self.plan.brokers} brokers")
        return cluster, brokers

    def _clear(self, cluster: Cluster, brokers: Brokers) -> None:
        if self.plan.keep:
            return
        cluster.stop()
        brokers.unmount_disks()
        shutil.rmtree(cluster.folder, ignore_errors=True)

    def _variables(self, cluster: Cluster, registry: RegistryServer) -> dict[str, str]:
        plain = {name: text for name, text in self.environ.items() if not name.startswith("STREAM_")}
        return {
            **plain,
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
            "STREAM_SCHEMA_REGISTRY_URL": registry.url,
            "STREAM_LOG_FORMAT": "json",
            "STREAM_HTTP_ADDRESS": "127.0.0.1:0",
            **({"STREAM_KAFKA_SESSION_TIMEOUT_MS": SESSION_MS} if self.plan.protocol == "classic" else {}),
        }

    def _topics(self, project: Project, environ: Mapping[str, str], connection: Connection) -> None:
        needs = needed(load_config(project.pipeline, environ).file)
        admin = TopicAdmin(connection)
        admin.create(plan(needs, admin.existing(needs), PARTITIONS))
        deadline = self.clock() + TOPICS_WITHIN_S
        while len(admin.existing([n for n, role in needs.items() if role is not Role.RESOLVED])) < len(needs) - 1:
            if self.clock() > deadline:
                raise UnreachableError(f"{TOPICS_WITHIN_S:.0f} s after they were created topics are not there")
            self.sleep(LOOK_EVERY_S)

    def _crew(self, project: Project, environ: Mapping[str, str]) -> Crew:
        logs = self.folder / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        crew = Crew(run_command(project.pipeline), lambda slot: {**environ, "STREAM_INSTANCE": f"chaos-{slot}"}, logs)
        self._stack.callback(crew.end)
        return crew

    # While it runs

    def _do(self, injector: Injector, fault: Fault) -> None:
        """One fault, in its time; what it is to hit is waited for."""
        self._pass(injector, lambda: self._elapsed() < fault.at_s)
        late_s = self.clock() + FAULT_WITHIN_S
        self._pass(injector, lambda: not injector.ready(fault) and self.clock() < late_s)
        if injector.ready(fault) and self._elapsed() < self.plan.seconds + FAULT_WITHIN_S:
            injector.begin(fault)
        else:
            self._missed.append(fault)

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
        moved, seen = self.clock(), -1
        while seen < injector.load.sent and self.clock() - moved < STALLED_AFTER_S:
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

    # The reckoning

    def _reckon(self, injector: Injector, progress: Progress) -> Seen:
        self._begin("reckoning")
        crew, follower = injector.crew, injector.follower
        last = [crew.leave(slot) for slot in list(crew.slots)]
        codes = [crew.left(worker) for worker in last]
        follower.stop()
        connection = follower.connection
        source = read_topic(connection, INPUT)
        fresh = {topic: read_topic(connection, topic, scored=topic in (HIGH, LOW)) for topic in ENDS}
        tiers = {topic: read_topic(connection, topic) for topic in PASSING}
        left = [
            still_there(records, committed_offsets(connection, GROUP, topic))
            for topic, records in (*tiers.items(), (WAITING, fresh[WAITING]))
        ]
        found = {place: fresh[topic] for topic, place in ENDS.items()} | {Place.WAITING: joined(left)}
        told: Counter[str] = Counter()
        for worker in crew.everybody():
            told.update(worker.told)
        return Seen(
            plan_seed=self.plan.seed,
            findings=check.check(source, found),
            readers_agree=all(check.same(fresh[topic], follower.records(topic)) for topic in ENDS),
            acknowledged=injector.load.sent - injector.load.failed,
            failed_to_send=injector.load.failed,
            progress=progress,
            planned=len(self.plan.schedule),
            missed=len(self._missed),
            done=dict(injector.done),
            failpoints=dict(injector.failpoints),
            wounds=tuple(follower.pulse.wounds),
            longest_silence_s=follower.pulse.longest_silence_s,
            counters=Counters(
                told_outputs=told["output"],
                found_outputs=len(fresh[HIGH]) + len(fresh[LOW]),
                told_failed=told["failed"],
                found_failed=len(fresh[DEAD]) + len(fresh[WAITING]) + sum(map(len, tiers.values())),
                interrupted=sum(w.recoveries for w in crew.everybody()) + crew.starts - len(last),
                pages=sum(w.metrics.get("output", 0) for w in last),
                logs=sum(w.told["output"] for w in last),
            ),
            ended=tuple(crew.ended),
            exit_codes=tuple(codes),
            wrong=tuple(injector.wrong),
            refusals=injector.refusals,
            died_of_full_disk=injector.brokers.died_of_full_disk,
            starts=crew.starts,
            recoveries=sum(w.recoveries for w in crew.everybody()),
            memories=tuple(w.memory() for w in crew.everybody()),
            seconds=self._elapsed(),
        )
