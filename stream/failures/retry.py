"""Retry tiers: an event that may pass later waits in a topic of its own, with the time it is due.

Each tier holds one delay, so the head of a partition is always due first. The record is written in the
batch's own transaction, and read again by the same worker, never early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream.batch import Failure, FailureClass, Messages, Outcome, Record
from stream.failures.dead_letter import DeadLetters
from stream.failures.headers import DUE, TIMESTAMP, attempts_of, error_headers, own_headers, size


@dataclass(frozen=True, slots=True)
class Tier:
    """A topic whose events are due delay_s seconds after they were written to it."""

    topic: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Routed:
    """Where the failures of one outcome go. retried: message rows that went to a tier."""

    records: Sequence[Record]
    retried: frozenset[int]


@dataclass(frozen=True, slots=True)
class FailureRouter:
    """Decides for each failure: the next tier while there is one and it may help, else the dead letters."""

    dead_letters: DeadLetters
    tiers: Sequence[Tier] = ()

    def route(self, outcome: Outcome, now_ms: int) -> Routed:
        records, retried = [], set()
        for failure in outcome.failures:
            retry = self._retry(failure, outcome.messages, now_ms)
            if retry is not None:
                retried.add(failure.row)
            records.append(retry or self.dead_letters.record(failure, outcome.messages, now_ms))
        return Routed(records, frozenset(retried))

    def _retry(self, failure: Failure, messages: Messages, now_ms: int) -> Record | None:
        """None when it cannot help, when all tiers were tried, or when the event is too large to be written again."""
        row = failure.row
        attempt = attempts_of(messages, row)
        if failure.kind is not FailureClass.TRANSIENT or attempt > len(self.tiers):
            return None
        tier = self.tiers[attempt - 1]
        key, value = messages.key(row), messages.value(row)
        headers = [
            *own_headers(messages.headers_of(row)),
            *error_headers(failure, messages, self.dead_letters.pipeline, now_ms),
            (DUE, b"%d" % (now_ms + int(tier.delay_s * 1000))),
            (TIMESTAMP, b"%d" % messages.timestamp[row]),
        ]
        if size(key, value, headers) > self.dead_letters.max_bytes:
            return None
        return Record(tier.topic, key, value, headers, now_ms)
