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
from stream.chaos.rhythm import Rhythm

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

    def clean(self) -> Results:
        """The runs in which no event was wrong."""
        return Results([run for run in self.runs if not any(run[name] for name in FINDINGS)])

    def total(self, name: str) -> int:
        return sum(int(run[name]) for run in self.runs)

    def recoveries(self, kind: str, name: str = "recovery_s") -> list[float]:
        """Of all faults of a kind, sorted, in seconds; "recovery_alone_s": of those that no other one overlapped.

        Runs in bursts are left out, since there a partition is silent because nothing comes, and those that say why.
        """
        steady = [run for run in self.runs if run.get("load", Rhythm.STEADY) == Rhythm.STEADY]
        timed = [run for run in steady if "times_left_out" not in run]
        return sorted(seconds for run in timed for seconds in run.get(name, {}).get(kind, []))


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
    events, faults = results.total("events"), sum(results.faults().values())
    broken = sum(not run["held"] for run in results.runs)
    rows = [["runs", f"{len(results.runs)}, {broken} of them judged broken: see below", ""]]
    rows += [["events", f"{events:,}", ""], ["faults", f"{faults:,}", ""], _sigkills(results)]
    for name in FINDINGS:
        count = results.total(name)
        rows.append([name.replace("_", " "), str(count), "see below" if count else f"below {bound(events)} of events"])
    clean = sum(results.clean().faults().values())
    rows.append(["faults in runs without a wrong event", f"{clean:,}", f"below {bound(clean)} of faults"])
    return _table(["", "Found", "95 % bound"], rows)


def faults_table(results: Results) -> str:
    """Markdown: a row a kind of fault, and one a failpoint."""
    done, clean, rows = results.faults(), results.clean(), []
    for kind in Kind:
        if number := done.get(kind, 0):
            alone, every = results.recoveries(kind, "recovery_alone_s"), results.recoveries(kind)
            times = [_seconds(alone, 0.5), _seconds(alone, 0.99), _seconds(every, 0.5), _seconds(every, 0.99)]
            count = f"{len(alone):,}" if every else ""
            rows.append([f"`{kind}`", f"{number:,}", bound(clean.faults()[kind]), count, *times, _seconds(every, 1.0)])
    for name, number in sorted(results.failpoints().items()):
        rows.append([f"`failpoint`, {name}", f"{number:,}", bound(clean.failpoints()[name]), *[""] * 6])
    columns = [
        "Fault",
        "Times",
        "Wrong events, 95 % bound",
        "Alone",
        "p50 s",
        "p99 s",
        "All: p50 s",
        "p99 s",
        "Longest s",
    ]
    return _table(columns, rows)


def runs_table(results: Results) -> str:
    """Markdown: a row a run, with its seed."""
    rows = []
    for run in results.runs:
        faults = ", ".join(f"{number} {kind}" for kind, number in run["faults"].items())
        verdict = "held" if run["held"] else "broken: " + "; ".join(_sentences(run["broken"]))
        verdict += "".join(f" ({run[name]})" for name in ("remark", "times_left_out") if name in run)
        silence = [f"{run['longest_silence_s']:.1f}", _figure(run.get("longest_healthy_silence_s"))]
        memory = _figure(run.get("memory_slope_mib_per_min"))
        shape = f"{run['workers']} / {run['brokers']}, {run['protocol']}"
        shape += ", bursts" if run.get("load") == Rhythm.BURSTS else ""
        made = [str(run["seed"]), f"`{run.get('commit', '')}`", shape, f"{run['minutes']:g}", f"{run['events']:,}"]
        rows.append([*made, faults, *silence, memory, verdict])
    silences = ("Longest silence s", "with nothing broken")
    shape_of = ("Seed", "Commit", "Workers / brokers", "Minutes", "Events", "Faults")
    return _table([*shape_of, *silences, "Memory MiB/min", "Verdict"], rows)


def verifiers_table(path: Path) -> str:
    """Markdown: copiers under the same kills, side by side; a file as tests/chaos/verifiers.py writes it."""
    rows = []
    for found in json.loads(path.read_text("utf-8"))["results"] if path.exists() else []:
        counts = [f"{found[name]:,}" for name in ("messages", "kills", "lost", "doubled")]
        times = [f"{quantile(found['recovery_s'], share):.1f}" for share in (0.5, 1.0)]
        rows.append([found["copier"], *counts, *times])
    return _table(["Copier", "Messages", "Kills", "Lost", "Doubled", "Recovery p50 s", "Longest s"], rows)


def _sigkills(results: Results) -> list[str]:
    """A failpoint is two: the worker of its slot is killed as by `kill`, and the next one kills itself at its step."""
    faults = results.faults()
    named = faults[Kind.FAILPOINT]
    random = faults[Kind.KILL] + faults[Kind.MODEL] + named
    return ["SIGKILLs of workers", f"{random + named:,}: {random:,} at random times, {named:,} at a named step", ""]


def _sentences(broken: Iterable[str]) -> list[str]:
    """The first line of each, the same one told once with how often it was."""
    counts = Counter(text.splitlines()[0].partition("; its last lines")[0] for text in broken)
    return [text if number == 1 else f"{number} times: {text}" for text, number in counts.items()]


def _figure(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"


def _seconds(ordered: Sequence[float], share: float) -> str:
    return f"{quantile(ordered, share):.1f}" if ordered else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
