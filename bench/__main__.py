"""Compare stream with its peers on this machine, on one broker, side by side.

python -m bench                          fresh broker for each run
python -m bench --mode warm              one broker, kept warm
python -m bench --mode delay             one broker, near and 5 ms away
python -m bench --model trees            the demonstration's model, which costs more than all else
python -m bench --systems stream,rawcopy --events 200000 --rounds 1
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench import pinning
from bench.broker import broker
from bench.committed import RESULTS, facts, say, write
from bench.job import ROOT, Job, job
from bench.models import ADAPTIVE, MLP, MODELS, Model
from bench.pinning import BROKER_CORE, SYSTEM_CORE, cores, pinned
from bench.report import MODES, comparison, summary
from bench.running import Place, Run, mark, run
from bench.systems import NAMES, SYSTEMS, WORK, System, pinned_versions, prepared
from stream.devkafka.ports import free_ports

EVENTS: Final = 1_010_328
"""Three years of flights, if every year were 2013."""
WARM_EVENTS: Final = 5_000_000
DELAY_MS: Final = 5.0
DEFAULT_SYSTEMS: Final = {
    "warm": ("stream", "stream-native", "rawcopy", "java"),
    "delay": ("stream", "stream-native", "rawcopy"),
}


def main() -> int:
    given = _arguments()
    names = given.systems.split(",") if given.systems else DEFAULT_SYSTEMS.get(given.mode, NAMES)
    if unknown := set(names) - set(NAMES):
        print(f"no such system: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    logging.getLogger("stream").addHandler(logging.NullHandler())  # what goes wrong is said by errors
    systems = prepared(names, say)
    model = MODELS[given.model]
    model.prepare()
    say(f"making {given.events:,} events ...")
    work = job(given.events, model)
    runs: list[Run] = []
    for found in _MODES[given.mode](systems, work, given):
        runs.append(found)
        say(json.dumps(found))
    _write(given, model, runs)
    return 0 if runs and all(found.get("verified") for found in runs) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mode", choices=MODES, default="fresh")
    parser.add_argument("--model", choices=MODELS, default=MLP.name, help="of the job (default mlp)")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"events of a run (default {EVENTS:,})")
    parser.add_argument("--rounds", type=int, default=3, help="each with one run of every system (default 3)")
    parser.add_argument("--systems", default="", help=f"some of {', '.join(NAMES)} (default all)")
    parser.add_argument("--warm-events", type=int, default=WARM_EVENTS, help="through the broker before the first run")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser.parse_args()


def _fresh(systems: Sequence[System], work: Job, given: argparse.Namespace) -> Iterator[Run]:
    for number in range(given.rounds):
        for system in systems:
            with broker(WORK / "broker", cores(BROKER_CORE)) as kafka:
                place = Place(kafka, cores(SYSTEM_CORE))
                yield {"round": number, **run(system, work, place, mark())}


def _warm(systems: Sequence[System], work: Job, given: argparse.Namespace) -> Iterator[Run]:
    with broker(WORK / "broker", cores(BROKER_CORE)) as kafka:
        place = Place(kafka, cores(SYSTEM_CORE))
        _warm_up(work, place, given.warm_events)
        for number in range(given.rounds):
            for system in systems:
                yield {"round": number, **run(system, work, place, mark())}


def _delay(systems: Sequence[System], work: Job, given: argparse.Namespace) -> Iterator[Run]:
    told, real = free_ports(2, random.Random())
    work = replace(work, model=ADAPTIVE)
    with broker(WORK / "broker", cores(BROKER_CORE), proxy=(told, real)) as kafka, _proxy(told, real):
        near, far = (Place(kafka, cores(SYSTEM_CORE), delayed=delayed) for delayed in (False, True))
        _warm_up(work, near, given.warm_events)
        for number in range(given.rounds):
            for system in systems:
                yield {"round": number, "place": "near", **run(system, work, near, mark())}
                yield {"round": number, "place": "5 ms away", **run(system, work, far, mark())}


_MODES: Final = {"fresh": _fresh, "warm": _warm, "delay": _delay}


@contextmanager
def _proxy(port: int, target: int) -> Iterator[None]:
    """Beside the broker, so that the system's core is the system's."""
    command = [sys.executable, "-m", "bench.proxy", str(port), str(target), str(DELAY_MS)]
    with pinned(cores(BROKER_CORE)):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        say(f"proxy: {process.stdout.readline().strip() or 'did not start'}")
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _warm_up(work: Job, place: Place, events: int) -> None:
    """Raw copies, until so many events have gone in and out."""
    rawcopy = next(system for system in SYSTEMS if system.copies)
    say(f"warming the broker with {events:,} events ...")
    for _ in range(-(-events // len(work))):
        found = run(rawcopy, work, place, mark())
        if "error" in found:
            raise SystemExit(found["error"])


def _write(given: argparse.Namespace, model: Model, runs: list[Run]) -> None:
    results = summary(runs)
    found = facts(mode=given.mode, model=model.title, events=given.events, rounds=given.rounds, pinning=pinning.told())
    found["versions"] |= pinned_versions()
    found |= {"results": results, "runs": runs}
    name = given.mode if model is MLP else f"{given.mode}_{model.name}"
    write(given.output, name, found, comparison(found))


if __name__ == "__main__":
    sys.exit(main())
