"""Numbers of one pipeline under the labels of the table, which stay in their closed sets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream.metrics.metric import Kind, Metric
from stream.metrics.series import Series
from stream.metrics.table import MAX_SERIES, METRICS, OTHER

_BOUNDS = {m.name: np.array(m.buckets) for m in METRICS if m.kind is Kind.HISTOGRAM}


class Ledger:
    """Adds to the series of one pipeline. labels: values in the order of the table, without the pipeline's name."""

    def __init__(self, pipeline: str, series: Series) -> None:
        self._pipeline = pipeline
        self.series = series

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        self.series.add(metric.name, self._labels(metric, labels), amount)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        self.series.set(metric.name, self._labels(metric, labels), value)

    def observe(self, metric: Metric, values: float | npt.NDArray[np.float64], *labels: str) -> None:
        """A value, or all of an array at once."""
        where = self._labels(metric, labels)
        if isinstance(values, np.ndarray):
            self.series.observe_all(metric.name, where, _BOUNDS[metric.name], values)
        else:
            self.series.observe(metric.name, where, metric.buckets, values)

    def _labels(self, metric: Metric, values: tuple[str, ...]) -> tuple[str, ...]:
        """The series to count under: one of a closed set, one there is, or while there is room a new one."""
        labels = (self._pipeline, *values)
        if self.series.known(metric.name, labels):
            return labels
        room = self.series.size(metric.name) < MAX_SERIES
        allowed = (
            label.values or (value if room else OTHER,) for label, value in zip(metric.labels[1:], values, strict=True)
        )
        return (self._pipeline, *(v if v in some else OTHER for v, some in zip(values, allowed, strict=True)))
