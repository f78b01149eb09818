"""The table of runs of the reference job, which its own driver made: what the bars' ratios are made from."""

from __future__ import annotations

from typing import Any, Final

from bench.committed import Facts, measured_on, spread_text, table
from bench.systems import SYSTEMS

HEAD: Final = (
    "system",
    "model",
    "events/s",
    "events/s, warm",
    "CPU s per M events, loop",
    "warm",
    "process",
    "peak RSS, MiB",
    "verified",
)
FIGURES: Final = (
    ("events_per_s", 0),
    ("warm_events_per_s", 0),
    ("loop_cpu_s_per_million", 2),
    ("warm_cpu_s_per_million", 2),
    ("process_cpu_s_per_million", 2),
    ("rss_mib", 0),
)


def reference_table(found: Facts) -> str:
    """Markdown: min / median / max of each figure; - where a program does not tell it."""
    rows = []
    for model in dict.fromkeys(run["model"] for run in found["runs"]):
        for system in SYSTEMS:
            own = [run for run in found["runs"] if (run["system"], run["model"]) == (system.name, model)]
            if own:
                rows.append((system.title, model, *_figures(own), f"{_verified(own)} of {len(own)}"))
    notes = [found["how"], measured_on(found), *_latency(found)]
    return table("The reference job", HEAD, rows, notes)


def _figures(runs: list[dict[str, Any]]) -> list[str]:
    return [spread_text([run[name] for run in runs], digits) if name in runs[0] else "" for name, digits in FIGURES]


def _verified(runs: list[dict[str, Any]]) -> int:
    return sum(run["verified"] for run in runs)


def _latency(found: Facts) -> list[str]:
    titles = {system.name: system.title for system in SYSTEMS}
    runs = found.get("latency", [])
    told = []
    for name in dict.fromkeys(run["system"] for run in runs):
        own = [run for run in runs if run["system"] == name]
        p50, p99 = (spread_text([run[p] for run in own], 1) for p in ("p50_ms", "p99_ms"))
        told.append(f"{titles[name]} {p50} ms and {p99} ms ({len(own)} runs)")
    return [f"Latency at 5,000 events/s, p50 and p99: {'; '.join(told)}."] if told else []
