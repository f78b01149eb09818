"""False alarms: how often the guard takes a new producer when nothing is wrong.

`python -m chaos.late_requests.healthy [--transactions N]`: small batches against a broker that nobody disturbs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from acceptance import tiny
from acceptance.kafka_io import KafkaIO
from acceptance.running import Project

from stream.devkafka import Cluster

EVENTS: Final = 5
TIMEOUT_S: Final = 800.0
RESULTS: Final = Path(__file__).parents[1] / "results" / "false-alarms.json"


def run(transactions: int, folder: Path) -> dict[str, Any]:
    """A backlog of so many small batches, worked off by one worker."""
    tiny.write_files(folder / "files")
    with Cluster(folder / "kafka") as kafka:
        io = KafkaIO(kafka.bootstrap)
        settings = {"events": EVENTS, "transaction": "10s", "environ": {}}
        with Project.create(folder / "files", folder, "healthy", io, partitions=1, **settings) as project:
            project.produce(range(transactions * EVENTS))
            report = project.drain(timeout_s=TIMEOUT_S)
            worker = project.workers[-1]
            committed = worker.logged("committed")
            failed = worker.logged("attempt failed: reading again from the committed offsets")
            project.verify(range(transactions * EVENTS))
    seconds = sorted(line["transaction_ms"] for line in committed)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "transactions": len(committed),
        "false alarms": len(failed),
        "what they said": sorted({line["error"] for line in failed}),
        "transaction ms": {"median": seconds[len(seconds) // 2], "longest": seconds[-1]} if seconds else {},
        "report": report,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transactions", type=int, default=12_000)
    with tempfile.TemporaryDirectory() as folder:
        found = run(parser.parse_args().transactions, Path(folder))
    print(json.dumps(found, indent=1))
    found.pop("report")
    RESULTS.parent.mkdir(exist_ok=True)
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    RESULTS.write_text(json.dumps([*earlier, found], indent=1) + "\n")


if __name__ == "__main__":
    main()
