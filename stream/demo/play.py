"""The demonstration, act by act: Kafka, topics, worker, flights, a kill in the middle, and the reckoning."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from stream.assembly import schema_store
from stream.avro import load_schema
from stream.config import Config, load
from stream.demo import flights
from stream.demo.watching import Verdict, Watch, judge
from stream.devkafka import Cluster
from stream.errors import FatalError
from stream.kafka.connection import Connection
from stream.kafka.producing import EventProducer
from stream.kafka.topics import Role, TopicAdmin, needed, plan
from stream.log_file import LogFile

PARTITIONS: Final = 4
KILL_AT: Final = 0.4
"""Share of the events that have been seen when the worker is killed."""
LOOK_EVERY_S: Final = 0.25
STALLED_AFTER_S: Final = 60.0
"""No event seen for this long: something is wrong, and the demonstration ends with what it has."""
STOP_WITHIN_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What can be told at one moment."""

    act: str
    events: int
    produced: int
    by_topic: Mapping[str, int]
    by_reason: Mapping[str, int]
    events_per_s: float
    lag: int


@dataclass(frozen=True, slots=True)
class Report:
    """How it ended; latencies in seconds from an event's timestamp to its being seen by the follower."""

    verdict: Verdict
    seconds: float
    latency_p50_s: float
    latency_p99_s: float
    kills: int
    bootstrap: str
    http_address: str
    worker_pid: int
    log: str


