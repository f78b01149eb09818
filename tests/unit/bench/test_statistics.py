"""Percentiles: of samples exactly, of buckets within the bucket."""

import json
import math

import numpy as np
import pytest

from stream.batch import Messages, Outcome, StageReport
from stream.bench.pages import COMMIT, batch_times, merged
from stream.bench.statistics import Histogram, added, percentiles, spread, without_nan
from stream.metrics import Metrics

INFINITY = float("inf")


def test_percentiles_of_samples_are_interpolated() -> None:
    assert percentiles(np.arange(101.0)) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert percentiles(np.array([3.0])) == {"p50": 3.0, "p95": 3.0, "p99": 3.0}


def test_of_nothing_there_is_no_percentile() -> None:
    assert all(map(math.isnan, percentiles(np.zeros(0)).values()))
    assert math.isnan(Histogram((1.0, INFINITY), (0, 0), 0.0).percentile(50))


@pytest.mark.parametrize(("percent", "value"), [(10, 0.5), (20, 1.0), (30, 1.5), (40, 2.0), (70, 3.0), (100, 4.0)])
def test_a_percentile_lies_where_it_would_if_a_bucket_were_filled_evenly(percent: float, value: float) -> None:
    histogram = Histogram((1.0, 2.0, 4.0, INFINITY), (2, 4, 10, 10), 0.0)
    assert histogram.percentile(percent) == pytest.approx(value)


def test_above_all_bounds_only_the_last_bound_is_known() -> None:
    assert Histogram((1.0, INFINITY), (1, 10), 0.0).percentile(99) == 1.0


def test_histograms_of_several_workers_add_up() -> None:
    one, two = Histogram((1.0, INFINITY), (1, 2), 3.0), Histogram((1.0, INFINITY), (4, 5), 6.0)
    assert added([one, two]) == Histogram((1.0, INFINITY), (5, 7), 9.0)


def test_spread_is_min_median_and_max() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}


def test_nan_becomes_none_at_any_depth() -> None:
    found = without_nan({"a": [float("nan"), 1.0], "b": {"c": float("nan")}, "d": "text"})
    assert json.dumps(found, allow_nan=False) == '{"a": [null, 1.0], "b": {"c": null}, "d": "text"}'


def page(seconds: dict[str, float], transaction_s: float) -> str:
    metrics = Metrics("p", topics=["in"], outputs=[])
    messages = Messages.of([b"v"], topic="in", timestamp_ms=1000)
    reports = [StageReport(stage, spent, 1, 0) for stage, spent in seconds.items()]
    metrics.committed(Outcome(messages, [], [], filtered=1, reports=reports), now=1.0, transaction_s=transaction_s)
    return metrics.exposition()[0].decode()


def test_the_times_of_batches_are_read_from_the_metrics_page() -> None:
    found = batch_times(page({"decode": 0.002, "infer": 0.04}, 0.011))
    assert set(found) == {"decode", "infer", COMMIT}
    assert {name: histogram.total for name, histogram in found.items()} == {
        "decode": 0.002,
        "infer": 0.04,
        COMMIT: 0.011,
    }
    assert 0.025 < found["infer"].percentile(50) <= 0.05
    assert all(histogram.count == 1 for histogram in found.values())


def test_pages_of_several_workers_are_one() -> None:
    found = merged(
        [batch_times(page({"decode": 0.002}, 0.01)), batch_times(page({"decode": 0.002, "late": 1.0}, 0.01))]
    )
    assert {name: h.count for name, h in found.items()} == {"decode": 2, COMMIT: 2, "late": 1}
