"""Percentiles of samples, and of histograms that were counted in buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

PERCENTILES: Final = (50, 95, 99)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by upper bound, cumulative and rising to infinity as Prometheus has them; total is the sum of samples."""

    bounds: tuple[float, ...]
    cumulative: tuple[float, ...]
    total: float

    @property
    def count(self) -> float:
        return self.cumulative[-1] if self.cumulative else 0.0

    def percentile(self, percent: float) -> float:
        """Interpolated within the bucket; its lower bound for what lies above all finite bounds. NaN of nothing."""
        if not self.count:
            return float("nan")
        rank = self.count * percent / 100
        index = next(i for i, reached in enumerate(self.cumulative) if reached >= rank)
        lower = self.bounds[index - 1] if index else 0.0
        before = self.cumulative[index - 1] if index else 0.0
        if np.isinf(self.bounds[index]):
            return lower
        within = self.cumulative[index] - before
        return lower + (self.bounds[index] - lower) * ((rank - before) / within if within else 1.0)

    def percentiles(self) -> dict[str, float]:
        return {f"p{p}": self.percentile(p) for p in PERCENTILES}


def added(histograms: Sequence[Histogram]) -> Histogram:
    """Several of the same bounds as one: those of several workers."""
    first = histograms[0]
    counts = tuple(float(sum(column)) for column in zip(*(h.cumulative for h in histograms), strict=True))
    return Histogram(first.bounds, counts, sum(h.total for h in histograms))


def percentiles(samples: Floats) -> dict[str, float]:
    """p50, p95 and p99 by linear interpolation; NaN of nothing."""
    if not len(samples):
        return {f"p{p}": float("nan") for p in PERCENTILES}
    return {f"p{p}": float(value) for p, value in zip(PERCENTILES, np.percentile(samples, PERCENTILES), strict=True)}


def spread(samples: Sequence[float]) -> dict[str, float]:
    """min, median and max of repeated runs."""
    return {"min": min(samples), "median": float(np.median(samples)), "max": max(samples)}


def without_nan(value: Any) -> Any:
    """NaN as None, at any depth: JSON has no NaN."""
    match value:
        case float() if np.isnan(value):
            return None
        case Mapping():
            return {key: without_nan(below) for key, below in value.items()}
        case list() | tuple():
            return [without_nan(below) for below in value]
        case _:
            return value
