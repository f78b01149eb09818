"""Runs become rows: min, median and max of each figure, as JSON and as one Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bench.committed import measured_on, table
from bench.systems import SYSTEMS
from stream.bench.statistics import spread

Run = dict[str, Any]
FIGURES: Final = (
    "events_per_s",
    "loop_cpu_s_per_million",
    "process_cpu_s_per_million",
    "rss_mib",
    "start_s",
    "first_commit_s",
    "broker_cpu_s_per_million",
    "foreign_cores",
    "warm_events_per_s",
    "warm_cpu_s_per_million",
)
MODES: Final = {
    "fresh": "A fresh broker for each run",
    "warm": "One broker, kept warm",
    "delay": "One warm broker, near, and 5 ms away in each direction",
}
HEAD: Final = (
    "system",
    "events/s",
    "against stream",
    "CPU s per M events, loop",
    "CPU s per M events, process",
    "peak RSS, MiB",
    "start, s",
    "verified",
)


def summary(runs: Sequence[Run]) -> list[Run]:
    """One entry a system, and a place (direct or delayed), in the order of the systems."""
    found = []
    for place in dict.fromkeys(run.get("place", "") for run in runs):
        for system in SYSTEMS:
            own = [run for run in runs if run["system"] == system.name and run.get("place", "") == place]
            if own:
                found.append(_summed(system.name, place, own))
    return found


def markdown(title: str, results: Sequence[Run], facts: Run) -> str:
    """Everything that belongs under one heading: the table, and what it was measured on."""
    return table(title, HEAD, _rows(results), _notes(results, facts))


def comparison(found: Run) -> str:
    """The table of a result as it is committed."""
    return markdown(f"{MODES[found['mode']]}: {found['model']}", found["results"], found)


def far_against_near(results: Sequence[Run]) -> dict[str, float]:
    """For systems that were measured at two places, the first of them near: median rate of the second by the first."""
    rates: dict[str, list[float]] = {}
    for r in results:
        if r.get("place") and "events_per_s" in r:
            rates.setdefault(r["system"], []).append(r["events_per_s"]["median"])
    return {name: found[1] / found[0] for name, found in rates.items() if len(found) == 2}


def _summed(name: str, place: str, runs: Sequence[Run]) -> Run:
    good = [run for run in runs if run.get("verified")]
    figures = {
        figure: spread([run[figure] for run in good])
        for figure in FIGURES
        if good and all(figure in run for run in good)
    }
    errors = [run["error"] for run in runs if "error" in run]
    facts = {"system": name, "runs": len(runs), "verified": len(good), "events": runs[0].get("events"), **figures}
    return {**facts, **({"place": place} if place else {}), **({"errors": errors} if errors else {})}


def _rows(results: Sequence[Run]) -> list[tuple[str, ...]]:
    titles = {system.name: system.title for system in SYSTEMS}
    base = {r.get("place", ""): r["events_per_s"]["median"] for r in results if _is_ours(r)}
    rows = []
    for r in results:
        ours = base.get(r.get("place", ""))
        name = titles[r["system"]] + (f", {r['place']}" if r.get("place") else "")
        rows.append(_row(name, r, ours))
        if "warm_events_per_s" in r:
            warm = r["warm_events_per_s"], r["warm_cpu_s_per_million"]
            rows.append(
                (f"{name}: second half of the run", _rate(warm[0]), _ratio(warm[0], ours), _cpu(warm[1]), *"    ")
            )
    return rows


def _row(name: str, r: Run, ours: float | None) -> tuple[str, ...]:
    verified = f"{r['verified']} of {r['runs']}"
    if "events_per_s" not in r:
        return (name, *[""] * 6, verified)
    return (
        name,
        _rate(r["events_per_s"]),
        _ratio(r["events_per_s"], ours),
        _cpu(r["loop_cpu_s_per_million"]),
        _cpu(r["process_cpu_s_per_million"]),
        f"{r['rss_mib']['max']:.0f}",
        f"{r['start_s']['median']:.1f}",
        verified,
    )


def _notes(results: Sequence[Run], facts: Run) -> list[str]:
    versions = facts["versions"]
    quiet = max((r["foreign_cores"]["max"] for r in results if "foreign_cores" in r), default=0.0)
    part = [f"{r['system']} {r['events']:,}" for r in results if r["events"] and r["events"] != facts["events"]]
    far = ", ".join(f"{name} {share:.2f}" for name, share in far_against_near(results).items())
    less = f" ({', '.join(dict.fromkeys(part))})" if part else ""
    return [
        f"{measured_on(facts)} {facts['pinning']}",
        f"{facts['events']:,} events a run{less}, {facts['rounds']} interleaved rounds;",
        "figures are min / median / max, RSS the largest, start (process to first poll) the median.",
        f"Everything else on the machine used at most {quiet:.2f} cores during a run.",
        *([f"Far away it does this part of what it does near: {far}."] if far else []),
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}.",
    ]


def _is_ours(r: Run) -> bool:
    return r["system"] == SYSTEMS[0].name and "events_per_s" in r


def _rate(s: dict[str, float]) -> str:
    return " / ".join(f"{s[k]:,.0f}" for k in ("min", "median", "max"))


def _cpu(s: dict[str, float]) -> str:
    return " / ".join(f"{s[k]:.2f}" for k in ("min", "median", "max"))


def _ratio(s: dict[str, float], ours: float | None) -> str:
    return f"{s['median'] / ours:.2f}" if ours else ""
