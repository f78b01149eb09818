"""The pure parts of bench/: what the job must give, the tables."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """bench/ is no installed package: it is run in the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name == "bench" or name.startswith("bench.")]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"bench.{name}")


FLIGHT: dict[str, Any] = {
    "dep_delay": 2.0,
    "air_time": 227.0,
    "distance": 1400.0,
    "hour": 5,
    "month": 1,
    "sched_dep_time": 515,
    "origin": "EWR",
    "carrier": "UA",
}


@pytest.mark.parametrize(
    "broken",
    [
        {"dep_delay": None},
        {"air_time": None},
        {"distance": 9.0},
        {"distance": 6001.0},
        {"hour": 24},
        {"origin": "BOS"},
        {"carrier": "ua"},
        {"carrier": "UA1"},
        {"dep_delay": 1501.0},
        {"dep_delay": -121.0},
    ],
    ids=str,
)
def test_what_must_become_a_dead_letter_is_told_without_the_systems(broken: dict[str, Any]) -> None:
    table = pa.Table.from_pylist([FLIGHT, FLIGHT | broken, FLIGHT])
    dead, delay, gained = module("job").expected(table)
    assert dead.tolist() == [False, True, False]
    assert delay[0] == pytest.approx(9.943668, rel=1e-5), "as the first golden row of the model says"
    assert gained[0] == pytest.approx(2.0 - 227 / 60)


def test_the_job_is_the_flights_over_and_over_with_one_in_a_thousand_damaged() -> None:
    job = module("job").job(3000)
    assert len(job) == len(job.events.values) == 3000
    assert {number for number in range(3000) if job.events.values[number].endswith(b"\xff" * 12)} == {7, 1007, 2007}
    assert job.dead[[7, 1007, 2007]].all()
    assert job.events.key(2999) == b"2999"
    assert len(job.first(10)) == 10


def test_the_suite_of_the_comparison_has_the_rules_that_the_peers_have() -> None:
    from stream.validation import load_suite

    assert len(load_suite(ROOT / "bench" / "suite.json").expectations) == 7


def run(system: str, rate: int, place: str = "", **more: Any) -> dict[str, Any]:
    figures = {"loop_cpu_s_per_million": 2.0, "process_cpu_s_per_million": 3.0, "rss_mib": 100, "start_s": 1.0}
    found = {"system": system, "events": 1000, "events_per_s": rate, **figures, "foreign_cores": 0.05, "verified": True}
    return {**found, **({"place": place} if place else {}), **more}


FACTS = {
    "date": "2026-01-01",
    "events": 1000,
    "rounds": 3,
    "pinning": "Pinned.",
    "machine": {"cpu": "x", "cores": 2, "memory_gib": 8, "system": "Linux"},
    "versions": {"python": "3.12"},
}


def test_runs_become_min_median_and_max() -> None:
    report = module("report")
    results = report.summary([run("stream", 300), run("rawcopy", 150), run("stream", 100), run("stream", 200)])
    assert [r["system"] for r in results] == ["stream", "rawcopy"]
    assert results[0]["events_per_s"] == {"min": 100, "median": 200, "max": 300}
    text = report.markdown("Title", results, FACTS)
    assert "| stream | 100 / 200 / 300 | 1.00 |" in text
    assert "| 150 / 150 / 150 | 0.75 |" in text
    assert "3 of 3" in text


def test_a_run_that_was_not_verified_gives_no_figure() -> None:
    report = module("report")
    bad = run("stream", 999, verified=False, error="results: 1 missing")
    results = report.summary([run("stream", 100), bad])
    assert results[0]["events_per_s"]["max"] == 100
    assert results[0]["errors"] == ["results: 1 missing"]
    assert "1 of 2" in report.markdown("Title", results, FACTS)
    nothing = report.summary([{"system": "quix", "error": "ended with 1"}])
    assert "0 of 1" in report.markdown("Title", nothing, FACTS)


def test_far_is_compared_with_near() -> None:
    report = module("report")
    results = report.summary([run("stream", 100, "near"), run("stream", 80, "5 ms away")])
    assert report.far_against_near(results) == {"stream": 0.8}
    assert "stream 0.80" in report.markdown("Title", results, FACTS)
