"""Tells operators what the loop does: metrics, health pages, one log line a batch, and the watchdog's beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from stream.batch import Messages, Outcome
from stream.errors import AttemptError, SystemicError, TransactionError
from stream.failures.strict import Hold
from stream.health import Health, State
from stream.held import HeldPartitions
from stream.kafka.assignment import Assignment
from stream.kafka.gather import Partition
from stream.logs import committed_fields, logger
from stream.metrics import Metrics, PartitionLag
from stream.uncommitted import Uncommitted
from stream.watchdog import Watchdog

LOOK_EVERY_S: Final = 1.0
"""How often lag, assignment and the loop's timestamp are brought up to date."""


@dataclass(slots=True)
class Reporter:
    """An Observer of the loop (`stream.worker`).

    lag: events not read yet by partition, no request made. due: until when partitions wait, ms since the epoch.
    tiers: retry topics, whose events wait on purpose and are no lag.
    """

    metrics: Metrics
    health: Health
    watchdog: Watchdog
    assignment: Assignment
    lag: Callable[[], Mapping[Partition, int]]
    due: Callable[[], Mapping[Partition, int]] = dict
    tiers: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    log: structlog.stdlib.BoundLogger = field(default_factory=lambda: logger("stream.worker"))
    _uncommitted: Uncommitted = field(default_factory=Uncommitted)
    _held: HeldPartitions = field(default_factory=HeldPartitions)
    _rebalances: dict[str, int] = field(default_factory=dict)
    _next_look: float = 0.0

    def beat(self) -> None:
        now = self.clock()
        self.watchdog.beat()
        self.health.beat(now)
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_S
            self._look()

    def spent(self, activity: str, seconds: float) -> None:
        self.metrics.spent(activity, seconds)

    def read(self, messages: Messages) -> None:
        self._uncommitted.read(messages)
        oldest: dict[str, float] = {}
        for where in messages.next_offsets:
            since = self._since(where)
            if since is not None and where[0] not in self.tiers:
                oldest[where[0]] = min(since, oldest.get(where[0], since))
        for topic, since in oldest.items():  # at once: should this batch hang, nothing is told any more
            self.metrics.in_hand(topic, since)

    def running(self) -> None:
        self._enter(State.RUNNING)

    def draining(self) -> None:
        self._enter(State.DRAINING, "told to stop, or caught up")

    def paused(self, error: SystemicError) -> None:
        self.metrics.paused(error.reason)
        self._enter(State.PAUSED, str(error))

    def failed(self, error: AttemptError) -> None:
        if isinstance(error, TransactionError):  # a pause of the stages', or of the limit, ends no transaction
            self.metrics.transaction_failed()
        self.log.warning("attempt failed: reading again from the committed offsets", error=str(error))
        self.metrics.recovered(error.reason if isinstance(error, TransactionError) else "systemic")

    def committed(self, outcome: Outcome, retried: frozenset[int], transaction_s: float) -> None:
        self.metrics.committed(outcome, now=self.wall_clock(), transaction_s=transaction_s, retried=retried)
        self._uncommitted.committed(outcome.messages)
        for hold in self._held.committed(outcome.messages.next_offsets):
            self.log.info("partition goes on", **_place(hold))
        self.log.info("committed", **committed_fields(outcome, transaction_s, retried))

    def holding(self, hold: Hold) -> None:
        """One log line an event, however often it is tried."""
        if (done := self._held.before(hold)) is not None:
            self.log.info("partition goes on", **_place(done))
        if self._held.hold(hold):
            wait_s = max(0.0, hold.until_ms / 1000 - self.wall_clock())
            facts = {"stage": hold.stage, "reason": hold.reason, "next_attempt_s": round(wait_s, 3)}
            self.log.warning("partition waits behind an event", **_place(hold), **facts)

    def _enter(self, state: State, reason: str = "") -> None:
        """One log line a change of state, none while it lasts."""
        if state is not self.health.state:
            self.log.info("state", state=state.value, reason=reason)
            self.metrics.state(state)
        self.health.set_state(state, reason)

    def _look(self) -> None:
        owned = self.assignment.owned
        self.metrics.iterated(self.wall_clock())
        self.health.set_assigned(len(owned))
        self._uncommitted.keep(owned)
        unread = self.lag()
        for where, events in unread.items():
            if events == 0 and where not in self.assignment.read:
                self._uncommitted.forget(where)  # it came back: what was in hand then, another worker committed
        inputs = sorted(p for p in owned if p[0] not in self.tiers)
        self.metrics.lag([self._partition_lag(p, unread.get(p)) for p in inputs])
        self.metrics.inflight(sum(self._uncommitted.events(p) for p in owned))
        self._tell_newest(inputs)
        self._tell_due()
        self._held.keep(owned)
        self.metrics.held({topic: [ms / 1000 for ms in since] for topic, since in self._held.since_ms().items()})
        self._count_rebalances()

    def _partition_lag(self, where: Partition, unread: int | None) -> PartitionLag:
        """Not committed: what is not read, and what is in hand."""
        if unread is None:
            return PartitionLag(*where, None, self._since(where))
        events = unread + self._uncommitted.events(where)
        return PartitionLag(*where, events, self._since(where) if events else None)

    def _since(self, where: Partition) -> float | None:
        """Of the oldest in hand; else what is unread is at most as old as the newest that was committed."""
        stamp = self._uncommitted.oldest_ms(where)
        stamp = self._uncommitted.newest_ms.get(where) if stamp is None else stamp
        return None if stamp is None else stamp / 1000

    def _tell_newest(self, inputs: Iterable[Partition]) -> None:
        newest: dict[str, int] = {}
        for where in inputs:
            stamp = self._uncommitted.newest_ms.get(where, -1)
            newest[where[0]] = max(newest.get(where[0], -1), stamp)
        for topic, stamp in newest.items():
            if stamp >= 0:
                self.metrics.newest_event(topic, stamp / 1000)

    def _tell_due(self) -> None:
        first: dict[str, float] = {}
        for (topic, _), due_ms in self.due().items():
            if topic in self.tiers:
                first[topic] = min(first.get(topic, due_ms / 1000), due_ms / 1000)
        self.metrics.retries_due(first)

    def _count_rebalances(self) -> None:
        a = self.assignment
        for kind, count in (("assigned", a.assigned_count), ("revoked", a.revoked_count), ("lost", a.lost_count)):
            for _ in range(count - self._rebalances.get(kind, 0)):
                self.metrics.rebalanced(kind)
                self.log.info("rebalance", kind=kind, partitions=len(a.owned))
            self._rebalances[kind] = count
        took, a.rebalances_s = a.rebalances_s, []
        for seconds in took:
            self.metrics.rebalance_took(seconds)


def _place(hold: Hold) -> dict[str, object]:
    """For the log: where the event is, and how often it failed."""
    (topic, partition), failed = hold.where, hold.failed
    return {
        "topic": topic,
        "partition": partition,
        "offset": hold.offset,
        "attempts": 0 if failed is None else failed.attempts,
    }
