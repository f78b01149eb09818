"""What was measured, as one JSON object and as the rows of two tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from stream.bench.machine import machine, versions
from stream.bench.measure import Drained, Measured
from stream.bench.pages import COMMIT
from stream.bench.statistics import PERCENTILES, percentiles, spread, without_nan
from stream.bench.steady import Steady

MIB: Final = 1024 * 1024
SHORT_S: Final = 2.0
ENOUGH_S: Final = 10
"""How long a backlog should last, and when it is said that it did not."""
Facts = dict[str, Any]
Row = tuple[str, object, str]


def facts(measured: Measured) -> Facts:
    """Everything, times in seconds unless the name says otherwise; None where it was not measured."""
    drained, steady = measured.drained, measured.steady
    found = {
        "pipeline": measured.pipeline,
        "kafka": measured.kafka,
        "workers": measured.workers,
        "partitions": measured.partitions,
        "bytes_per_event": round(measured.value_bytes, 1),
        "rows_refused": measured.refused,
        "throughput": _throughput(drained),
        "latency": None if steady is None else _latency(steady),
        "errors": _errors(drained),
        "recovery": _recovery(steady),
        "cpu": _cpu(drained, steady),
        "memory": {"peak_rss_mib": round(drained.usage.peak_rss_bytes / MIB, 1)},
        "time": _time(drained),
        "verdict": {**asdict(measured.verdict), "exactly_once": measured.verdict.holds},
        "machine": machine(),
        "versions": versions(),
    }
    return dict(without_nan(found))


def rows(found: Facts) -> Iterator[Row]:
    """(what, number, how it was measured): what reliability articles ask of a workflow system."""
    throughput, latency, recovery = found["throughput"], found["latency"], found["recovery"]
    errors, cpu, verdict = found["errors"], found["cpu"], found["verdict"]
    yield (
        "throughput, events/s",
        throughput["events_per_s"],
        f"{throughput['events']:,} events, first poll to last commit",
    )
    yield "inferences/s", throughput["inferences_per_s"], "rows that a model answered for"
    if latency:
        how = f"at {latency['rate']:,.0f} events/s, event timestamp to read_committed receipt"
        if not latency["kept_up"]:
            how += ": more than the pipeline takes, results fell behind"
        for name in ("p50", "p95", "p99"):
            yield f"workflow latency {name}, ms", latency[f"{name}_ms"], how
    yield "error rate, %", errors["rate"] * 100, "dead letters of all events"
    for reason, count in errors["dead_letters"].items():
        yield f"of them, {reason}", count, ""
    if recovery:
        how = f"SIGKILL to new results from every partition, median of {len(recovery['kills_s'])}"
        yield "recovery time, s", recovery["median_s"], how
        yield "recovery time, longest, s", recovery["max_s"], ""
    yield "CPU s per million events, loop", cpu["loop_s_per_million"], "first poll to last commit, all threads"
    for name, spent in cpu["threads_s_per_million"].items():
        yield f"of it, {name}", spent, ""
    yield "CPU s per million events, process", cpu["process_s_per_million"], "start and imports too"
    if cpu["cores_at_rate"] is not None:
        yield "cores busy at the steady rate", cpu["cores_at_rate"], ""
    yield "peak RSS, MiB", found["memory"]["peak_rss_mib"], "of the largest worker"
    yield "lost", verdict["lost"], verdict["check"]
    yield "doubled", verdict["doubled"], f"{verdict['found']:,} of {verdict['events']:,} events found in the topics"


TIME_HEAD: Final = (
    "where the time goes",
    "us per event",
    "% of the wall",
    "p50 of a batch, ms",
    "p95 of a batch, ms",
    "p99 of a batch, ms",
)


def time_rows(found: Facts) -> Iterator[tuple[str | float | None, ...]]:
    """Rows below TIME_HEAD: time per event in the drain, and of a batch at the steady rate (None: not measured)."""
    stages = (found["latency"] or {}).get("stages", {})
    for name, spent in found["time"].items():
        batch = stages.get(name, {})
        yield name, spent["us_per_event"], spent["share"] * 100, *(batch.get(f"p{p}_ms") for p in PERCENTILES)


def advice(found: Facts) -> str | None:
    """What to do when the backlog was too small to tell a rate; None when it was large enough."""
    throughput = found["throughput"]
    if throughput["wall_s"] >= SHORT_S:
        return None
    enough = round(throughput["events_per_s"] * ENOUGH_S, -3) or 1000
    return (
        f"The backlog of {throughput['events']:,} events took {throughput['wall_s']:.2f} s: mostly the start of a"
        f" worker, and throughput and CPU are worse than they will be. --events {enough:.0f} repeats the file."
    )


def _throughput(drained: Drained) -> Facts:
    events, wall_s = drained.facts["events"], max(drained.facts["wall_s"], 1e-9)
    return {
        "events": events,
        "wall_s": drained.facts["wall_s"],
        "events_per_s": round(events / wall_s),
        "inferences": drained.inferences,
        "inferences_per_s": round(drained.inferences / wall_s),
        "batches": drained.facts["batches"],
        "process_s": round(drained.process_s, 3),
    }


def _latency(steady: Steady) -> Facts:
    end_to_end = percentiles(steady.latencies_s)
    return {
        "rate": steady.rate,
        "seconds": steady.seconds,
        "samples": len(steady.latencies_s),
        "kept_up": steady.kept_up,
        **_in_ms(end_to_end),
        "stages": {name: _in_ms(histogram.percentiles()) for name, histogram in steady.batch_times.items()},
    }


def _in_ms(seconds: dict[str, float]) -> dict[str, float]:
    return {f"{name}_ms": round(value * 1000, 2) for name, value in seconds.items()}


def _errors(drained: Drained) -> Facts:
    dead = drained.facts["dead_letters"]
    return {
        "rate": round(sum(dead.values()) / max(drained.facts["events"], 1), 6),
        "dead_letters": dead,
        "filtered": drained.facts["filtered"],
        "retried": drained.facts["retried"],
    }


def _recovery(steady: Steady | None) -> Facts | None:
    if steady is None or not steady.recoveries_s:
        return None
    found = spread(steady.recoveries_s)
    kills = [round(seconds, 3) for seconds in steady.recoveries_s]
    return {"kills_s": kills, **{f"{name}_s": round(value, 3) for name, value in found.items()}}


def _cpu(drained: Drained, steady: Steady | None) -> Facts:
    millions = max(drained.facts["events"], 1) / 1e6
    return {
        "loop_s_per_million": round(drained.facts["cpu_s"] / millions, 3),
        "process_s_per_million": round(drained.usage.cpu_s / millions, 3),
        "process_s": round(drained.usage.cpu_s, 3),
        "threads_s_per_million": {name: round(spent / millions, 3) for name, spent in drained.threads_s.items()},
        "cores_at_rate": None if steady is None or steady.cores is None else round(steady.cores, 3),
    }


def _time(drained: Drained) -> Facts:
    """Where the wall time of the drain went. The next batch is processed while one commits, so shares may overlap.

    poll and wait is what is left: fetching, gathering, waiting for the transaction before.
    """
    events, wall_s = max(drained.facts["events"], 1), max(drained.facts["wall_s"], 1e-9)
    stages = {name: report["seconds"] for name, report in drained.facts["stages"].items()}
    parts = {**stages, "poll and wait": max(0.0, wall_s - sum(stages.values())), COMMIT: drained.facts["transaction_s"]}
    return {
        name: {
            "seconds": round(seconds, 4),
            "us_per_event": round(seconds / events * 1e6, 3),
            "share": round(seconds / wall_s, 4),
        }
        for name, seconds in parts.items()
    }
