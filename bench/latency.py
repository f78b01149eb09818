"""How late results are at 5,000 events a second, and what a worker needs for that rate: both transports.

python -m bench.latency
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

from bench import pinning
from bench.broker import broker
from bench.committed import RESULTS, Facts, facts, measured_on, say, spread_text, table, write
from bench.job import DEAD_LETTERS, INPUT, OUTPUT, PARTITIONS, Job, job
from bench.models import MLP
from bench.pinning import BROKER_CORE, SYSTEM_CORE, cores, pinned
from bench.running import NOT_NATIVE, Place, mark, own_project, run
from bench.systems import SYSTEMS, WORK, System, scratch
from stream.bench.derive import topic_of
from stream.bench.load import SteadyLoad
from stream.bench.place import topics
from stream.bench.processes import Process
from stream.bench.receipts import Receipts
from stream.bench.statistics import percentiles
from stream.bench.steady import SteadyRun
from stream.config import load
from stream.kafka.connection import Connection

RATE: Final = 5_000
SECONDS: Final = 30.0
ROUNDS: Final = 3
EVENTS: Final = 336_776
"""Different ones; also how many go through the broker before the first run."""
SWITCH_S: Final = 0.0005
"""Load and reader share one interpreter: neither may hold it for long."""
HEAD: Final = ("system", "p50, ms", "p95, ms", "p99, ms", "cores busy", "runs")


def main() -> int:
    parser = argparse.ArgumentParser("latency", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rate", type=int, default=RATE, help=f"events per second (default {RATE:,})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of a run (default {SECONDS:g})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of both transports (default {ROUNDS})")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    logging.getLogger("stream").addHandler(logging.NullHandler())
    sys.setswitchinterval(SWITCH_S)
    MLP.prepare()
    runs = _runs(job(EVENTS, MLP), given)
    found = facts(rate=given.rate, seconds=given.seconds, rounds=given.rounds, pinning=pinning.told(), runs=runs)
    write(given.output, "latency", found, latency_table(found))
    return 0 if all(r["kept_up"] for r in runs) else 1


def latency_table(found: Facts) -> str:
    """Markdown."""
    rows = []
    for title in dict.fromkeys(r["title"] for r in found["runs"]):
        own = [r for r in found["runs"] if r["title"] == title]
        figures = [spread_text([r[name] for r in own], 1) for name in ("p50_ms", "p95_ms", "p99_ms")]
        rows.append((title, *figures, spread_text([r["cores"] for r in own]), len(own)))
    notes = [
        f"{found['rate']:,} events/s for {found['seconds']:g} s, from the event's timestamp to the receipt of its",
        "result by a read_committed reader; min / median / max of the runs. Batches as the product has",
        f"them by itself. {found['pinning']} Load and reader share the broker's core.",
        measured_on(found),
    ]
    return table("Latency at a steady rate", HEAD, rows, notes)


def _runs(work: Job, given: argparse.Namespace) -> list[dict[str, Any]]:
    ours = [system for system in SYSTEMS if system.ours]
    found = []
    with broker(WORK / "broker", cores(BROKER_CORE)) as kafka:
        place = Place(kafka, cores(SYSTEM_CORE))
        say(f"warming the broker with {len(work):,} events ...")
        if error := run(ours[0], work, place, mark()).get("error"):
            raise SystemExit(error)
        for number in range(given.rounds):
            for system in ours:
                found.append({"round": number, **_run(system, work, place, given.rate, given.seconds)})
                say(json.dumps(found[-1]))
    return found


def _run(system: System, work: Job, place: Place, rate: int, seconds: float) -> dict[str, Any]:
    folder, name = scratch(f"latency-{system.name}"), mark()
    environ, pipeline = own_project(system, work, place, name, folder)
    connection = Connection({"bootstrap.servers": place.broker.direct})

    def start(slot: int) -> Process:
        command = [sys.executable, "-m", "stream", "run", str(pipeline), "--slot", str(slot)]
        with pinned(place.cores):
            return Process(command, environ, folder / "worker.log")

    with topics(connection, load(pipeline, environ).file, PARTITIONS), pinned(cores(BROKER_CORE)):
        steady = SteadyRun(
            start,
            1,
            SteadyLoad(connection, topic_of(name, INPUT), work.events, 0, float(rate)),
            Receipts(connection, [topic_of(name, OUTPUT), topic_of(name, DEAD_LETTERS)]),
            lambda _what, _done, _total: None,
        ).run(seconds, 0)
    if NOT_NATIVE in (folder / "worker.log").read_bytes():
        raise SystemExit("the native transport cannot be used here")
    times = {stage: histogram.percentiles() for stage, histogram in steady.batch_times.items()}
    return {
        "system": system.name,
        "title": system.title,
        **{f"{p}_ms": round(value * 1000, 1) for p, value in percentiles(steady.latencies_s).items()},
        "samples": len(steady.latencies_s),
        "cores": round(steady.cores or 0.0, 3),
        "kept_up": steady.kept_up,
        "batch_ms": {stage: {p: round(value * 1000, 2) for p, value in of.items()} for stage, of in times.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
