"""Fills the metrics of the table. A batch is counted once, when its transaction is committed.

So events_received_total is the sum of events_total over its outcomes, in every scrape.
One registry a process: scale by processes.
"""

from __future__ import annotations

import itertools
import platform
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder

import stream
from stream.batch import Messages, Outcome, StageReport
from stream.health import State
from stream.metrics import table
from stream.metrics.series import Series
from stream.metrics.table import ALL, MAX_PARTITION_SERIES, MAX_SERIES, METRICS, OTHER, Kind, Metric

_BOUNDS = {m.name: np.array(m.buckets) for m in METRICS if m.kind is Kind.HISTOGRAM}
_ERROR_KIND = {
    "_TRANSPORT": "transport",
    "_RESOLVE": "transport",
    "_TIMED_OUT": "timeout",
    "_TIMED_OUT_QUEUE": "timeout",
    "_MSG_TIMED_OUT": "timeout",
    "REQUEST_TIMED_OUT": "timeout",
    "_ALL_BROKERS_DOWN": "brokers_down",
    "_AUTHENTICATION": "authentication",
    "SASL_AUTHENTICATION_FAILED": "authentication",
    "_SSL": "authentication",
    "_FATAL": "fatal",
}


class ModelName(NamedTuple):
    model: str
    version: str


class PartitionLag(NamedTuple):
    """An assigned partition. events: offsets not read yet; seconds: age of the oldest of them, at most.

    Both are 0 when it was read to its end, and None while that is not known.
    """

    topic: str
    partition: int
    events: int | None
    seconds: float | None


