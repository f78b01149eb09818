"""A run as figures: for the screen, for JSON, and for the table of docs/reliability.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from stream.chaos.faults import TRAITS, Kind
from stream.chaos.plan import Plan
from stream.chaos.recovery import Wound
from stream.chaos.verdict import Seen, broken

MIB: Final = 2**20
MEANINGS: Final = {
    "lost": "in the input, and nowhere else",
    "doubled": "in one place, more often than in the input",
    "in_two_places": "in an output and in the dead letters, for example",
    "unexpected": "never sent",
    "misplaced": "in one place, but not in the right one",
    "wrong_result": "the score is not what the model must say",
    "moved": "with another key, or in another partition",
    "out_of_order": "behind a later event of its key",
}
FINDINGS: Final = tuple(MEANINGS)
"""What must be zero of the events."""
PLACES: Final = {
    "high": "output for scores above 400",
    "low": "output for the others",
    "dead": "dead letters",
    "waiting": "in a retry tier, still to be tried again",
}


def facts(plan: Plan, seen: Seen) -> dict[str, Any]:
    """One JSON object; times in seconds, sizes in MiB."""
    findings = seen.findings
    return {
        "held": not broken(seen),
        "broken": broken(seen),
        "seed": plan.seed,
        "minutes": round(plan.seconds / 60, 3),
        "workers": plan.workers,
        "brokers": plan.brokers,
        "protocol": plan.protocol,
        "load": str(plan.load),
        "faults_chosen": [str(kind) for kind in plan.chosen.kinds],
        "faults_left_out": {str(kind): why for kind, why in plan.chosen.left_out.items()},
        "events": findings.events,
        "by_place": findings.by_place,
        **_finding_counts(seen),
        "input_doubled": findings.input_doubled.count,
        "readers_agree": seen.readers_agree,
        "faults_planned": seen.planned,
        "faults_missed": seen.missed,
        "faults": {str(kind): number for kind, number in sorted(seen.done.items())},
        "failpoints": dict(sorted(seen.failpoints.items())),
        "recovery_s": {str(kind): found for kind in Kind if (found := times(kind, seen.wounds))},
        "recovery_alone_s": {str(kind): found for kind in Kind if (found := times(kind, seen.wounds, alone=True))},
        "longest_silence_s": round(seen.longest_silence_s, 2),
        "longest_healthy_silence_s": round(seen.longest_healthy_silence_s, 2),
        "worker_starts": seen.starts,
        "worker_recoveries": seen.recoveries,
        "workers_ended_excused": sum(bool(e.excused) for e in seen.ended),
        "model_refusals": seen.refusals,
        "new_consumers": seen.new_consumers,
        "requests_held": seen.held,
        "brokers_died_of_full_disk": seen.died_of_full_disk,
        "counters": {
            "outputs_told": seen.counters.told_outputs,
            "outputs_found": seen.counters.found_outputs,
            "failures_told": seen.counters.told_failed,
            "failures_found": seen.counters.found_failed,
        },
        "memory_slope_mib_per_min": None if seen.slope is None else round(seen.slope / MIB, 2),
        "ended_while_faults_went_on": seen.progress.ended,
        "seconds": round(seen.seconds, 1),
    }


def times(kind: Kind, wounds: Sequence[Wound], *, alone: bool = False) -> list[float]:
    """Recovery times of all faults of a kind, sorted. alone: of those that no other one overlapped."""
    found = [w.recovered_s for w in wounds if w.fault.kind is kind and w.recovered_s is not None and w.alone >= alone]
    return sorted(round(seconds, 2) for seconds in found)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share is at or below; NaN of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def fault_rows(seen: Seen) -> list[tuple[object, ...]]:
    """A row a kind that was done: how often, and how long its partitions gave nothing new."""
    rows: list[tuple[object, ...]] = []
    for kind in Kind:
        if done := seen.done.get(kind):
            taken = times(kind, seen.wounds)
            figures = [quantile(taken, 0.5), quantile(taken, 0.99)] if taken else [None, None]
            rows.append((str(kind), done, *figures, TRAITS[kind].meaning))
    return rows


def event_rows(seen: Seen) -> list[tuple[str, object, str]]:
    """What the readers found of the events: (what, number, what it should be)."""
    found: list[tuple[str, object, str]] = [("events", seen.findings.events, "each in exactly one place")]
    found += [(f"  {place}", number, PLACES[place]) for place, number in seen.findings.by_place.items()]
    counts = _finding_counts(seen)
    found += [(name.replace("_", " "), counts[name], f"0: {meaning}") for name, meaning in MEANINGS.items()]
    return [
        *found,
        ("twice in the input", seen.findings.input_doubled.count, "by its producer: found as often in the end"),
        ("two readers saw the same", seen.readers_agree, "yes: one that followed, and one that read all in the end"),
        ("ended while faults went on", seen.progress.ended, f"at least a tenth of {seen.progress.sent:,}"),
    ]


def run_rows(seen: Seen) -> list[tuple[str, object, str]]:
    """What else was seen of the run: (what, number, what to make of it)."""
    slope = None if seen.slope is None else seen.slope / MIB
    there = seen.counters.found_outputs
    return [
        ("outputs that workers told of", seen.counters.told_outputs, f"of {there:,}: a killed one tells no more"),
        ("longest silence of a partition, s", seen.longest_silence_s, "while it was broken, or another one was"),
        ("the same, with nothing broken, s", seen.longest_healthy_silence_s, ""),
        ("requests that came late", seen.held, "held back by the proxy, then let go"),
        ("model files refused", seen.refusals, "at least one a swap"),
        ("brokers that a full disk ended", seen.died_of_full_disk, ""),
        ("workers that ended by themselves", len(seen.ended), "each for a reason, and started again"),
        ("worker processes", seen.starts, "one for each death, and the first ones"),
        ("recoveries of workers", seen.recoveries, "batches that were read again"),
        ("new consumers", seen.new_consumers, "of workers fenced by their own attempt to join the group"),
        ("memory of a worker, MiB a minute", slope, "nobody lived long enough" if slope is None else ""),
    ]


def _finding_counts(seen: Seen) -> dict[str, int]:
    return {name: getattr(seen.findings, name).count for name in FINDINGS}
