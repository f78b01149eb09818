"""One worker for a long time: what its process holds, and whether every event is where it must be at the end.

    python tests/chaos/soak.py --minutes 25 --rate 400      # tests/ on the path; STREAM_TRANSPORT=native for that

Events come at a steady rate. Every minute all connections of the worker's producer are cut, so that it takes a new
one, and every third minute another worker joins and leaves. The result is added to tests/chaos/results/soak.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from acceptance import tiny
from acceptance.kafka_io import KafkaIO
from acceptance.running import ROOT, TRANSPORT, Project, Worker, shares, wait_until
from chaos.late_requests.lane import ATTEMPT_FAILED
from confluent_kafka import Producer, libversion

from stream.chaos.proxy import Proxy, proxied

RESULTS: Final = Path(__file__).parent / "results" / "soak.json"
SAMPLE_S: Final = 10.0
CUT_EVERY_S: Final = 60.0
GUEST_EVERY_S: Final = 180.0
GUEST_STAYS_S: Final = 20.0
PARTITIONS: Final = 8
MIB: Final = 2**20
NOT_NATIVE: Final = "STREAM_TRANSPORT=native cannot be used"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds at one moment."""

    at_s: float
    rss_mib: float
    files: int
    threads: int


def sample(worker: Worker, at_s: float) -> Sample:
    folder = Path(f"/proc/{worker.popen.pid}")
    pages = int((folder / "statm").read_text().split()[1])
    rss = pages * os.sysconf("SC_PAGE_SIZE") / MIB
    return Sample(
        round(at_s, 1), round(rss, 1), len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))
    )


def slope(samples: list[Sample], of: str) -> float:
    """An hour, by least squares over the second half: the first is allowed to fill pools and caches."""
    half = samples[len(samples) // 2 :]
    return round(float(np.polyfit([s.at_s / 3600 for s in half], [getattr(s, of) for s in half], 1)[0]), 2)


def load(project: Project, proxy: Proxy, seconds: float, rate: int) -> tuple[int, list[Sample], int]:
    """(events produced, samples of the worker, cuts) of a run; the worker is at work and alive when it ends."""
    worker = project.start(instance="one")
    worker.wait_for("started")
    producer = Producer({"bootstrap.servers": project.io.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
    began, produced, cuts, samples = time.monotonic(), 0, 0, list[Sample]()
    guest: Worker | None = None
    due = {"sample": SAMPLE_S, "cut": CUT_EVERY_S, "guest": GUEST_EVERY_S}
    while (at := time.monotonic() - began) < seconds:
        assert worker.alive, worker.tail()
        while produced < at * rate:
            producer.produce(project.input, tiny.plain(produced), tiny.key(produced))
            produced += 1
        if at >= due["sample"]:
            samples.append(sample(worker, at))
            due["sample"] += SAMPLE_S
        if at >= due["cut"]:
            proxy.cut(client=f"{project.name}-one-0-producer")
            cuts, due["cut"] = cuts + 1, due["cut"] + CUT_EVERY_S
        if at >= due["guest"]:
            guest = _guest(project, guest)
            due["guest"] += GUEST_STAYS_S if guest else GUEST_EVERY_S - GUEST_STAYS_S
        producer.poll(0)
        time.sleep(0.1)
    if guest:
        _guest(project, guest)
    assert producer.flush(60) == 0
    return produced, samples, cuts


def _guest(project: Project, guest: Worker | None) -> Worker | None:
    """A second worker comes, or goes."""
    if guest is None:
        return project.start(instance="guest")
    guest.wait_for("started")
    assert guest.stop() == 0, guest.tail()
    return None


def run(minutes: float, rate: int, wait: str, folder: Path) -> dict[str, Any]:
    """Raises AssertionError when an event is lost, doubled or in the wrong place, or the worker ended."""
    tiny.write_files(folder / "files")
    with proxied(folder / "kafka") as (kafka, proxy):
        io = KafkaIO(kafka.internal_bootstrap)
        environ = {"STREAM_KAFKA_BOOTSTRAP_SERVERS": proxy.bootstrap}
        settings: dict[str, Any] = {"environ": environ, "partitions": PARTITIONS, "wait": wait}
        with Project.create(folder / "files", folder, "soak", io, **settings) as project:
            produced, samples, cuts = load(project, proxy, 60 * minutes, rate)
            project.await_progress(produced, timeout_s=120)
            (worker, *guests) = project.workers
            wait_until(lambda: shares(worker) == [PARTITIONS], "alone again")
            samples.append(sample(worker, 60 * minutes))
            facts = {
                "transport": TRANSPORT,
                "events": produced,
                "batches": len(worker.logged("committed")),
                "connections_cut": cuts,
                "recoveries": len(worker.logged(ATTEMPT_FAILED)),
                "guests": len(guests),
            }
            assert NOT_NATIVE not in worker.log.read_text()
            assert worker.stop() == 0, worker.tail()
            project.verify(range(produced))
    slopes = {f"{name}_an_hour": slope(samples, name) for name in ("rss_mib", "files", "threads")}
    return {**facts, **slopes, "first": asdict(samples[0]), "last": asdict(samples[-1]), "lost": 0, "doubled": 0}


def described(minutes: float, rate: int, wait: str) -> dict[str, Any]:
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    versions = {"librdkafka": libversion()[0], "python": platform.python_version()}
    return {"at": now, "commit": commit, "minutes": minutes, "rate": rate, "wait": wait, **versions}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--rate", type=int, default=400, help="events a second")
    parser.add_argument("--wait", default="25ms", help="batch.wait: how many transactions a second")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stream-soak-") as folder:
        found = {
            **described(chosen.minutes, chosen.rate, chosen.wait),
            **run(chosen.minutes, chosen.rate, chosen.wait, Path(folder)),
        }
    print(json.dumps(found, indent=1))
    earlier = json.loads(chosen.results.read_text("utf-8")) if chosen.results.exists() else []
    chosen.results.write_text(json.dumps([*earlier, found], indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
