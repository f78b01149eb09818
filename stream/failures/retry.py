"""Where each failure of a batch goes: a retry tier, the dead letters, or nowhere yet, since it holds its partition.

An event that may pass later waits in a topic of its own, with the time it is due. Each tier holds one
delay, so the head of a partition is always due first. The record is written in the batch's own
transaction, and read again by the same worker, never early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.batch import Failure, FailureClass, Failures, Messages, Outcome, Record, RecordList, grouped
from stream.failures.dead_letter import DeadLetters
from stream.failures.headers import (
    DUE,
    TIMESTAMP,
    Earlier,
    earlier_of,
    error_headers,
    own_headers,
    size,
    stage_attempts,
)
from stream.failures.policy import Policies
from stream.failures.strict import HeldAttempts, Hold, Partition, without


@dataclass(frozen=True, slots=True)
class Routed:
    """outcome: what may be committed now. records: of its failures. retried: rows that went to a tier.

    holds: partitions that wait, at the first message that is not in the outcome any more.
    """

    outcome: Outcome
    records: RecordList = ()
    retried: frozenset[int] = frozenset()
    holds: Sequence[Hold] = ()


@dataclass(slots=True)
class FailureRouter:
    """Decides for each failure by the policy of its stage. strict: what may pass later never steps aside."""

    dead_letters: DeadLetters
    policies: Policies = field(default_factory=Policies)
    strict: bool = False
    _held: HeldAttempts = field(default_factory=HeldAttempts)

    def route(self, outcome: Outcome, now_ms: int) -> Routed:
        """now_ms: ms since the epoch. Nothing is remembered of it: see `holding`."""
        holds = self._holds(outcome, now_ms)
        kept = without(outcome, {hold.where: hold.row for hold in holds}) if holds else outcome
        failures = grouped(kept.failures)
        if (
            kept.messages.headers is None
            and not self._held
            and all(group.kind is FailureClass.POISON for group in failures.groups)
        ):
            return Routed(kept, self.dead_letters.records(failures, kept.messages, now_ms), holds=holds)
        records, retried = [], set()
        for failure in kept.failures:
            record = None
            if failure.kind is not FailureClass.POISON:
                record = self._retry(failure, kept.messages, now_ms)
            if record is not None:
                retried.add(failure.row)
            earlier = self._held_earlier(kept.messages, failure.row)
            records.append(record or self.dead_letters.record(failure, kept.messages, now_ms, earlier))
        return Routed(kept, records, frozenset(retried), holds)

    def holding(self, hold: Hold) -> None:
        """The partition waits: the attempt counts from now on."""
        self._held.note(hold)

    def _holds(self, outcome: Outcome, now_ms: int) -> list[Hold]:
        """At the first failure of each partition that must wait there."""
        waiting = [group for group in grouped(outcome.failures).groups if group.kind is not FailureClass.POISON]
        holds: dict[Partition, Hold] = {}
        for failure in Failures(waiting):
            where = outcome.messages.places.place(failure.row)[:2]
            hold = None if where in holds else self._hold(failure, outcome.messages, now_ms)
            if hold is not None:
                holds[where] = hold
        return list(holds.values())

    def _hold(self, failure: Failure, messages: Messages, now_ms: int) -> Hold | None:
        topic, partition, offset = messages.places.place(failure.row)
        if failure.kind is FailureClass.UNTRIED:
            return Hold((topic, partition), offset, now_ms, failure.row)
        failed = self._failed(failure, messages, now_ms)
        policy = self.policies.of(failure.stage)
        if not self.strict and policy.next(failed, failure.stage, now_ms) is not None:
            return None
        wait_s = policy.hold_s(failed, failure.stage, now_ms)
        if wait_s is None:
            return None
        until_ms = now_ms + int(wait_s * 1000)
        return Hold((topic, partition), offset, until_ms, failure.row, failed, failure.stage, failure.reason)

    def _retry(self, failure: Failure, messages: Messages, now_ms: int) -> Record | None:
        """None when all tiers were tried, in strict order, or when the event is too large to be written again."""
        row = failure.row
        failed = self._failed(failure, messages, now_ms)
        tier = None if self.strict else self.policies.of(failure.stage).next(failed, failure.stage, now_ms)
        if tier is None:
            return None
        key, value = messages.key(row), messages.value(row)
        headers = [
            *own_headers(messages.headers_of(row)),
            *error_headers(failure, messages, self.dead_letters.pipeline, now_ms, self._held_earlier(messages, row)),
            stage_attempts(failed),
            (DUE, b"%d" % (now_ms + int(tier.delay_s * 1000))),
            (TIMESTAMP, b"%d" % messages.timestamp[row]),
        ]
        if size(key, value, headers) > self.dead_letters.max_bytes:
            return None
        return Record(tier.topic, key, value, headers, now_ms)

    def _failed(self, failure: Failure, messages: Messages, now_ms: int) -> Earlier:
        """All failed attempts of the event, this one included."""
        earlier = self._held_earlier(messages, failure.row) or earlier_of(messages, failure.row)
        return earlier.failed(failure.stage, now_ms)

    def _held_earlier(self, messages: Messages, row: int) -> Earlier | None:
        """Attempts of an event that held its partition, which its headers do not tell."""
        if not self._held:
            return None
        topic, partition, offset = messages.places.place(row)
        return self._held.of((topic, partition), offset)