class Metrics:
    """The numbers of one pipeline in this process. models: stage name -> the model it runs."""

    def __init__(
        self,
        pipeline: str,
        *,
        topics: Iterable[str] = (),
        outputs: Iterable[str] = (),
        models: Mapping[str, ModelName] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._topics = tuple(topics)
        self._models = dict(models or {})
        self._series = Series()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self._series.set(
            table.BUILD.name, (stream.__version__, platform.python_version(), version("confluent-kafka")), 1
        )
        self._start_at_zero(outputs)

    def state(self, state: State) -> None:
        with self._series.together():
            for other in State:
                self._set(table.STATE, float(other is state), other.value)

    def iterated(self, now: float) -> None:
        """The loop went round. now: seconds since the epoch."""
        self._set(table.ITERATION, now)

    def committed(
        self, outcome: Outcome, *, now: float, transaction_s: float, retried: Collection[int] = frozenset()
    ) -> None:
        """Count a batch whose transaction is committed.

        retried: message rows of outcome.failures that went to a retry tier; the others are dead letters.
        """
        with self._series.together():
            self._count_received(outcome.messages, now)
            self._count_outcomes(outcome, retried)
            self._count_stages(outcome.reports)
            self._count_validation(outcome)
            self._add(table.TRANSACTIONS, 1, "committed")
            self._observe(table.TRANSACTION_SECONDS, transaction_s)
            self._set(table.LAST_COMMIT, now)

    def transaction_failed(self) -> None:
        self._add(table.TRANSACTIONS, 1, "failed")

    def recovered(self, reason: str) -> None:
        self._add(table.RECOVERIES, 1, reason)

    def paused(self, reason: str) -> None:
        self._add(table.PAUSES, 1, reason)

    def rebalanced(self, kind: str) -> None:
        """kind: assigned, revoked, lost."""
        self._add(table.REBALANCES, 1, kind)

    def kafka_error(self, client: str, name: str) -> None:
        """client: consumer or producer; name: librdkafka's error name, such as "_TRANSPORT"."""
        kind = "authorization" if name.endswith("_AUTHORIZATION_FAILED") else _ERROR_KIND.get(name, OTHER)
        self._add(table.KAFKA_ERRORS, 1, client, kind)

    def lag(self, partitions: Sequence[PartitionLag]) -> None:
        """The assigned partitions and what is unread in each; those of before are forgotten."""
        with self._series.together():
            for gauge in (table.LAG_EVENTS, table.LAG_SECONDS, table.CAUGHT_UP, table.ASSIGNED):
                self._series.clear(gauge.name)
            for topic in dict.fromkeys((*self._topics, *(p.topic for p in partitions))):
                self._lag_of(topic, [p for p in partitions if p.topic == topic], len(partitions) > MAX_PARTITION_SERIES)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """(the page, its content type) for a scrape with this Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Family]:
        """All series, as prometheus_client takes them (the protocol of its Collector)."""
        with self._series.together():
            yield from [self._family(metric) for metric in METRICS]

    def _family(self, metric: Metric) -> Family:
        if metric.kind is Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.label_names)
            for labels, found in self._series.distributions(metric.name).items():
                histogram.add_metric(labels, found.cumulative(metric.buckets), found.total)
            return histogram
        kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
        family = kind(metric.name, metric.meaning, labels=metric.label_names)
        for labels, value in self._series.numbers(metric.name).items():
            family.add_metric(labels, value)
        return family

    def _start_at_zero(self, outputs: Iterable[str]) -> None:
        """Series that exist from the start, so that a rate sees the first event too."""
        for metric in METRICS:
            if metric.kind is Kind.COUNTER and all(label.values for label in metric.labels[1:]):
                for labels in itertools.product(*(label.values for label in metric.labels[1:])):
                    self._add(metric, 0, *labels)
        for topic in self._topics:
            self._add(table.RECEIVED, 0, topic)
            self._set(table.ASSIGNED, 0, topic)
        for topic in outputs:
            self._add(table.SENT, 0, topic)
        for name in self._models.values():
            for outcome in ("passed", "failed"):
                self._add(table.INFERENCE_EVENTS, 0, *name, outcome)
        self.state(State.STARTING)

    def _count_received(self, messages: Messages, now: float) -> None:
        for index, topic in enumerate(messages.topics):
            self._add(table.RECEIVED, int(np.count_nonzero(messages.topic == index)), topic)
        self._add(table.RECEIVED_BYTES, int(messages.value_offsets[-1]) + int(messages.key_offsets[-1]))
        self._observe(table.BATCH, len(messages))
        stamps = messages.timestamp[messages.timestamp >= 0]
        # clocks of two machines may differ: an event from the future is as old as 0
        self._observe(table.LATENCY, np.maximum(now * 1000 - stamps, 0) / 1000)

    def _count_outcomes(self, outcome: Outcome, retried: Collection[int]) -> None:
        dead = Counter((f.stage, f.reason) for f in outcome.failures if f.row not in retried)
        for (stage, reason), events in dead.items():
            self._add(table.DEAD_LETTERS, events, stage, reason)
        for rows in outcome.outputs:
            self._add(table.SENT, len(rows), rows.topic)
        self._add(table.EVENTS, sum(map(len, outcome.outputs)), "output")
        self._add(table.EVENTS, outcome.filtered, "filtered")
        self._add(table.EVENTS, dead.total(), "dead_letter")
        self._add(table.EVENTS, len(outcome.failures) - dead.total(), "retried")

    def _count_stages(self, reports: Iterable[StageReport]) -> None:
        for report in reports:
            self._observe(table.STAGE_SECONDS, report.seconds, report.stage)
            self._add(table.STAGE_EVENTS, report.passed, report.stage, "passed")
            self._add(table.STAGE_EVENTS, report.failed, report.stage, "failed")
            if model := self._models.get(report.stage):
                self._observe(table.INFERENCE_SECONDS, report.seconds, *model)
                self._add(table.INFERENCE_EVENTS, report.passed, *model, "passed")
                self._add(table.INFERENCE_EVENTS, report.failed, *model, "failed")

    def _count_validation(self, outcome: Outcome) -> None:
        for (suite, expectation), misses in outcome.warning_counts.items():
            self._add(table.VALIDATION, misses, suite, expectation, "warning")
        critical = Counter((f.facts["suite"], f.facts["expectations"]) for f in outcome.failures if "suite" in f.facts)
        for (suite, expectations), events in critical.items():
            for expectation in expectations.split(","):
                self._add(table.VALIDATION, events, suite, expectation, "critical")

    def _lag_of(self, topic: str, partitions: Sequence[PartitionLag], together: bool) -> None:
        self._set(table.ASSIGNED, len(partitions), topic)
        self._set(table.CAUGHT_UP, float(all(p.events == 0 for p in partitions)), topic)
        if seconds := [p.seconds for p in partitions if p.seconds is not None]:
            self._set(table.LAG_SECONDS, max(seconds), topic)
        for p in partitions:
            if p.events is not None:
                self._add(table.LAG_EVENTS, p.events, topic, ALL if together else str(p.partition))

    def _add(self, metric: Metric, amount: float, *labels: str) -> None:
        self._series.add(metric.name, self._labels(metric, labels), amount)

    def _set(self, metric: Metric, value: float, *labels: str) -> None:
        self._series.set(metric.name, self._labels(metric, labels), value)

    def _observe(self, metric: Metric, values: float | npt.NDArray[np.float64], *labels: str) -> None:
        self._series.observe(metric.name, self._labels(metric, labels), _BOUNDS[metric.name], np.atleast_1d(values))

    def _labels(self, metric: Metric, values: tuple[str, ...]) -> tuple[str, ...]:
        """The series to count under: one of a closed set, one there is, or while there is room a new one."""
        labels = (self._pipeline, *values)
        if self._series.known(metric.name, labels):
            return labels
        room = self._series.size(metric.name) < MAX_SERIES
        allowed = (
            label.values or (value if room else OTHER,) for label, value in zip(metric.labels[1:], values, strict=True)
        )
        return (self._pipeline, *(v if v in some else OTHER for v, some in zip(values, allowed, strict=True)))
