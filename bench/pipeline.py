"""`stream bench` on the demonstration's own pipeline and all flights: latency, recovery, and where the time goes.

python -m bench.pipeline
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.committed import RESULTS, Facts, facts, measured_on, write
from bench.job import FLIGHT, ROOT
from bench.systems import WORK
from stream.avro import load_schema
from stream.bench.report import TIME_HEAD, rows, time_rows
from stream.demo import flights

PIPELINE: Final = ROOT / "pipelines" / "flights.yaml"
EVENTS: Final = 1_010_328
RATE: Final = 5_000
SECONDS: Final = 30


def main() -> int:
    parser = argparse.ArgumentParser("pipeline", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"of the backlog (default {EVENTS:,})")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"of the steady load (default {SECONDS})")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    found = {**facts(), **_measured(given.events, given.seconds)}
    write(given.output, "pipeline", found, table(found))
    return 0 if found["verdict"]["exactly_once"] else 1


def table(found: Facts) -> str:
    """Markdown: the two tables of the command."""
    return "\n".join(
        [
            "## One pipeline, as `stream bench` sees it",
            "",
            *_lines(["measured", "number", "how"], rows(found)),
            "",
            *_lines(TIME_HEAD, time_rows(found)),
            "",
            f"{measured_on(found)} Nothing pinned:",
            "broker, worker, load and reader share the cores. A batch commits while the next one is processed.",
            "",
        ]
    )


def _measured(events: int, seconds: int) -> dict[str, Any]:
    import pyarrow.parquet as pq

    WORK.mkdir(exist_ok=True)
    pq.write_table(flights.table(load_schema(FLIGHT)), WORK / "flights.parquet")
    options = ["--events", str(events), "--latency-rate", str(RATE), "--seconds", str(seconds), "--output", "json"]
    command = [sys.executable, "-m", "stream", "bench", str(PIPELINE), "--input", str(WORK / "flights.parquet")]
    done = subprocess.run(
        [*command, *options, "--folder", str(WORK / "pipeline")],
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("STREAM_KAFKA_")},
        check=False,
    )
    if not done.stdout:
        raise SystemExit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _lines(head: Sequence[str], body: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in [head, *body]]
    lines.insert(1, "|---" * len(head) + "|")
    return lines


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case float():
            return f"{value:,.3f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value).strip()


if __name__ == "__main__":
    sys.exit(main())
