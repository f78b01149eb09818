"""The long run: `python -m chaos.late_requests PLAN... [--trials N] [--lanes N] [--minutes N]` (tests/ on the path).

Each cell (shape, way of losing the connection, mode) gets N trials, spread over workers that run side by side.
Results are added to tests/chaos/results/late-requests.json, with the transport of the workers (STREAM_TRANSPORT).
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from acceptance import tiny
from acceptance.running import TRANSPORT
from chaos.late_requests.lane import Lane, Verdict
from chaos.late_requests.shapes import (
    FLAPPING_COMMIT,
    FLAPPING_OFFSETS,
    HARMFUL,
    HARMLESS,
    LATE_ABORT,
    LATE_COMMIT,
    LATE_OFFSETS,
    UNTRIED,
    YOUNG_COMMIT,
    Shape,
    Trial,
)
from confluent_kafka import libversion

from stream.chaos.proxy import Then, proxied

RESULTS: Final = Path(__file__).parents[1] / "results" / "late-requests.json"
Cell = tuple[Shape, Then, str]


def guarded(shape: Shape) -> str:
    return "aborting" if shape is LATE_ABORT else "guarded"


def unguarded(shape: Shape) -> str:
    return "naive" if shape is LATE_ABORT else "off"


def ways(shape: Shape) -> tuple[Then, ...]:
    """A flapping connection is lost by being cut."""
    return (Then.CUT,) if shape.link == "flapping" else (Then.HANG, Then.CUT)


PLANS: Final[dict[str, list[Cell]]] = {
    "guard": [(s, then, guarded(s)) for s in HARMFUL for then in ways(s)],
    "off": [(s, then, unguarded(s)) for s in HARMFUL for then in ways(s)],
    "harmless": [(s, then, mode) for s in HARMLESS for then in ways(s) for mode in ("guarded", "off")],
    "signals": [
        (s, Then.CUT, mode)
        for s in (YOUNG_COMMIT, LATE_COMMIT, LATE_OFFSETS, FLAPPING_COMMIT, FLAPPING_OFFSETS)
        for mode in ("time", "log")
    ]
    + [(s, Then.CUT, "info") for s in (FLAPPING_COMMIT, FLAPPING_OFFSETS)],
    "untried": [(s, Then.CUT, mode) for s in UNTRIED for mode in ("off", "guarded")],
}


def run_lane(lane: Lane, trials: list[Trial], until: float) -> Iterator[tuple[Trial, Verdict]]:
    """Until they are done, or the time is over."""
    try:
        for trial in trials:
            if time.monotonic() > until:
                return
            verdict = lane.run(trial)
            print(f"{trial.shape.name}, {trial.then}, {trial.mode}: {verdict}", flush=True)
            yield trial, verdict
    finally:
        lane.end()


def run(plans: list[str], trials: int, lanes: int, until: float, folder: Path) -> list[tuple[Trial, Verdict]]:
    """Lanes of one mode each, so that a worker is started once and not for each trial."""
    tiny.write_files(folder / "files")
    queues: list[list[Trial]] = []
    cells = [cell for plan in plans for cell in PLANS[plan]]
    for mode in sorted({mode for _, _, mode in cells}):
        wanted = [Trial(*cell) for _ in range(trials) for cell in cells if cell[2] == mode]
        share = max(1, round(lanes * len(wanted) / (trials * len(cells))))
        queues += [wanted[i::share] for i in range(share)]
    with (
        proxied(folder / "kafka", report=print) as (kafka, proxy),
        ThreadPoolExecutor(len(queues)) as pool,
    ):

        def work(number: int, queue: list[Trial]) -> list[tuple[Trial, Verdict]]:
            own, mode = folder / str(number), queue[0].mode
            own.mkdir()
            lane = Lane.create(folder / "files", own, f"late-{number}", kafka=kafka, proxy=proxy, mode=mode)
            return list(run_lane(lane, queue, until))

        futures = [pool.submit(work, number, queue) for number, queue in enumerate(queues)]
        return [found for future in futures for found in future.result()]


def record(found: list[tuple[Trial, Verdict]], seconds: float) -> dict[str, Any]:
    """What is written down of one run."""
    rows: dict[tuple[str, str, str], list[Verdict]] = {}
    for trial, verdict in found:
        rows.setdefault((trial.shape.name, str(trial.then), trial.mode), []).append(verdict)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "transport": TRANSPORT,
        "kafka": "4.3.1",
        "confluent-kafka": version("confluent-kafka"),
        "librdkafka": libversion()[0],
        "python": platform.python_version(),
        "seconds": round(seconds),
        "cells": [
            {
                "shape": name,
                "then": then,
                "mode": mode,
                "trials": len(verdicts),
                "torn": sum(v.torn for v in verdicts),
                "events lost": sum(v.lost for v in verdicts),
                "events doubled": sum(v.doubled for v in verdicts),
                "answers": {
                    str(code): sum(v.answer == code for v in verdicts) for code in {v.answer for v in verdicts}
                },
                "trials with a new producer": sum(v.recycled > 0 for v in verdicts),
                "seconds": [round(v.seconds, 1) for v in sorted(verdicts, key=lambda v: v.seconds)][
                    :: max(1, len(verdicts) // 2)
                ],
            }
            for (name, then, mode), verdicts in sorted(rows.items())
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("plans", nargs="+", choices=sorted(PLANS))
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no trial after that")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        until = began + 60 * arguments.minutes
        found = run(arguments.plans, arguments.trials, arguments.lanes, until, Path(folder))
    written = record(found, time.monotonic() - began)
    print(json.dumps(written, indent=1))
    earlier = json.loads(arguments.results.read_text()) if arguments.results.exists() else []
    arguments.results.parent.mkdir(exist_ok=True)
    arguments.results.write_text(json.dumps([*earlier, written], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