@dataclass(slots=True)
class Play:
    """Runs it. say is told what happens, show is given the progress several times a second."""

    pipeline: Path
    folder: Path
    say: Callable[[str], None]
    show: Callable[[Progress], None]
    rate: float
    limit: int | None = None
    keep: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    http_address: str = ""
    _stack: ExitStack = field(default_factory=ExitStack)
    _worker: subprocess.Popen[bytes] | None = None
    _act: str = ""
    _errors: list[Exception] = field(default_factory=list)
    _kills: int = 0

    def run(self) -> Report:
        """Raises ProcessError when a part does not start; whatever was started is ended, unless keep."""
        with self._stack:
            cluster = self._kafka()
            config = load(self.pipeline, self._environ(cluster))
            connection = Connection(config.environment.kafka_properties())
            topics = self._topics(config, connection)
            self._begin("worker")
            self._start_worker(cluster)
            watch = Watch(connection, topics)
            watch.start()
            self._stack.callback(watch.stop)
            self._await_ready(watch)
            started = self.clock()
            producer, produced = self._produce(config, connection)
            self._follow(producer, produced, watch, cluster)
            self._check(watch, 0.0)
            seconds = self.clock() - started
            self._begin("reckoning")
            verdict = judge(connection, topics, self._total())
            report = self._report(verdict, seconds, watch, cluster)
            if self.keep:
                watch.stop()
                self._stack.pop_all()
        return report

    def _kafka(self) -> Cluster:
        self._begin("Kafka")
        cluster = Cluster(self.folder / "kafka", report=self.say)
        cluster.stop()  # one that an earlier demonstration kept
        shutil.rmtree(cluster.folder, ignore_errors=True)  # ids start over, so must the topics
        cluster.start()
        self._stack.callback(cluster.stop)
        self.say(f"Apache Kafka runs at {cluster.bootstrap}")
        return cluster

    def _topics(self, config: Config, connection: Connection) -> list[str]:
        """Creates what the pipeline needs; gives the topics in which events end."""
        admin, needs = TopicAdmin(connection), needed(config.file)
        admin.create(plan(needs, admin.existing(needs), PARTITIONS))
        return [name for name, role in needs.items() if role in (Role.OUTPUT, Role.DEAD_LETTER)]

    def _environ(self, cluster: Cluster) -> dict[str, str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")}
        return {
            **plain,
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
            "STREAM_INSTANCE": "demo",
            "STREAM_LOG_FORMAT": "text",
            "STREAM_HTTP_ADDRESS": self.http_address,
        }

    def _start_worker(self, cluster: Cluster) -> None:
        log = (self.folder / "worker.log").open("ab")
        command = [sys.executable, "-m", "stream", "run", str(self.pipeline)]
        self._worker = subprocess.Popen(
            command, env=self._environ(cluster), stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self._stack.callback(self._end_worker, self._worker)

    def _await_ready(self, watch: Watch) -> None:
        """Until the worker has joined its group, so that latencies are those of a running pipeline."""
        deadline = self.clock() + STALLED_AFTER_S
        while not _answers(f"http://{self.http_address}/readyz"):
            self._check(watch, 0.0 if self.clock() < deadline else STALLED_AFTER_S + 1)
            self.sleep(LOOK_EVERY_S)
        self.say(f"The worker is ready: http://{self.http_address}/metrics")

    def _end_worker(self, worker: subprocess.Popen[bytes]) -> None:
        if worker.poll() is None:
            worker.terminate()
            try:
                worker.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _produce(self, config: Config, connection: Connection) -> tuple[threading.Thread, EventProducer]:
        schema = load_schema(config.project.find(config.file.input.schema_file or ""))
        prefix = schema_store(config, [schema]).prefix(config.file.input.topics[0], schema)
        producer = EventProducer(connection, config.file.input.topics[0], self.clock, self.sleep, self.rate)

        def send() -> None:
            try:
                for chunk in flights.events(schema, prefix, self.limit):
                    producer.send(chunk)
                producer.flush()
            except Exception as error:  # told by the thread that started this one
                self._errors.append(error)

        thread = threading.Thread(target=send, name="produce", daemon=True)
        self._begin("flights")
        thread.start()
        return thread, producer

    def _follow(self, thread: threading.Thread, producer: EventProducer, watch: Watch, cluster: Cluster) -> None:
        events = self._total()
        moments = _Moments(self.clock)
        while thread.is_alive() or watch.seen() < producer.acknowledged:
            self.sleep(LOOK_EVERY_S)
            seen = watch.seen()
            if not self._kills and seen > KILL_AT * events:
                self._kill_worker(cluster)
            self._check(watch, moments.silent_s(seen))
            self.show(self._progress(events, producer, watch, moments.rate()))

    def _total(self) -> int:
        """What must be found at the end: said by the data, not by what was counted on the way."""
        return min(self.limit or flights.COUNT, flights.COUNT)

    def _kill_worker(self, cluster: Cluster) -> None:
        worker = self._worker
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        self._kills += 1
        self.say(f"Killed the worker (SIGKILL, process {worker.pid}) in the middle of its work.")
        self._start_worker(cluster)
        self.say("Started another one: it ends what the dead one left open and goes on from the last commit.")

    def _check(self, watch: Watch, silent_s: float) -> None:
        worker = self._worker
        for error in (*self._errors, *watch.errors):
            raise error
        if worker is not None and worker.poll() is not None:
            raise FatalError(f"the worker ended with {worker.returncode}; its last lines:\n{self._log_tail()}")
        if silent_s > STALLED_AFTER_S:
            raise FatalError(f"no event for {STALLED_AFTER_S:.0f} s; the worker's last lines:\n{self._log_tail()}")

    def _log_tail(self, lines: int = 15) -> str:
        return LogFile(self.folder / "worker.log").tail(lines)

    def _progress(self, events: int, producer: EventProducer, watch: Watch, rate: float) -> Progress:
        seen = watch.seen()
        produced = max(producer.acknowledged, seen)  # a reader may be ahead of the producer's answers
        return Progress(
            act=self._act,
            events=events,
            produced=produced,
            by_topic={topic: len(ids) for topic, ids in watch.ids.items()},
            by_reason=dict(watch.reasons.most_common()),
            events_per_s=rate,
            lag=produced - seen,
        )

    def _report(self, verdict: Verdict, seconds: float, watch: Watch, cluster: Cluster) -> Report:
        p50, p99 = np.percentile(watch.latencies, [50, 99]) if watch.latencies else (0.0, 0.0)
        return Report(
            verdict=verdict,
            seconds=seconds,
            latency_p50_s=float(p50),
            latency_p99_s=float(p99),
            kills=self._kills,
            bootstrap=cluster.bootstrap,
            http_address=self.http_address,
            worker_pid=self._worker.pid if self._worker else 0,
            log=str(self.folder / "worker.log"),
        )

    def _begin(self, act: str) -> None:
        self._act = act


def _answers(url: str) -> bool:
    """Whether the page is there and says 200."""
    try:
        with urllib.request.urlopen(url, timeout=1.0):
            return True
    except OSError:
        return False


@dataclass(slots=True)
class _Moments:
    """Turns counts that rise into a rate over the last few seconds, and tells how long they have stood still."""

    clock: Callable[[], float]
    _seen: list[tuple[float, int]] = field(default_factory=list)
    _moved: float = 0.0

    def silent_s(self, count: int) -> float:
        now = self.clock()
        if not self._seen or count > self._seen[-1][1]:
            self._moved = now
        self._seen = [*self._seen[-20:], (now, count)]
        return now - self._moved

    def rate(self) -> float:
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last > first else 0.0
