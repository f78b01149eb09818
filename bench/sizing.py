"""The figures that docs/deployment.md sizes by, from committed results: the reference job, and a warm broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bench.committed import Facts, measured_on, spread_text
from bench.systems import NATIVE, STREAM

MODEL: Final = "mlp"
SOURCES: Final = (("reference", "on a broker that was just started"), ("warm", "on a warm broker"))
FIGURES: Final = (
    ("loop_cpu_s_per_million", "CPU seconds per million events, first poll to last commit", 2),
    ("events_per_s", "Events/s of one worker with a core of its own, draining a backlog", 0),
    ("rss_mib", "Resident memory, peak, MiB", 0),
)


def sizing_table(results: Mapping[str, Facts]) -> str:
    """Markdown, min / median / max of the runs; empty when neither result is there."""
    found = [(results[name], place) for name, place in SOURCES if name in results]
    if not found:
        return ""
    rows = [
        f"| {title}, {place} | {_spread(facts, STREAM, key, digits)} | {_spread(facts, NATIVE, key, digits)} |"
        for key, title, digits in FIGURES
        for facts, place in found
    ]
    head = ["| min / median / max | Python transport | `STREAM_TRANSPORT=native` |", "|---|---|---|"]
    return "\n".join([*head, *rows, "", *dict.fromkeys(measured_on(facts) for facts, _ in found), ""])


def _spread(facts: Facts, system: str, key: str, digits: int) -> str:
    values = [run[key] for run in _runs(facts) if run["system"] == system and run.get("verified") and key in run]
    return spread_text(values, digits) if values else "-"


def _runs(facts: Facts) -> list[dict[str, Any]]:
    return [run for run in facts["runs"] if run.get("model", MODEL) == MODEL]
