"""One worker behind the proxy, to which late requests happen, one trial after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acceptance import tiny
from acceptance.kafka_io import KafkaIO
from acceptance.running import ROOT, Project, Worker, wait_until
from chaos.late_requests.shapes import Shape, Trial, answer_of

from stream.chaos.proxy import Held, Proxy, Then
from stream.devkafka import Cluster

EVENTS: Final = 10
PATIENCE_S: Final = 60.0
OLD_S: Final = 2.2
"""A connection that has lasted as long is made again at once when it is lost: see docs/exactly-once.md."""
QUIET_S: Final = 0.3
TRANSACTION_S: Final = 10
ATTEMPT_FAILED: Final = "attempt failed: reading again from the committed offsets"
LAUNCHER: Final = Path(__file__).with_name("launcher.py")
PASSED_ON: Final = ("STREAM_TRANSPORT",)
"""Variables of the run that the worker is given too."""
GATES: Final = {"outputs written": "AddOffsetsToTxn", "offsets sent": "EndTxn"}
"""The request that waits while the late one arrives: the next one of the transaction at that moment."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the events of one trial. answer is the broker's error code to the late request, 0 for none.

    recycled: how often the worker took a new producer in it; seconds: how long it took.
    """

    lost: int
    doubled: int
    answer: int
    recycled: int
    seconds: float

    @property
    def torn(self) -> bool:
        return self.lost + self.doubled > 0


@dataclass
class Lane:
    project: Project
    proxy: Proxy
    mode: str
    produced: int = 0
    _worker: Worker | None = None

    @classmethod
    def create(cls, template: Path, folder: Path, name: str, *, kafka: Cluster, proxy: Proxy, mode: str) -> Lane:
        """The worker goes through the proxy; what is produced and read for the verdict does not."""
        environ = {"STREAM_KAFKA_SOCKET_TIMEOUT_MS": "1000"}
        settings = {"transaction": f"{TRANSACTION_S}s", "environ": environ}
        project = Project.create(template, folder, name, KafkaIO(kafka.internal_bootstrap), partitions=1, **settings)
        return cls(project, proxy, mode)

    @property
    def client(self) -> str:
        return f"{self.project.name}-one-0-producer"

    @property
    def trigger(self) -> Path:
        return self.project.folder / "fail-next"

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            self._worker = self._start()
        return self._worker

    def run(self, trial: Trial) -> Verdict:
        """One trial; the worker lives, and everything is committed, when it ends."""
        began, first = time.monotonic(), self.produced
        log_before = len(self.worker.logged(ATTEMPT_FAILED))
        self._connect(trial.shape.link)
        before = self.worker
        held = self._hold(trial)
        answer = self._next_transaction(trial.shape, held)
        self._finish()
        recycled = len(before.logged(ATTEMPT_FAILED)) - log_before
        lost, doubled = self._judge(range(first, self.produced))
        return Verdict(lost, doubled, answer, recycled, time.monotonic() - began)

    def end(self) -> None:
        self.project.end()

    # The steps of a trial

    def _connect(self, link: str) -> None:
        """The state of the producer's connections before the request that will be late."""
        self._commit(1)
        if link == "young":
            return
        time.sleep(OLD_S)
        for _ in range(2 if link == "flapping" else 0):
            self.proxy.cut(client=self.client)
            time.sleep(QUIET_S)
            self._commit(1)
            time.sleep(OLD_S)

    def _hold(self, trial: Trial) -> Held:
        """The request is held, the client has lost the connection, and its transaction is over all the same."""
        if trial.shape.fails:
            self.trigger.touch()
        held = self.proxy.hold(trial.shape.api, self.client, then=trial.then)
        self._produce(EVENTS)
        held.wait(PATIENCE_S)
        self._await_progress()
        return held

    def _next_transaction(self, shape: Shape, held: Held) -> int:
        """The held request arrives; the broker's answer to it."""
        if shape.window not in GATES:
            return self._while_idle(shape, held)
        gate = self.proxy.hold(GATES[shape.window], self.client, then=Then.HANG)
        self._produce(EVENTS)
        gate.wait(PATIENCE_S)
        answer = self._let_go(held)
        if shape.after == "killed" and shape.window == "outputs written":
            self._kill()
            gate.drop()
        else:
            gate.release()
        if shape.after == "killed" and shape.window == "offsets sent":
            gate.answer(PATIENCE_S)
            self._kill()
        return answer

    def _while_idle(self, shape: Shape, held: Held) -> int:
        answer = self._let_go(held)
        if shape.window == "timed out":
            time.sleep(TRANSACTION_S + 2)
        if shape.after == "killed":
            self._kill()
        self._produce(EVENTS)
        return answer

    def _finish(self) -> None:
        """One more transaction, so that what is only late is not taken for lost."""
        if self._worker is None:
            self._await_progress()
        self._commit(1)

    def _let_go(self, held: Held) -> int:
        request = held.wait(PATIENCE_S)
        held.release()
        return answer_of(request.api, request.version, held.answer(PATIENCE_S))

    # What they are made of

    def _produce(self, events: int) -> None:
        self.project.produce(range(self.produced, self.produced + events))
        self.produced += events

    def _commit(self, events: int) -> None:
        self._produce(events)
        self._await_progress()

    def _await_progress(self) -> None:
        worker = self.worker

        def look() -> bool:
            assert worker.alive, f"the worker ended with {worker.popen.returncode}:\n{worker.tail()}"
            return self.project.progress() >= self.produced

        wait_until(look, f"{self.produced} events committed", PATIENCE_S, worker.tail)

    def _kill(self) -> None:
        self.worker.kill()
        self._worker = None

    def _judge(self, numbers: range) -> tuple[int, int]:
        """(lost, doubled) of these events, by the ids that an independent read_committed reader finds."""
        times = Counter(number for number in self._ids() if number in numbers)
        return len(numbers) - len(times), sum(count > 1 for count in times.values())

    def _ids(self) -> Iterator[int]:
        found = self.project.read()
        *outputs, dead = (found[topic] for topic in self.project.ends)
        yield from (tiny.score(record.value)["id"] for records in outputs for record in records)
        yield from (tiny.read_back(record.value)["id"] for record in dead)

    def _start(self) -> Worker:
        number = len(self.project.workers)
        log, output = (self.project.folder / f"worker-{number}.{kind}" for kind in ("log", "out"))
        plain = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")}
        own = {
            "STREAM_HTTP_ADDRESS": "127.0.0.1:0",
            "STREAM_LOG_FORMAT": "json",
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": self.proxy.bootstrap,
            "STREAM_INSTANCE": "one",
            "LATE_REQUEST_TRIGGER": str(self.trigger),
            **self.project.environ,
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        }
        with log.open("wb") as errors, output.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, str(LAUNCHER), self.mode, "run", str(self.project.pipeline)],
                cwd=ROOT,
                env={**plain, **own},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )
        worker = Worker(popen, log, output)
        self.project.workers.append(worker)
        return worker
