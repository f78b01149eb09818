"""What is counted of a batch, once its transaction is committed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.batch import FailureGroup, Messages, Outcome, StageReport, grouped
from stream.metrics import table
from stream.metrics.ledger import Ledger


class ModelName(NamedTuple):
    """digest: of the model file, in hexadecimal. load_s: what it took to load and prove."""

    model: str
    version: str
    digest: str = ""
    load_s: float = 0.0


DEFAULT_BYTES: Final = 16 * 1024 * 1024


class Batches:
    """Counts batches. models: stage name -> the model it runs; batch_bytes: what one may have at most."""

    def __init__(self, ledger: Ledger, models: Mapping[str, ModelName], batch_bytes: int) -> None:
        self._ledger, self._models, self._batch_bytes = ledger, models, batch_bytes

    def count(self, outcome: Outcome, now: float, retried: Collection[int]) -> None:
        """now: seconds since the epoch; retried: message rows of outcome.failures that went to a retry tier."""
        self._count_received(outcome.messages, now)
        self._count_outcomes(outcome, retried)
        self._count_stages(outcome.reports)
        self._count_validation(outcome)
        for (stage, column), values in outcome.scores.items():
            if model := self._models.get(stage):
                self._ledger.observe(table.SCORES, values, *model[:2], column)

    def _count_received(self, messages: Messages, now: float) -> None:
        for index, topic in enumerate(messages.topics):
            self._ledger.add(table.RECEIVED, int(np.count_nonzero(messages.topic == index)), topic)
        self._ledger.add(table.RECEIVED_BYTES, int(messages.value_offsets[-1]) + int(messages.key_offsets[-1]))
        self._ledger.observe(table.BATCH, len(messages))
        self._ledger.add(table.BATCHES, 1, self._closed_by(messages))
        self._ledger.observe(table.LATENCY, _ages(messages.timestamp, now))

    def _count_outcomes(self, outcome: Outcome, retried: Collection[int]) -> None:
        again, dead = (part.count(_label) for part in grouped(outcome.failures).split(retried))
        for metric, counts in ((table.DEAD_LETTERS, dead), (table.RETRIES, again)):
            for (stage, reason), events in counts.items():
                self._ledger.add(metric, events, stage, reason)
        for rows in outcome.outputs:
            self._ledger.add(table.SENT, len(rows), rows.topic)
        self._ledger.add(table.EVENTS, sum(map(len, outcome.outputs)), "output")
        self._ledger.add(table.EVENTS, outcome.filtered, "filtered")
        self._ledger.add(table.EVENTS, dead.total(), "dead_letter")
        self._ledger.add(table.EVENTS, again.total(), "retried")

    def _closed_by(self, messages: Messages) -> str:
        """A full batch was closed by its bytes when one more event of its mean size would not have fitted."""
        if not messages.full:
            return "wait"
        events, size = len(messages), int(messages.value_offsets[-1])
        return "bytes" if size + size / max(1, events) > self._batch_bytes else "events"

    def _count_stages(self, reports: Iterable[StageReport]) -> None:
        for report in reports:
            self._ledger.observe(table.STAGE_SECONDS, report.seconds, report.stage)
            self._ledger.add(table.STAGE_EVENTS, report.passed, report.stage, "passed")
            self._ledger.add(table.STAGE_EVENTS, report.failed, report.stage, "failed")
            if model := self._models.get(report.stage):
                self._ledger.observe(table.INFERENCE_SECONDS, report.seconds, *model[:2])
                self._ledger.add(table.INFERENCE_EVENTS, report.passed, *model[:2], "passed")
                self._ledger.add(table.INFERENCE_EVENTS, report.failed, *model[:2], "failed")

    def _count_validation(self, outcome: Outcome) -> None:
        for (suite, expectation), misses in outcome.warning_counts.items():
            self._ledger.add(table.VALIDATION, misses, suite, expectation, "warning")
        for group in grouped(outcome.failures).groups:
            if "suite" in group.facts:
                for expectation in group.facts["expectations"].split(","):
                    self._ledger.add(table.VALIDATION, len(group.rows), group.facts["suite"], expectation, "critical")


def _ages(stamps: npt.NDArray[np.int64], now: float) -> npt.NDArray[np.float64]:
    """Seconds since the timestamps that there are. Clocks differ: an event from the future is as old as 0."""
    there = stamps if len(stamps) and stamps.min() >= 0 else stamps[stamps >= 0]
    ages = np.subtract(now * 1000, there, dtype=np.float64)
    np.maximum(ages, 0, out=ages)
    ages /= 1000
    return ages


def _label(group: FailureGroup) -> tuple[str, str]:
    return group.stage, group.reason
