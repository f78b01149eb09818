"""What the further measurements of bench/ are made of: a model, settings, and their tables."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stream.kafka.settings import ClientSettings, Slot

ROOT = Path(__file__).parents[3]
MEASURED = {
    "date": "2026-01-01",
    "commit": "abc1234",
    "machine": {"cpu": "x", "cores": 2, "memory_gib": 8, "system": "Linux"},
    "pinning": "Pinned.",
}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """bench/ is no installed package: it is run in the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield lambda name: importlib.import_module(f"bench.{name}")
    for name in [name for name in sys.modules if name == "bench" or name.startswith("bench.")]:
        del sys.modules[name]


def test_the_small_network_is_the_same_each_time_and_answers_with_numbers(module: Callable[[str], Any]) -> None:
    import onnxruntime

    models = module("models")
    first, second = models._network().SerializeToString(), models._network().SerializeToString()
    assert first == second
    flights = np.array([models.MEANS, [2.0, 227.0, 1400.0, 5.0, 1.0, 515.0]], np.float32)
    (scores,) = onnxruntime.InferenceSession(first).run(None, {"input": flights})
    assert scores.shape == (2, 1)
    assert np.isfinite(scores).all()
    assert scores[0] == pytest.approx(0.0), "a mean flight is all zeros when it is standardised"
    assert scores[1] != 0.0


def test_what_is_called_our_setting_is_what_the_clients_get(module: Callable[[str], Any]) -> None:
    settings = ClientSettings(Slot("p", "i"), ("in",))
    ours = {**settings.consumer(), **settings.producer()}
    for change in module("settings").CHANGES:
        if change.name in ours:
            assert str(ours[change.name]) == change.ours, change.name


def test_a_setting_is_given_by_its_variable(module: Callable[[str], Any]) -> None:
    settings = module("settings")
    assert settings.Change("linger.ms", "5", "0").environ == {"STREAM_KAFKA_LINGER_MS": "0"}
    assert settings.Change().environ == {}
    assert settings.CHANGES[0] == settings.Change(), "the product as it is comes first"


def test_settings_are_told_against_the_product_as_it_is(module: Callable[[str], Any]) -> None:
    def run(rate: int, *change: str) -> dict[str, Any]:
        figures = {"events_per_s": rate, "loop_cpu_s_per_million": 2.0, "rss_mib": 200, "verified": True}
        return {"system": "stream", "change": list(change), **figures}

    runs = [run(100, "", ""), run(300, "", ""), run(200, "", ""), run(100, "linger.ms", "0")]
    text = module("settings").settings_table({**MEASURED, "events": 10, "rounds": 3, "runs": runs})
    assert "| as shipped | - | - | 200 (1.00) | 2.00 (1.00) | 200 |" in text
    assert "| `linger.ms` | 50 | 0 | 100 (0.50) | 2.00 (1.00) | 200 |" in text


def test_memory_is_told_after_each_time(module: Callable[[str], Any]) -> None:
    run = {"title": "stream", "after": [{"peak_mib": 200.0}, {"peak_mib": 204.0}, {"peak_mib": 204.0}]}
    text = module("memory").memory_table({**MEASURED, "events": 1000, "times": 3, "runs": [run]})
    assert "| stream | 200 | 204 | 204 | +4 MiB |" in text


def test_latency_is_told_by_transport(module: Callable[[str], Any]) -> None:
    run = {"title": "stream", "p50_ms": 20.0, "p95_ms": 30.0, "p99_ms": 40.0, "cores": 0.1}
    found = {**MEASURED, "rate": 5000, "seconds": 30.0, "runs": [run, {**run, "p50_ms": 22.0}]}
    text = module("latency").latency_table(found)
    assert "| stream | 20.0 / 21.0 / 22.0 | 30.0 / 30.0 / 30.0 | 40.0 / 40.0 / 40.0 | 0.10 / 0.10 / 0.10 | 2 |" in text


def test_what_metrics_cost_is_told_as_a_share_of_all_cpu(module: Callable[[str], Any]) -> None:
    run = {"title": "stream", "events": 1_000_000, "batches": 100, "calls": 700, "scrape_s": 0.0013}
    found = {**MEASURED, "events": 1_000_000, "runs": [{**run, "cpu_s": 2.0, "metrics_cpu_s": s} for s in (0.02, 0.01)]}
    told = module("metrics_cost").metrics_table(found)
    assert "| stream | 0.50 / 0.75 / 1.00 | 10.0 / 15.0 / 20.0 | 7.0 / 7.0 / 7.0 | 1.30 / 1.30 / 1.30 |" in told


def test_calls_within_a_call_are_timed_once_and_the_clock_is_told_apart(
    module: Callable[[str], Any], tmp_path: Path
) -> None:
    class Counting:
        def outer(self) -> None:
            self.inner()

        def inner(self) -> None:
            pass

        def exposition(self) -> tuple[bytes, str]:
            return b"x 1\n", "text"

    now = iter(range(1_000_000))
    meter = module("metered").Meter(clock=lambda: float(next(now)))
    meter.install(Counting)
    Counting().outer()
    Counting().inner()
    Counting().exposition()
    meter.write(tmp_path / "told.json")
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["calls"], told["cpu_s"], told["scrape_bytes"]) == (2, 2.0, 4)
    assert 0 < told["clock_s"] < 0.001
