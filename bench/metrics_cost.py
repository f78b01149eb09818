"""What metrics cost: the job drained by one worker, every call of its metrics timed.

python -m bench.metrics_cost
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

from bench.broker import broker
from bench.committed import RESULTS, Facts, facts, measured_on, say, spread_text, table, write
from bench.job import INPUT, PARTITIONS, Job, job
from bench.models import MLP
from bench.pinning import BROKER_CORE, SYSTEM_CORE, cores, pinned
from bench.running import Place, mark, own_project, stream_command
from bench.systems import SYSTEMS, WORK, System, scratch
from stream.bench.derive import topic_of
from stream.bench.load import fill
from stream.bench.place import topics
from stream.bench.processes import Process
from stream.config import load
from stream.kafka.connection import Connection

EVENTS: Final = 1_010_328
ROUNDS: Final = 3
TIMEOUT_S: Final = 300.0
HEAD: Final = (
    "system",
    "of the CPU between first poll and last commit, %",
    "CPU, ms a million events",
    "calls a batch",
    "a scrape, ms",
)


def main() -> int:
    parser = argparse.ArgumentParser("metrics", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"of the job (default {EVENTS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each transport (default {ROUNDS})")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    logging.getLogger("stream").addHandler(logging.NullHandler())
    MLP.prepare()
    work, runs = job(given.events, MLP), []
    with broker(WORK / "broker", cores(BROKER_CORE)) as kafka:
        for number in range(given.rounds):
            for system in (system for system in SYSTEMS if system.ours):
                runs.append({"round": number, **_run(system, work, Place(kafka, cores(SYSTEM_CORE)))})
                say(json.dumps(runs[-1]))
    found = facts(events=given.events, runs=runs)
    write(given.output, "metrics", found, metrics_table(found))
    return 0


def metrics_table(found: Facts) -> str:
    """Markdown: min / median / max of the runs."""
    rows = []
    for title in dict.fromkeys(run["title"] for run in found["runs"]):
        own = [run for run in found["runs"] if run["title"] == title]
        spreads = [
            spread_text([share(run) for run in own]),
            spread_text([run["metrics_cpu_s"] / run["events"] * 1e9 for run in own], 1),
            spread_text([run["calls"] / run["batches"] for run in own], 1),
            spread_text([run["scrape_s"] * 1000 for run in own]),
        ]
        rows.append((title, *spreads))
    how = "every call of `stream.metrics.Metrics` timed by the CPU clock of its thread, less what the clock takes."
    notes = [f"{found['events']:,} events a run, one worker; {how}", measured_on(found)]
    return table("What metrics cost", HEAD, rows, notes)


def share(run: dict[str, Any]) -> float:
    """Of the CPU of all threads, %."""
    return float(run["metrics_cpu_s"] / run["cpu_s"] * 100)


def _run(system: System, work: Job, place: Place) -> dict[str, Any]:
    folder, name = scratch(f"metrics-{system.name}"), mark()
    environ, pipeline = own_project(system, work, place, name, folder)
    direct = Connection({"bootstrap.servers": place.broker.direct})
    told = folder / "metered.json"
    executable, _, _, *arguments = stream_command(pipeline)
    with topics(direct, load(pipeline, environ).file, PARTITIONS):
        fill(direct, topic_of(name, INPUT), work.events, len(work), lambda _n: None)
        with pinned(place.cores):
            command = (executable, "-m", "bench.metered", str(told), *arguments)
            process = Process(command, environ, folder / "worker.log")
        if not process.wait(TIMEOUT_S) or process.code:
            process.kill()
            raise SystemExit(f"ended with {process.code}: {process.tail()}")
    summary, metered = process.told(), json.loads(told.read_text("utf-8"))
    return {
        "system": system.name,
        "title": system.title,
        "events": summary["events"],
        "batches": summary["batches"],
        "cpu_s": summary["cpu_s"],
        "metrics_cpu_s": metered["cpu_s"] - metered["clock_s"],
        **{key: metered[key] for key in ("calls", "clock_s", "scrape_s", "scrape_bytes")},
    }


if __name__ == "__main__":
    sys.exit(main())
