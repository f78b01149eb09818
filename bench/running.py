"""One run of one system: topics filled, the program pinned and measured, its results verified."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bench.broker import Broker
from bench.job import DEAD_LETTERS, FLIGHT, INPUT, OUTPUT, PARTITIONS, PREDICTION, SUITE, Job
from bench.models import Model
from bench.pinning import pinned
from bench.systems import System, scratch
from bench.verify import mistakes
from stream.avro import DirectorySchemas, load_schema
from stream.bench.derive import derive, topic_of
from stream.bench.load import fill
from stream.bench.place import topics
from stream.bench.processes import Process
from stream.config import load
from stream.kafka.connection import Connection

TIMEOUT_S: Final = 600.0
MIB: Final = 1024 * 1024
NOT_NATIVE: Final = b"STREAM_TRANSPORT=native cannot be used"
Run = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where systems run: bootstrap is what they are told, direct what loading and verifying use."""

    broker: Broker
    cores: Sequence[int]
    delayed: bool = False

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap if self.delayed else self.broker.direct


@dataclass(frozen=True, slots=True)
class Program:
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path


def run(system: System, job: Job, place: Place, mark: str) -> Run:
    """Figures of one run, or `error` with what went wrong. mark starts the names of its topics and group."""
    events = job.first(max(1, round(len(job) * system.share)))
    folder = scratch(system.name)
    environ, pipeline = own_project(system, job, place, mark, folder)
    direct = Connection({"bootstrap.servers": place.broker.direct})
    with topics(direct, load(pipeline, environ).file, PARTITIONS):
        fill(direct, topic_of(mark, INPUT), events.events, len(events), lambda _n: None)
        command = stream_command(pipeline) if system.ours else system.command
        program = Program(command, environ | _told(len(events), job.model, place, mark, folder), folder / "system.log")
        return _measured(system, events, place, program, mark)


def _measured(system: System, events: Job, place: Place, program: Program, mark: str) -> Run:
    before = _spent(place.broker)
    with pinned(place.cores):
        process = Process(program.command, program.environ, program.log)
    try:
        if not process.wait(TIMEOUT_S):
            return {"system": system.name, "error": f"not done within {TIMEOUT_S:.0f} s: {process.tail()}"}
    finally:
        process.kill()
    if process.code:
        return {"system": system.name, "error": f"ended with {process.code}: {process.tail()}"}
    after = _spent(place.broker)
    if NOT_NATIVE in program.log.read_bytes():
        return {"system": system.name, "error": "the native transport cannot be used here"}
    output, dead = topic_of(mark, OUTPUT), topic_of(mark, DEAD_LETTERS)
    wrong = mistakes(place.broker.direct, events, output, dead, copies=system.copies)
    found = _figures(system, len(events), process, before, after)
    return {**found, "verified": not wrong, **({"error": "; ".join(wrong)} if wrong else {})}


def mark() -> str:
    """The start of names that nobody else has."""
    return f"bench-{secrets.token_hex(4)}"


def environ_of(place: Place) -> dict[str, str]:
    """Of this process's STREAM_ variables only those that choose between implementations."""
    kept = ("STREAM_TRANSPORT", "STREAM_CODEC")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_") or name in kept}
    return plain | {
        "STREAM_KAFKA_BOOTSTRAP_SERVERS": place.bootstrap,
        "STREAM_INSTANCE": "bench",
        "STREAM_LOG_FORMAT": "json",
        "STREAM_HTTP_ADDRESS": "127.0.0.1:0",
    }


def own_project(system: System, job: Job, place: Place, mark: str, folder: Path) -> tuple[dict[str, str], Path]:
    """The variables of a run of stream, and its pipeline file in a new folder: the job's, with names of its own."""
    (folder / "project").mkdir()
    environ = {**environ_of(place), **system.environ}
    return environ, derive(load(job.model.pipeline, environ), load_schema(FLIGHT), mark, folder / "project")


def stream_command(pipeline: Path) -> Sequence[str]:
    """Drains what is there and tells the figures as JSON."""
    return (sys.executable, "-m", "stream", "run", str(pipeline), "--until-caught-up", "--output", "json")


def _told(events: int, model: Model, place: Place, mark: str, folder: Path) -> dict[str, str]:
    """What the peers' programs read from their environment: bench/peers/given.py."""
    framing = DirectorySchemas([], known=[flight := load_schema(FLIGHT), prediction := load_schema(PREDICTION)])
    told = {
        "BOOTSTRAP": place.bootstrap,
        "EVENTS": str(events),
        "INPUT": topic_of(mark, INPUT),
        "OUTPUT": topic_of(mark, OUTPUT),
        "DEAD_LETTERS": topic_of(mark, DEAD_LETTERS),
        "NAME": mark,
        "FLIGHT": str(FLIGHT),
        "PREDICTION": str(PREDICTION),
        "MODEL": str(model.file),
        "MODEL_NAME": model.label,
        "SUITE": str(SUITE),
        "SCRATCH": str(folder / "state"),
        "FLIGHT_PREFIX": framing.prefix(mark, flight).hex(),
        "PREDICTION_PREFIX": framing.prefix(mark, prediction).hex(),
    }
    return {f"BENCH_{name}": value for name, value in told.items()}


def _spent(broker: Broker) -> tuple[float, float]:
    """CPU seconds so far of the broker, and of everything on the machine."""
    fields = [int(text) for text in Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:8]]
    idle, waiting = fields[3], fields[4]
    return broker.cpu_s, (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def _figures(
    system: System, events: int, process: Process, before: tuple[float, float], after: tuple[float, float]
) -> Run:
    """Of what the program told itself, and of what the system says it used."""
    told = process.told()
    usage = process.usage
    assert usage is not None, "it has ended"
    wall_s = told["last_commit_s"] - told["first_poll_s"]
    loop_s = told["cpu_s"] if "cpu_s" in told else told["last_cpu_s"] - told["first_cpu_s"]
    broker_s = after[0] - before[0]
    foreign_s = max(0.0, after[1] - before[1] - broker_s - usage.cpu_s)
    return {
        "system": system.name,
        "events": events,
        "events_per_s": round(events / wall_s),
        "loop_cpu_s_per_million": round(loop_s / events * 1e6, 3),
        "process_cpu_s_per_million": round(usage.cpu_s / events * 1e6, 3),
        "rss_mib": round(usage.peak_rss_bytes / MIB),
        "start_s": round(told["first_poll_s"] - process.started_s, 2),
        "wall_s": round(wall_s, 3),
        "broker_cpu_s_per_million": round(broker_s / events * 1e6, 3),
        "foreign_cores": round(foreign_s / (process.ended_s - process.started_s), 2),
        **_first_commit(process),
        **_second_half(told, events),
    }


def _first_commit(process: Process) -> Run:
    """For a worker of stream, whose log says when a batch is committed: seconds since the process was started."""
    line = process.logged("committed")
    if line is None:
        return {}
    started_s = time.time() - (process.clock() - process.started_s)
    return {"first_commit_s": round(datetime.fromisoformat(str(line["time"])).timestamp() - started_s, 3)}


def _second_half(told: Run, events: int) -> Run:
    """For a JVM: without the time in which it compiled most of its code."""
    if "half_s" not in told:
        return {}
    rest = events - told["half_events"]
    return {
        "warm_events_per_s": round(rest / (told["last_commit_s"] - told["half_s"])),
        "warm_cpu_s_per_million": round((told["last_cpu_s"] - told["half_cpu_s"]) / rest * 1e6, 3),
    }
