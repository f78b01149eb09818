"""The rows that are told, from figures that are known."""

import json
from typing import Any

import numpy as np
import pytest

from stream.bench.measure import Drained, Measured
from stream.bench.place import Kafka
from stream.bench.processes import Usage
from stream.bench.report import TIME_HEAD, advice, facts, rows, time_rows
from stream.bench.statistics import Histogram
from stream.bench.steady import Steady
from stream.bench.verdict import BY_EVENT, Verdict

DRAIN = {
    "events": 2_000_000,
    "outputs": {"out": 1_900_000},
    "dead_letters": {"expectation": 60_000, "trailing_bytes": 40_000},
    "filtered": 0,
    "retried": 0,
    "batches": 200,
    "wall_s": 10.0,
    "cpu_s": 8.0,
    "transaction_s": 9.0,
    "stages": {
        "decode": {"seconds": 1.0, "passed": 1_960_000, "failed": 40_000},
        "infer": {"seconds": 3.0, "passed": 1_900_000, "failed": 0},
    },
}


def measured(steady: Steady | None = None, lost: int = 0) -> Measured:
    return Measured(
        pipeline="p",
        kafka=Kafka.EMBEDDED,
        workers=1,
        partitions=4,
        value_bytes=70.0,
        refused=0,
        drained=Drained(DRAIN, Usage(12.0, 200 * 1024 * 1024), 12.5, 1_900_000),
        steady=steady,
        verdict=Verdict(BY_EVENT, 2_000_000, 2_000_000 - lost, lost, 0, 0, 0, 0),
    )


def steady(*, kept_up: bool = True, kills: tuple[float, ...] = (2.0, 4.0, 3.0)) -> Steady:
    histogram = Histogram((0.001, 0.01, float("inf")), (50, 100, 100), 0.2)
    return Steady(5000.0, 10.0, np.linspace(0.0, 0.1, 101), kept_up, 0.2, {"decode": histogram}, list(kills))


def numbers(found: dict[str, Any]) -> dict[str, Any]:
    return {what: number for what, number, _ in rows(found)}


def test_the_rows_are_those_that_articles_on_reliability_ask_for() -> None:
    found = numbers(facts(measured(steady())))
    assert found["throughput, events/s"] == 200_000
    assert found["inferences/s"] == 190_000
    assert found["workflow latency p50, ms"] == pytest.approx(50.0)
    assert found["workflow latency p99, ms"] == pytest.approx(99.0)
    assert found["error rate, %"] == pytest.approx(5.0)
    assert found["of them, expectation"] == 60_000
    assert (found["recovery time, s"], found["recovery time, longest, s"]) == (3.0, 4.0)
    assert found["CPU s per million events, loop"] == 4.0
    assert found["CPU s per million events, process"] == 6.0
    assert found["peak RSS, MiB"] == 200.0
    assert (found["lost"], found["doubled"]) == (0, 0)


def test_where_the_time_goes_adds_up_to_the_wall_but_for_the_commit() -> None:
    found = {name: (us, share) for name, us, share, *_ in time_rows(facts(measured(steady())))}
    assert found["decode"] == (0.5, 10.0)
    assert found["infer"] == (1.5, 30.0)
    assert found["poll and wait"] == (3.0, 60.0)
    assert found["commit"] == (4.5, 90.0)
    assert list(found)[-1] == "commit"


def test_stages_have_percentiles_of_a_batch_where_a_steady_load_was_measured() -> None:
    (decode,) = [row for row in time_rows(facts(measured(steady()))) if row[0] == "decode"]
    assert decode[3:] == (pytest.approx(1.0), pytest.approx(9.1), pytest.approx(9.82))
    (without,) = [row for row in time_rows(facts(measured())) if row[0] == "decode"]
    assert without[3:] == (None, None, None)
    assert len(decode) == len(TIME_HEAD)


def test_without_a_steady_load_there_is_neither_latency_nor_recovery() -> None:
    found = facts(measured())
    assert (found["latency"], found["recovery"], found["cpu"]["cores_at_rate"]) == (None, None, None)
    assert not any("latency" in what or "recovery" in what for what in numbers(found))


def test_a_backlog_that_was_drained_at_once_is_told_with_one_that_is_large_enough() -> None:
    found = facts(measured())
    assert advice(found) is None
    found["throughput"] |= {"events": 120, "wall_s": 0.06, "events_per_s": 2000}
    told = advice(found)
    assert told is not None
    assert "120 events took 0.06 s" in told
    assert "--events 20000 repeats the file" in told


def test_a_load_that_was_too_much_is_told() -> None:
    found = facts(measured(steady(kept_up=False, kills=())))
    assert found["recovery"] is None
    (how,) = {how for what, _, how in rows(found) if what.startswith("workflow latency")}
    assert "more than the pipeline takes" in how


def test_the_facts_are_json_without_nan() -> None:
    assert json.loads(json.dumps(facts(measured(steady())), allow_nan=False))["verdict"]["exactly_once"] is True
    assert facts(measured(lost=3))["verdict"]["exactly_once"] is False
