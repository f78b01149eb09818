"""Fills the metrics of the table. A batch is counted once, when its transaction is committed.

So events_received_total is the sum of events_total over its outcomes, in every scrape.
One registry a process: scale by processes.
"""

from __future__ import annotations

import itertools
import platform
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Final, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder

import stream
from stream.batch import Outcome
from stream.health import State
from stream.metrics import table
from stream.metrics.batches import DEFAULT_BYTES, Batches, ModelName
from stream.metrics.calls import StageCalls
from stream.metrics.clients import Clients
from stream.metrics.ledger import Ledger
from stream.metrics.metric import Kind, Metric
from stream.metrics.series import Series
from stream.metrics.table import ALL, MAX_PARTITION_SERIES, METRICS

PAUSE_REASONS: Final = ("broker", "refused", "registry", "model", "service", "dead_letter_limit", "quarantine")
"""What the product itself pauses for; a `call` function may name others."""


class PartitionLag(NamedTuple):
    """An assigned partition. events: offsets not committed yet, None while that is not known.

    since: when the oldest of them came, at the earliest; seconds since the epoch, None when there is none or when
    that is not known.
    """

    topic: str
    partition: int
    events: int | None
    since: float | None


class Metrics:
    """The numbers of one pipeline in this process. models: stage name -> the model it runs."""

    def __init__(
        self,
        pipeline: str,
        *,
        topics: Iterable[str] = (),
        outputs: Iterable[str] = (),
        models: Mapping[str, ModelName] | None = None,
        batch_bytes: int = DEFAULT_BYTES,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._wall_clock = wall_clock
        self._since: dict[str, float | None] = {}
        self._topics = tuple(topics)
        self._ledger = Ledger(pipeline, Series())
        self._batches = Batches(self._ledger, dict(models or {}), batch_bytes)
        self._clients = Clients(self._ledger)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self._ledger.series.set(
            table.BUILD.name, (stream.__version__, platform.python_version(), version("confluent-kafka")), 1
        )
        self._start_at_zero(outputs, models or {})

    def state(self, state: State) -> None:
        with self._ledger.series.together():
            for other in State:
                self._ledger.set(table.STATE, float(other is state), other.value)

    def iterated(self, now: float) -> None:
        """The loop went round. now: seconds since the epoch."""
        self._ledger.set(table.ITERATION, now)

    def spent(self, activity: str, seconds: float) -> None:
        """Time of the loop: idle, read, process, commit, recover, pause."""
        self._ledger.add(table.LOOP_SECONDS, seconds, activity)

    def committed(
        self, outcome: Outcome, *, now: float, transaction_s: float, retried: Collection[int] = frozenset()
    ) -> None:
        """Count a batch whose transaction is committed.

        retried: message rows of outcome.failures that went to a retry tier; the others are dead letters.
        """
        with self._ledger.series.together():
            self._batches.count(outcome, now, retried)
            self._ledger.add(table.TRANSACTIONS, 1, "committed")
            self._ledger.observe(table.TRANSACTION_SECONDS, transaction_s)
            self._ledger.set(table.LAST_COMMIT, now)

    def transaction_failed(self) -> None:
        self._ledger.add(table.TRANSACTIONS, 1, "failed")

    def recovered(self, reason: str) -> None:
        self._ledger.add(table.RECOVERIES, 1, reason)

    def paused(self, reason: str) -> None:
        self._ledger.add(table.PAUSES, 1, reason)

    def rebalanced(self, kind: str) -> None:
        """kind: assigned, revoked, lost."""
        self._ledger.add(table.REBALANCES, 1, kind)

    def kafka_error(self, client: str, name: str) -> None:
        """client: consumer or producer; name: librdkafka's error name, such as "_TRANSPORT"."""
        self._clients.error(client, name)

    def statistics(self, client: str, text: str) -> None:
        """text: librdkafka's statistics in JSON."""
        self._clients.statistics(client, text)

    def retries_waiting(self, events: Mapping[str, int]) -> None:
        """Events in each retry tier, of all workers."""
        for tier, number in events.items():
            self._ledger.set(table.RETRY_WAITING, number, tier)

    def retries_due(self, due_s: Mapping[str, float]) -> None:
        """When the first waiting event of each tier is due, seconds since the epoch; tiers left out have none."""
        with self._ledger.series.together():
            self._ledger.series.clear(table.RETRY_DUE.name)
            for tier, seconds in due_s.items():
                self._ledger.set(table.RETRY_DUE, seconds, tier)

    def held(self, since_s: Mapping[str, Sequence[float]]) -> None:
        """By topic, since when each of its held partitions waits, seconds since the epoch; the others have none."""
        with self._ledger.series.together():
            self._ledger.series.clear(table.HELD.name)
            self._ledger.series.clear(table.HELD_SINCE.name)
            for topic in dict.fromkeys((*self._topics, *since_s)):
                self._ledger.set(table.HELD, len(since_s.get(topic, ())), topic)
            for topic, times in since_s.items():
                self._ledger.set(table.HELD_SINCE, min(times), topic)

    def http_calls(self, stage: str) -> StageCalls:
        """What the http stage of this name tells of its calls; its series exist from now on."""
        return StageCalls(stage, self._ledger)

    def oldest_dead_letter(self, topic: str, failed_s: float | None) -> None:
        """When the oldest one failed that nobody has resolved; None when there is none."""
        self._ledger.series.clear(table.OLDEST_LETTER.name)
        if failed_s is not None:
            self._ledger.set(table.OLDEST_LETTER, failed_s, topic)

    def inflight(self, events: int) -> None:
        self._ledger.set(table.INFLIGHT, events)

    def newest_event(self, topic: str, seconds: float) -> None:
        """Its timestamp, seconds since the epoch."""
        self._ledger.set(table.NEWEST_EVENT, seconds, topic)

    def rebalance_took(self, seconds: float) -> None:
        self._ledger.observe(table.REBALANCE_SECONDS, seconds)

    def lag(self, partitions: Sequence[PartitionLag]) -> None:
        """The assigned partitions and what is not committed in each; those of before are forgotten."""
        with self._ledger.series.together():
            for gauge in (table.LAG_EVENTS, table.CAUGHT_UP, table.ASSIGNED):
                self._ledger.series.clear(gauge.name)
            self._since = {}
            for topic in dict.fromkeys((*self._topics, *(p.topic for p in partitions))):
                self._lag_of(topic, [p for p in partitions if p.topic == topic], len(partitions) > MAX_PARTITION_SERIES)

    def in_hand(self, topic: str, since: float) -> None:
        """An event of this age (seconds since the epoch) was taken in: until lag() says otherwise it is behind."""
        with self._ledger.series.together():
            known = self._since.get(topic)
            self._since[topic] = since if known is None else min(since, known)
            self._ledger.set(table.CAUGHT_UP, 0, topic)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """(the page, its content type) for a scrape with this Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Family]:
        """All series, as prometheus_client takes them (the protocol of its Collector)."""
        with self._ledger.series.together():
            self._age()
            yield from [self._family(metric) for metric in METRICS]

    def _age(self) -> None:
        """Seconds behind as of now: a loop that is stuck would stop an age that it had to tell itself."""
        self._ledger.series.clear(table.LAG_SECONDS.name)
        for topic, since in self._since.items():
            self._ledger.set(table.LAG_SECONDS, 0.0 if since is None else max(0.0, self._wall_clock() - since), topic)

    def _family(self, metric: Metric) -> Family:
        if metric.kind is Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.label_names)
            for labels, found in self._ledger.series.distributions(metric.name).items():
                histogram.add_metric(labels, found.cumulative(metric.buckets), found.total)
            return histogram
        kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
        family = kind(metric.name, metric.meaning, labels=metric.label_names)
        for labels, value in self._ledger.series.numbers(metric.name).items():
            family.add_metric(labels, value)
        return family

    def _start_at_zero(self, outputs: Iterable[str], models: Mapping[str, ModelName]) -> None:
        """Series that exist from the start, so that a rate sees the first event too."""
        for metric in METRICS:
            if metric.kind is Kind.COUNTER and all(label.values for label in metric.labels[1:]):
                for labels in itertools.product(*(label.values for label in metric.labels[1:])):
                    self._ledger.add(metric, 0, *labels)
            elif metric.kind is Kind.HISTOGRAM and len(metric.labels) == 1:
                self._ledger.observe(metric, np.zeros(0))
        for reason in PAUSE_REASONS:
            self._ledger.add(table.PAUSES, 0, reason)
        for topic in self._topics:
            self._ledger.add(table.RECEIVED, 0, topic)
            self._ledger.set(table.ASSIGNED, 0, topic)
        for topic in outputs:
            self._ledger.add(table.SENT, 0, topic)
        for stage, (model, number, digest, load_s) in models.items():
            self._ledger.set(table.MODEL, 1, stage, model, number, digest[:12])
            self._ledger.set(table.MODEL_LOAD, load_s, stage, model, number)
            for outcome in ("passed", "failed"):
                self._ledger.add(table.INFERENCE_EVENTS, 0, model, number, outcome)
        self.state(State.STARTING)

    def _lag_of(self, topic: str, partitions: Sequence[PartitionLag], together: bool) -> None:
        self._ledger.set(table.ASSIGNED, len(partitions), topic)
        self._ledger.set(table.CAUGHT_UP, float(all(p.events == 0 for p in partitions)), topic)
        since = [p.since for p in partitions if p.since is not None]
        if since or (partitions and all(p.events == 0 for p in partitions)):
            self._since[topic] = min(since, default=None)
        for p in partitions:
            if p.events is not None:
                self._ledger.add(table.LAG_EVENTS, p.events, topic, ALL if together else str(p.partition))
