"""Whether memory stays flat: the job's events ten times over, drained by one worker, its resident set looked at.

python -m bench.memory
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

from bench.broker import broker
from bench.committed import RESULTS, Facts, facts, measured_on, say, table, write
from bench.job import DEAD_LETTERS, INPUT, OUTPUT, PARTITIONS, Job, job
from bench.models import MLP
from bench.pinning import BROKER_CORE, SYSTEM_CORE, cores, pinned
from bench.running import MIB, NOT_NATIVE, Place, Program, mark, own_project, stream_command
from bench.systems import SYSTEMS, WORK, System, scratch
from stream.bench.derive import topic_of
from stream.bench.load import fill
from stream.bench.place import topics
from stream.bench.processes import Process
from stream.bench.verdict import Reckoning, read_all
from stream.config import load
from stream.kafka.connection import Connection

EVENTS: Final = 1_010_328
TIMES: Final = 10
TIMEOUT_S: Final = 900.0
STATUS: Final = {"VmRSS": "rss_mib", "VmHWM": "peak_mib"}
"""Of proc_pid_status(5)."""


def main() -> int:
    parser = argparse.ArgumentParser("memory", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"of the job (default {EVENTS:,})")
    parser.add_argument("--times", type=int, default=TIMES, help=f"how often they are there (default {TIMES})")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    logging.getLogger("stream").addHandler(logging.NullHandler())
    MLP.prepare()
    work, runs = job(given.events, MLP), []
    for system in (system for system in SYSTEMS if system.ours):
        with broker(WORK / "broker", cores(BROKER_CORE)) as kafka:
            runs.append(_run(system, work, Place(kafka, cores(SYSTEM_CORE)), given.times))
        say(json.dumps(runs[-1]))
    found = facts(events=given.events, times=given.times, runs=runs)
    write(given.output, "memory", found, memory_table(found))
    return 0 if all(run["verified"] for run in runs) else 1


def memory_table(found: Facts) -> str:
    """Markdown: the peak so far after each time the job's events went through."""
    head = ("peak so far, MiB", *(f"{at} x" for at in range(1, found["times"] + 1)), "growth after the first")
    rows = [
        (run["title"], *(f"{at['peak_mib']:.0f}" for at in run["after"]), f"{growth_mib(run):+.0f} MiB")
        for run in found["runs"]
    ]
    notes = [
        f"{found['events']:,} events a time, all in the topics before the worker starts. {measured_on(found)}",
        "Each event was looked for afterwards, and found once.",
    ]
    return table("Memory over ten times the job", head, rows, notes)


def growth_mib(run: dict[str, Any]) -> float:
    """Of the peak, from the end of the first time to the end of the last."""
    after = run["after"]
    return float(after[-1]["peak_mib"] - after[0]["peak_mib"])


def _run(system: System, work: Job, place: Place, times: int) -> dict[str, Any]:
    folder, name = scratch(f"memory-{system.name}"), mark()
    environ, pipeline = own_project(system, work, place, name, folder)
    direct = Connection({"bootstrap.servers": place.broker.direct})
    total = len(work) * times
    with topics(direct, load(pipeline, environ).file, PARTITIONS):
        fill(direct, topic_of(name, INPUT), work.events, total, lambda _n: None)
        say(f"{system.title}: {total:,} events are there")
        program = Program(stream_command(pipeline), environ, folder / "worker.log")
        process, after = _drain(program, place, len(work), times)
        reckoning = Reckoning(work.events, total)
        for messages in read_all(direct, [topic_of(name, OUTPUT), topic_of(name, DEAD_LETTERS)]):
            reckoning.add(messages)
    told = process.told()
    return {
        "system": system.name,
        "title": system.title,
        "after": after,
        "events_per_s": round(total / told["wall_s"]),
        "loop_cpu_s_per_million": round(told["cpu_s"] / total * 1e6, 3),
        "verified": reckoning.close(0).holds,
    }


def _drain(program: Program, place: Place, part: int, times: int) -> tuple[Process, list[dict[str, float]]]:
    """The ended process, and its memory whenever another part of the events was committed."""
    with pinned(place.cores):
        process = Process(program.command, program.environ, program.log)
    after: list[dict[str, float]] = []
    last: dict[str, float] = {}
    deadline = process.clock() + TIMEOUT_S
    try:
        while not process.ended() and process.clock() < deadline:
            last = _resident(process.pid) or last
            while len(after) < times and process.committed()["events"] >= part * (len(after) + 1):
                after.append(last)
            process.sleep(0.1)
    finally:
        process.kill()
    if process.code or NOT_NATIVE in program.log.read_bytes():
        raise SystemExit(f"ended with {process.code}: {process.tail()}")
    return process, after + [last] * (times - len(after))


def _resident(pid: int) -> dict[str, float]:
    """Now and at most so far, MiB; nothing when the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found = {name: rest for name, _, rest in (line.partition(":") for line in lines) if name in STATUS}
    return {STATUS[name]: round(int(rest.split()[0]) * 1024 / MIB, 1) for name, rest in found.items()}


if __name__ == "__main__":
    sys.exit(main())
