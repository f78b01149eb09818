"""Results of many runs together: JSON lines as `stream chaos --output json` prints them, summed up for a document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stream.chaos.faults import TRAITS, Kind
from stream.chaos.report import FINDINGS, quantile

Facts = Mapping[str, Any]
RULE_OF_THREE: Final = 3.0
"""With none in n trials the rate lies below 3/n with 95 % confidence (Hanley and Lippman-Hand, JAMA 1983)."""


@dataclass(frozen=True, slots=True)
class Results:
    """Facts of runs, in the order in which they were made."""

    runs: Sequence[Facts]

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Every line of every .jsonl file of a folder; none when there is no folder."""
        lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
        return cls([json.loads(line) for line in lines if line.strip()])

    def faults(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for run in self.runs:
            found.update(run["faults"])
        return found

    def failpoints(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for run in self.runs:
            found.update(run["failpoints"])
        return found

    def total(self, name: str) -> int:
        return sum(int(run[name]) for run in self.runs)

    def recoveries(self, kind: str, name: str = "recovery_s") -> list[float]:
        """Of all faults of a kind, sorted, in seconds; "recovery_alone_s": of those that no other one overlapped."""
        return sorted(seconds for run in self.runs for seconds in run.get(name, {}).get(kind, []))


def bound(trials: int) -> str:
    """The 95 % bound of a rate of which nothing was seen in so many trials; "" when they are too few to say one."""
    if trials <= RULE_OF_THREE:
        return ""
    rate = RULE_OF_THREE / trials
    return f"{rate * 100:.2g} %" if rate >= 1e-4 else f"1 in {round(1 / rate):,}"


def kinds_table() -> str:
    """Markdown: what each kind of fault is."""
    return _table(["Fault", "What it is"], [[f"`{kind}`", TRAITS[kind].meaning] for kind in Kind])


def totals_table(results: Results) -> str:
    """Markdown: what was found wrong, of how many events, over how many faults."""
    faults = sum(results.faults().values())
    rows = [
        ["runs", f"{len(results.runs)}, {sum(not run['held'] for run in results.runs)} of them broke a promise", ""]
    ]
    rows.append(["events", f"{results.total('events'):,}", ""])
    rows.append(["faults", f"{faults:,}", ""])
    for name in FINDINGS:
        count = results.total(name)
        rows.append(
            [name.replace("_", " "), str(count), "" if count else f"below {bound(results.total('events'))} of events"]
        )
    torn = sum(not run["held"] for run in results.runs)
    rows.append(
        [
            "faults that broke a promise",
            "0" if not torn else "see the runs",
            "" if torn else f"below {bound(faults)} of faults",
        ]
    )
    return _table(["", "Found", "95 % bound"], rows)


def faults_table(results: Results) -> str:
    """Markdown: a row a kind of fault, and one a failpoint."""
    done, rows = results.faults(), []
    for kind in Kind:
        if number := done.get(kind, 0):
            alone, every = results.recoveries(kind, "recovery_alone_s"), results.recoveries(kind)
            times = [_seconds(alone, 0.5), _seconds(alone, 0.99), _seconds(every, 0.5), _seconds(every, 0.99)]
            count = f"{len(alone):,}" if every else ""
            rows.append([f"`{kind}`", f"{number:,}", bound(number), count, *times, _seconds(every, 1.0)])
    for name, number in sorted(results.failpoints().items()):
        rows.append([f"`failpoint`, {name}", f"{number:,}", bound(number), *[""] * 6])
    columns = ["Fault", "Times", "Breaks, 95 % bound", "Alone", "p50 s", "p99 s", "All: p50 s", "p99 s", "Longest s"]
    return _table(columns, rows)


def runs_table(results: Results) -> str:
    """Markdown: a row a run, with its seed."""
    rows = []
    for run in results.runs:
        faults = ", ".join(f"{number} {kind}" for kind, number in run["faults"].items())
        again = ", judged again" if "judged_again" in run else ""
        verdict = (
            f"held{again}" if run["held"] else "broken: " + "; ".join(str(p).splitlines()[0] for p in run["broken"])
        )
        silence = [f"{run['longest_silence_s']:.1f}", _figure(run.get("longest_healthy_silence_s"))]
        memory = _figure(run.get("memory_slope_mib_per_min"))
        shape = f"{run['workers']} / {run['brokers']}, {run['protocol']}"
        rows.append(
            [str(run["seed"]), shape, f"{run['minutes']:g}", f"{run['events']:,}", faults, *silence, memory, verdict]
        )
    silences = ("Longest silence s", "with nothing broken")
    shape_of = ("Seed", "Workers / brokers", "Minutes", "Events", "Faults")
    return _table([*shape_of, *silences, "Memory MiB/min", "Verdict"], rows)


def verifiers_table(path: Path) -> str:
    """Markdown: copiers under the same kills, side by side; a file as tests/chaos/verifiers.py writes it."""
    rows = []
    for found in json.loads(path.read_text("utf-8"))["results"] if path.exists() else []:
        counts = [f"{found[name]:,}" for name in ("messages", "kills", "lost", "doubled")]
        times = [f"{quantile(found['recovery_s'], share):.1f}" for share in (0.5, 1.0)]
        rows.append([found["copier"], *counts, *times])
    return _table(["Copier", "Messages", "Kills", "Lost", "Doubled", "Recovery p50 s", "Longest s"], rows)


def _figure(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"


def _seconds(ordered: Sequence[float], share: float) -> str:
    return f"{quantile(ordered, share):.1f}" if ordered else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
