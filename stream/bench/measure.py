"""A measurement, step by step: topics of its own, a backlog drained, a steady load, kills, and the reckoning."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stream.avro import Schema
from stream.bench import place
from stream.bench.derive import derive
from stream.bench.events import Events
from stream.bench.load import SteadyLoad, fill
from stream.bench.processes import LOOK_EVERY_S, Process, Usage
from stream.bench.receipts import Receipts
from stream.bench.steady import Steady, SteadyRun
from stream.bench.threads import between
from stream.bench.verdict import Reckoning, Verdict, filtered_among, filtered_rows, read_all
from stream.config import Config, load
from stream.errors import FatalError
from stream.kafka.connection import Connection
from stream.kafka.topics import Role
from stream.pipeline import Pipeline

STALLED_AFTER_S: Final = 60.0
"""Nothing committed for this long: the measurement ends, saying so."""
KILLS: Final = 3
RATE: Final = 5_000.0
SHARE_OF_DRAIN: Final = 0.5
"""A rate that nobody chose is at most so much of what the drain reached."""


@dataclass(frozen=True, slots=True)
class Drained:
    """A backlog from first poll to last commit. facts: what `stream run --until-caught-up` says."""

    facts: Mapping[str, Any]
    usage: Usage
    process_s: float
    inferences: int
    threads_s: Mapping[str, float] = field(default_factory=dict)
    """CPU time by thread; of one worker only."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was found out."""

    pipeline: str
    kafka: place.Kafka
    workers: int
    partitions: int
    value_bytes: float
    refused: int
    drained: Drained
    steady: Steady | None
    verdict: Verdict


@dataclass(slots=True)
class Measurement:
    """Runs it. config is the user's, line the pipeline that it describes; say and show tell how it goes."""

    config: Config
    line: Pipeline
    schema: Schema
    events: Events
    total: int
    kafka: place.Kafka
    folder: Path
    workers: int = 1
    partitions: int = 4
    rate: float | None = None
    """Events per second of the steady load, 0 for none."""
    seconds: float = 10.0
    kills: int = KILLS
    say: Callable[[str], None] = lambda _text: None
    show: Callable[[str, float, float], None] = lambda _what, _done, _total: None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _logs: int = 0
    _totals: list[Process] = field(default_factory=list)
    """Every worker that was started, for what its log says."""

    def run(self) -> Measured:
        """Raises ProcessError when a part of it fails; whatever was started or created is ended and deleted."""
        with ExitStack() as stack:
            environ = stack.enter_context(place.environment(self.kafka, self.folder, self.environ, self.say))
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-bench-")))
            path = derive(self.config, self.schema, f"bench-{secrets.token_hex(4)}", scratch)
            config = load(path, environ)
            connection = Connection(config.environment.kafka_properties())
            needs = stack.enter_context(place.topics(connection, config.file, self.partitions))
            return self._measure(config, environ, connection, needs)

    def _measure(
        self, config: Config, environ: Mapping[str, str], connection: Connection, needs: Mapping[str, Role]
    ) -> Measured:
        topic = config.file.input.topics[0]
        ends = [name for name, role in needs.items() if role in (Role.OUTPUT, Role.DEAD_LETTER)]
        fill(connection, topic, self.events, self.total, lambda n: self.show("backlog", n, self.total))
        drained = self._drain(config.path, environ, self.total)
        steady, sent = None, 0
        if rate := self._rate(drained):
            load = SteadyLoad(connection, topic, self.events, self.total, rate)
            run = SteadyRun(
                lambda slot: self._worker(config.path, environ, ["--slot", str(slot)]),
                self.workers,
                load,
                Receipts(connection, ends),
                self.show,
            )
            steady, sent = run.run(self.seconds, self.kills), load.sent
            self._drain(config.path, environ, None)
        return Measured(
            pipeline=self.config.file.name,
            kafka=self.kafka,
            workers=self.workers,
            partitions=self.partitions,
            value_bytes=self.events.value_bytes,
            refused=self.events.refused,
            drained=drained,
            steady=steady,
            verdict=self._judge(config, connection, needs, self.total + sent, drained),
        )

    def _drain(self, path: Path, environ: Mapping[str, str], total: int | None) -> Drained:
        """Process what is there; total is how much that is, if it is known."""
        options = ["--until-caught-up", "--output", "json"]
        process = self._worker(path, environ, [*options, *(["--workers", str(self.workers)] if total else [])])
        try:
            self._follow(process, total)
        finally:
            process.kill()
        if process.code or process.usage is None:
            raise FatalError(f"the worker ended with {process.code}; its last lines:\n{process.tail()}")
        facts = process.told()
        if facts["events"] < (total or 0):
            raise FatalError(f"the worker processed {facts['events']} of {total} events:\n{process.tail()}")
        models = {stage.name for stage in self.line.stages if hasattr(stage, "model_name")}
        scored = (report["passed"] + report["failed"] for name, report in facts["stages"].items() if name in models)
        return Drained(
            facts, process.usage, process.ended_s - process.started_s, sum(scored), self._threads(process, facts)
        )

    def _threads(self, process: Process, facts: Mapping[str, Any]) -> dict[str, float]:
        if self.workers > 1 or facts["first_poll_s"] is None:
            return {}
        return between(process.samples, facts["first_poll_s"], facts["last_commit_s"])

    def _follow(self, process: Process, total: int | None) -> None:
        what = "throughput" if total else "the rest"
        done, moved = 0, self.clock()
        while not process.ended():
            if (now_done := process.committed()["events"]) > done:
                done, moved = now_done, self.clock()
            if self.clock() - moved > STALLED_AFTER_S:
                raise FatalError(
                    f"{what}: nothing committed for {STALLED_AFTER_S:.0f} s after {done} events;"
                    f" the worker's last lines:\n{process.tail()}"
                )
            self.show(what, done, total or max(done, 1))
            self.sleep(LOOK_EVERY_S)

    def _worker(self, path: Path, environ: Mapping[str, str], options: list[str]) -> Process:
        self._logs += 1
        log = self.folder / f"worker-{self._logs}.log"
        process = Process([sys.executable, "-m", "stream", "run", str(path), *options], environ, log)
        self._totals.append(process)
        return process

    def _rate(self, drained: Drained) -> float:
        if self.rate is not None:
            return self.rate
        reached = drained.facts["events"] / max(drained.facts["wall_s"], 1e-3)
        return max(1.0, min(RATE, float(round(reached * SHARE_OF_DRAIN))))

    def _judge(
        self, config: Config, connection: Connection, needs: Mapping[str, Role], total: int, drained: Drained
    ) -> Verdict:
        """Everything is read once more, from the start, by a reader that knows nothing of what was seen on the way."""
        reckoning = Reckoning(self.events, total)
        found = 0
        by_role = {role: [name for name, r in needs.items() if r is role] for role in Role}
        for messages in read_all(connection, [*by_role[Role.OUTPUT], *by_role[Role.DEAD_LETTER]]):
            reckoning.add(messages)
            found += len(messages)
            self.show("reckoning", found, total)
        return reckoning.close(self._filtered(config, total, drained), read_all(connection, by_role[Role.RETRY]))

    def _filtered(self, config: Config, total: int, drained: Drained) -> int:
        """Events that no output takes. What the stages say here is believed only if it is what the drain found."""
        rows = filtered_rows(self.line, self.events, config.file.input.topics[0], config.file.batch.events)
        if filtered_among(rows, self.total) == drained.facts["filtered"]:
            return filtered_among(rows, total)
        logged: Counter[str] = Counter()
        for process in self._totals:
            logged.update(process.committed())
        return logged["filtered"]
