"""What each setting of the Kafka client is worth: the job with one of them changed at a time, on a warm broker.

python -m bench.settings
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import pinning
from bench.broker import broker
from bench.committed import RESULTS, Facts, facts, measured_on, say, table, write
from bench.job import Job, job
from bench.models import MLP
from bench.pinning import BROKER_CORE, SYSTEM_CORE, cores
from bench.running import Place, Run, mark, run
from bench.systems import SYSTEMS, WORK
from stream.config.kafka_properties import PREFIX

EVENTS: Final = 505_164
ROUNDS: Final = 3
WARM_RUNS: Final = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A property, the product's value, and the one that is tried: the client's own default, or what others advise."""

    name: str = ""
    ours: str = ""
    tried: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {f"{PREFIX}{self.name.replace('.', '_').upper()}": self.tried} if self.name else {}


CHANGES: Final = (
    Change(),
    Change("fetch.queue.backoff.ms", "5", "1000"),
    Change("batch.size", "1000000", "262144"),
    Change("batch.size", "1000000", "16384"),
    Change("retry.backoff.ms", "5", "100"),
    Change("linger.ms", "50", "5"),
    Change("linger.ms", "50", "0"),
    Change("compression.type", "lz4", "none"),
    Change("compression.type", "lz4", "zstd"),
    Change("fetch.wait.max.ms", "100", "500"),
    Change("fetch.min.bytes", "1", "100000"),
    Change("queued.min.messages", "20000", "100000"),
    Change("queued.max.messages.kbytes", "32768", "65536"),
    Change("max.partition.fetch.bytes", "1048576", "4194304"),
    Change("socket.receive.buffer.bytes", "0", "1048576"),
)


def main() -> int:
    parser = argparse.ArgumentParser("settings", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"of a run (default {EVENTS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    logging.getLogger("stream").addHandler(logging.NullHandler())
    MLP.prepare()
    runs = _runs(job(given.events, MLP), given.rounds)
    found = facts(events=given.events, rounds=given.rounds, pinning=pinning.told(), runs=runs)
    write(given.output, "settings", found, settings_table(found))
    return 0 if all(run.get("verified") for run in runs) else 1


def settings_table(found: Facts) -> str:
    """Markdown: medians, and what they are against the product's own settings."""
    ours = [system for system in SYSTEMS if system.ours]
    base = {system.name: _medians(found["runs"], system.name, ("", "")) for system in ours}
    rows = []
    for change in CHANGES:
        cells: list[str] = []
        for system in ours:
            rate, cpu, rss = _medians(found["runs"], system.name, (change.name, change.tried))
            cells += [
                f"{rate:,.0f} ({rate / base[system.name][0]:.2f})",
                f"{cpu:.2f} ({cpu / base[system.name][1]:.2f})",
            ]
            cells.append(f"{rss:.0f}")
        rows.append((f"`{change.name}`" if change.name else "as shipped", change.ours, change.tried, *cells))
    head = [
        "setting",
        "ours",
        "tried",
        *(f"{s.title}: {what}" for s in ours for what in ("events/s", "CPU s/M", "RSS")),
    ]
    notes = [
        f"One warm broker, {found['events']:,} events a run, medians of {found['rounds']} interleaved rounds;",
        f"in brackets against the settings as shipped. CPU: first poll to last commit. {found['pinning']}",
        measured_on(found),
    ]
    return table("The client's settings, one by one", head, rows, notes)


def _medians(runs: list[Run], system: str, change: tuple[str, str]) -> tuple[float, float, float]:
    own = [r for r in runs if r["system"] == system and tuple(r["change"]) == change and r.get("verified")]
    names = ("events_per_s", "loop_cpu_s_per_million", "rss_mib")
    return tuple(median([r[name] for r in own]) if own else float("nan") for name in names)  # type: ignore[return-value]


def _runs(work: Job, rounds: int) -> list[dict[str, Any]]:
    found = []
    ours = [system for system in SYSTEMS if system.ours]
    with broker(WORK / "broker", cores(BROKER_CORE)) as kafka:
        place = Place(kafka, cores(SYSTEM_CORE))
        for _ in range(WARM_RUNS):
            run(ours[-1], work, place, mark())
        for number in range(rounds):
            for change in CHANGES:
                for system in ours:
                    changed = replace(system, environ={**system.environ, **change.environ})
                    result = run(changed, work, place, mark())
                    found.append({"round": number, "change": [change.name, change.tried], **result})
                    say(json.dumps(found[-1]))
    return found


if __name__ == "__main__":
    sys.exit(main())
