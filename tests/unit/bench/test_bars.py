"""The bars: each is judged by what was measured, and by nothing else."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """bench/ is no installed package: it is run in the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield importlib.import_module("bench.bars")
    for name in [name for name in sys.modules if name == "bench" or name.startswith("bench.")]:
        del sys.modules[name]


def run(system: str, round: int, rate: int, loop: float = 1.0, **more: Any) -> dict[str, Any]:
    found = {"system": system, "round": round, "model": "mlp", "events_per_s": rate, "loop_cpu_s_per_million": loop}
    return {**found, "verified": True, **more}


def row(bars: ModuleType, results: dict[str, Any], figure: str, transport: str = "Python") -> tuple[str, ...]:
    holds = {"wall_rawcopy_mlp_stream": "the broker"}
    found: list[tuple[str, ...]] = bars.rows(results, holds)
    return next(r for r in found if figure in r[0] and r[1] == transport)


def test_a_ratio_is_of_runs_of_one_round_and_the_median_decides(bars: ModuleType) -> None:
    pairs = [(100, 100), (60, 100), (300, 200)]
    runs = [r for n, (own, copy) in enumerate(pairs) for r in (run("stream", n, own), run("rawcopy", n, copy))]
    figure = "events/s on a fresh broker, against the raw copy"
    found = row(bars, {"fresh": {"runs": runs}}, figure)
    assert found[2:] == (">= 0.95", "0.60 / 1.00 / 1.50", "3", "met, by 5 %, 2 of 3 rounds", "")
    slower = [{**r, "events_per_s": r["events_per_s"] / 2} if r["system"] == "stream" else r for r in runs]
    found = row(bars, {"fresh": {"runs": slower}}, figure)
    assert found[2:] == (">= 0.95", "0.30 / 0.50 / 0.75", "3", "missed by 47 %", "the broker")


def test_what_was_not_measured_or_not_verified_is_said_to_be_so(bars: ModuleType) -> None:
    figure = "CPU, first poll to last commit"
    assert row(bars, {}, figure)[3:] == ("not measured", "", "-", "")
    runs = [run("stream", 0, 100, verified=False), run("rawcopy", 0, 100)]
    assert row(bars, {"fresh": {"runs": runs}}, figure)[3] == "not measured"
    text = bars.bars_table({}, {})
    assert f"0 met, 0 missed, {len(bars.bars())} not measured." in text


def test_each_bar_has_a_key_of_its_own(bars: ModuleType) -> None:
    keys = [bar.key for bar in bars.bars()]
    assert len(keys) == len(set(keys))


def test_a_reason_is_given_only_for_a_bar_that_there_is(bars: ModuleType) -> None:
    assert set(bars.load_holds()) <= {bar.key for bar in bars.bars()}


def test_far_is_compared_with_near_of_the_same_round(bars: ModuleType) -> None:
    runs = [run("stream", 0, 100, place="near"), run("stream", 0, 90, place="5 ms away")]
    found = row(bars, {"delay": {"runs": runs}}, "5 ms away")
    assert found[3] == "0.90"
    assert found[5].startswith("met")


def test_memory_latency_and_codec_are_read_from_their_results(bars: ModuleType) -> None:
    results = {
        "memory": {"runs": [{"system": "stream", "after": [{"peak_mib": 200}, {"peak_mib": 210}], "verified": True}]},
        "latency": {"runs": [{"system": "stream", "p50_ms": 20.0, "p99_ms": 120.0, "cores": 0.1}]},
        "codec": {"results": [{"pass": "decode", "native_ns": [50, 60, 70]}]},
    }
    assert row(bars, results, "ten times")[3] == "1.05"
    assert row(bars, results, "p50")[5] == "met, by 33 %"
    assert row(bars, results, "p99")[5] == "missed by 20 %"
    assert row(bars, results, "decode", "both")[3] == "50 / 60 / 70"
