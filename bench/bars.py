"""The goals of this project's speed, each with what was measured: met or missed, and by how much.

    python -m bench.bars

Reads the committed results. Ratios are made within a round, of runs that followed each other, so that a slow minute
of the machine meets both sides; min, median and max are those of the rounds. The median decides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.committed import RESULTS, Facts, measured_on, read, spread_text, table
from bench.systems import NATIVE, STREAM

NAMES: Final = ("reference", "fresh", "fresh_trees", "warm", "delay", "latency", "memory", "codec")
FLAT: Final = 1.1
"""Memory is flat when its peak after ten times the job is at most so many times that after the first."""
TRANSPORTS: Final = {STREAM: "Python", NATIVE: "native"}
HEAD: Final = ("figure", "transport", "bar", "measured", "rounds", "met?", "what holds it back")
Results = Mapping[str, Facts]
Runs = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One goal for one transport. at_most: the limit is an upper one. measure gives one value a round."""

    key: str
    figure: str
    transport: str
    limit: float
    at_most: bool
    measure: Callable[[Results], list[float]]
    digits: int = 2

    @property
    def told(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


def bars() -> list[Bar]:
    """All of them, in the order of the table."""
    return [*_cpu(), *_walls(), *_places(), *_single(), *_codec()]


def rows(results: Results, holds: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Of the table. holds: why a bar is missed, by its key."""
    found: list[tuple[str, ...]] = []
    for bar in bars():
        values = bar.measure(results)
        measured = spread_text(values, bar.digits) if values else "not measured"
        why = holds.get(bar.key, "") if values and not bar.holds(median(values)) else ""
        found.append(
            (bar.figure, bar.transport, bar.told, measured, str(len(values) or ""), _verdict(bar, values), why)
        )
    return found


def bars_table(results: Results, holds: Mapping[str, str]) -> str:
    """Markdown."""
    found = rows(results, holds)
    given = {name: len([row for row in found if row[5].startswith(name)]) for name in ("met", "missed")}
    notes = [
        f"{given['met']} met, {given['missed']} missed, {len(found) - sum(given.values())} not measured.",
        "Measured: min / median / max of the rounds; the median decides. A bar of no transport is asked of both.",
    ]
    if reference := results.get("reference"):
        notes += [f"Ratios on a fresh broker: {reference['how']} {measured_on(reference)}"]
    return table("The bars", HEAD, found, notes)


def load_results(folder: Path = RESULTS) -> dict[str, Facts]:
    """Those that are there, by name."""
    return {name: found for name in NAMES if (found := read(name, folder)) is not None}


def load_holds(folder: Path = RESULTS) -> dict[str, str]:
    """Why bars are missed: written by hand, by key of the bar."""
    return {str(key): str(text) for key, text in (read("holds", folder) or {}).items()}


def _verdict(bar: Bar, values: Sequence[float]) -> str:
    if not values:
        return "-"
    good = sum(map(bar.holds, values))
    some = "" if good in (0, len(values)) else f", {good} of {len(values)} rounds"
    middle = median(values)
    off = abs(middle / bar.limit - 1) * 100
    return f"met, by {off:.0f} %{some}" if bar.holds(middle) else f"missed by {off:.0f} %{some}"


def _cpu() -> list[Bar]:
    figures = (
        ("cpu_rawcopy", "CPU, first poll to last commit, against the raw copy", LOOP, "rawcopy", LOOP, (1.25, 0.55)),
        ("cpu_java_warm", "the same against the plain Java loop, warm", LOOP, "java", WARM_CPU, (0.8, 0.35)),
        ("cpu_java", "CPU, whole process, against the Java loop's", PROCESS, "java", PROCESS, (0.6, 0.4)),
    )
    return [
        Bar(f"{key}_{name}", figure, TRANSPORTS[name], limit, True, _ratio("mlp", name, ours, other, theirs))
        for key, figure, ours, other, theirs, limits in figures
        for name, limit in zip(TRANSPORTS, limits, strict=True)
    ]


def _walls() -> list[Bar]:
    others = (
        ("rawcopy", "the raw copy", 0.95, "mlp"),
        ("naive", "plain Python with fastavro", 3.3, "mlp"),
        ("naive-gx", "plain Python with Great Expectations", 5.0, "mlp"),
        ("quix", "Quix Streams", 17.0, "mlp"),
        ("kafka-streams", "Kafka Streams, whole run", 3.0, "mlp"),
        ("java", "the Java loop, whole run", 1.5, "mlp"),
        ("java", "the Java loop, whole run, with trees as model", 1.4, "trees"),
    )
    return [
        Bar(
            f"wall_{other}_{model}_{name}",
            f"events/s on a fresh broker, against {title}",
            TRANSPORTS[name],
            limit,
            False,
            _ratio(model, name, RATE, other, RATE),
        )
        for other, title, limit, model in others
        for name in TRANSPORTS
    ]


def _places() -> list[Bar]:
    warm = [
        Bar(
            f"warm_{name}",
            "events/s on a warm broker, against the raw copy",
            TRANSPORTS[name],
            limit,
            False,
            _warm(name),
        )
        for name, limit in zip(TRANSPORTS, (0.9, 1.3), strict=True)
    ]
    far = "events/s with the broker 5 ms away each way, against near"
    return [*warm, *(Bar(f"delay_{name}", far, TRANSPORTS[name], 0.8, False, _delay(name)) for name in TRANSPORTS)]


def _single() -> list[Bar]:
    """Figures that are compared with nothing."""
    found = []
    for name, transport in TRANSPORTS.items():
        found += [
            Bar(f"p50_{name}", "latency at 5,000 events/s, p50, ms", transport, 30, True, _steady(name, "p50_ms"), 1),
            Bar(f"p99_{name}", "latency at 5,000 events/s, p99, ms", transport, 100, True, _steady(name, "p99_ms"), 1),
            Bar(f"cores_{name}", "cores busy at 5,000 events/s", transport, 0.2, True, _steady(name, "cores")),
            Bar(f"rss_{name}", "peak RSS on the job, MiB", transport, 300, True, _of("mlp", name, "rss_mib"), 0),
            Bar(f"flat_{name}", "peak RSS after ten times the job, against once", transport, FLAT, True, _flat(name)),
            Bar(f"start_{name}", "process start to first commit, s", transport, 3, True, _first_commit(name)),
        ]
    return sorted(found, key=lambda bar: [b.figure for b in found].index(bar.figure))


def _codec() -> list[Bar]:
    return [
        Bar("decode", "decode of an event of 12 fields, ns", "both", 80, True, _ns("decode"), 0),
        Bar("encode", "encode of a result of 6 fields, ns", "both", 40, True, _ns("encode"), 0),
    ]


RATE: Final = "events_per_s"
LOOP: Final = "loop_cpu_s_per_million"
PROCESS: Final = "process_cpu_s_per_million"
WARM_CPU: Final = "warm_cpu_s_per_million"


def _fresh(results: Results, model: str) -> Runs:
    """Of the reference driver where it was run, else of this project's own comparison."""
    reference = [run for run in results.get("reference", {}).get("runs", []) if run["model"] == model]
    return reference or results.get("fresh" if model == "mlp" else f"fresh_{model}", {}).get("runs", [])


def _by_round(runs: Runs, system: str, figure: str) -> dict[int, float]:
    return {r["round"]: r[figure] for r in runs if r["system"] == system and r.get("verified") and figure in r}


def _quotients(runs: Runs, ours: tuple[str, str], theirs: tuple[str, str]) -> list[float]:
    own, other = _by_round(runs, *ours), _by_round(runs, *theirs)
    return [own[number] / other[number] for number in own if number in other]


def _ratio(model: str, system: str, figure: str, other: str, theirs: str) -> Callable[[Results], list[float]]:
    return lambda results: _quotients(_fresh(results, model), (system, figure), (other, theirs))


def _of(model: str, system: str, figure: str) -> Callable[[Results], list[float]]:
    return lambda results: list(_by_round(_fresh(results, model), system, figure).values())


def _warm(system: str) -> Callable[[Results], list[float]]:
    return lambda results: _quotients(results.get("warm", {}).get("runs", []), (system, RATE), ("rawcopy", RATE))


def _delay(system: str) -> Callable[[Results], list[float]]:
    def measure(results: Results) -> list[float]:
        runs = [run for run in results.get("delay", {}).get("runs", []) if run["system"] == system]
        near, far = ([run for run in runs if (run["place"] == "near") is is_near] for is_near in (True, False))
        own, other = _by_round(far, system, RATE), _by_round(near, system, RATE)
        return [own[number] / other[number] for number in own if number in other]

    return measure


def _steady(system: str, figure: str) -> Callable[[Results], list[float]]:
    def measure(results: Results) -> list[float]:
        reference = [run for run in results.get("reference", {}).get("latency", []) if figure in run]
        runs = reference or results.get("latency", {}).get("runs", [])
        return [run[figure] for run in runs if run["system"] == system]

    return measure


def _first_commit(system: str) -> Callable[[Results], list[float]]:
    """Of the comparison on fresh brokers where it was run, else of that on a warm one."""

    def measure(results: Results) -> list[float]:
        runs = (results.get("fresh") or results.get("warm") or {}).get("runs", [])
        return list(_by_round(runs, system, "first_commit_s").values())

    return measure


def _flat(system: str) -> Callable[[Results], list[float]]:
    def measure(results: Results) -> list[float]:
        runs = [run for run in results.get("memory", {}).get("runs", []) if run["system"] == system]
        return [run["after"][-1]["peak_mib"] / run["after"][0]["peak_mib"] for run in runs if run["verified"]]

    return measure


def _ns(what: str) -> Callable[[Results], list[float]]:
    def measure(results: Results) -> list[float]:
        found = [r["native_ns"] for r in results.get("codec", {}).get("results", []) if r["pass"] == what]
        return list(found[0]) if found else []

    return measure


if __name__ == "__main__":
    print(bars_table(load_results(), load_holds()))
    sys.exit(0)
