"""Tells operators what the loop does: metrics, health pages, one log line a batch, and the watchdog's beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import structlog

from stream.batch import Messages, Outcome
from stream.errors import AttemptError, SystemicError, TransactionError
from stream.health import Health, State
from stream.kafka.assignment import Assignment
from stream.kafka.gather import Partition
from stream.logs import committed_fields, logger
from stream.metrics import Metrics, PartitionLag
from stream.watchdog import Watchdog

LOOK_EVERY_S: Final = 1.0
"""How often lag, assignment and the loop's timestamp are brought up to date."""


@dataclass(slots=True)
class Reporter:
    """An Observer of the loop (`stream.worker`). lag: events not read yet by partition, no request made."""

    metrics: Metrics
    health: Health
    watchdog: Watchdog
    assignment: Assignment
    lag: Callable[[], Mapping[Partition, int]]
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    log: structlog.stdlib.BoundLogger = field(default_factory=lambda: logger("stream.worker"))
    _newest_ms: dict[Partition, int] = field(default_factory=dict)
    _rebalances: dict[str, int] = field(default_factory=dict)
    _next_look: float = 0.0

    def beat(self) -> None:
        now = self.clock()
        self.watchdog.beat()
        self.health.beat(now)
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_S
            self._look()

    def running(self) -> None:
        self._enter(State.RUNNING)

    def draining(self) -> None:
        self._enter(State.DRAINING, "told to stop, or caught up")

    def paused(self, error: SystemicError) -> None:
        self.metrics.paused(error.reason)
        self._enter(State.PAUSED, str(error))

    def failed(self, error: AttemptError) -> None:
        self.metrics.transaction_failed()
        self.log.warning("attempt failed: reading again from the committed offsets", error=str(error))
        self.metrics.recovered(error.reason if isinstance(error, TransactionError) else "systemic")

    def committed(self, outcome: Outcome, retried: frozenset[int], transaction_s: float) -> None:
        self.metrics.committed(outcome, now=self.wall_clock(), transaction_s=transaction_s, retried=retried)
        self._newest_ms.update(newest_ms(outcome.messages))
        self.log.info("committed", **committed_fields(outcome, transaction_s))

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
        self._newest_ms = {p: stamp for p, stamp in self._newest_ms.items() if p in owned}
        unread = self.lag()
        self.metrics.lag([PartitionLag(*p, unread.get(p), self._age_s(p, unread.get(p))) for p in sorted(owned)])
        self._count_rebalances()

    def _age_s(self, partition: Partition, unread: int | None) -> float | None:
        """The oldest unread event is at most as old as the newest one read."""
        if unread == 0:
            return 0.0
        newest = self._newest_ms.get(partition)
        return None if newest is None else max(0.0, self.wall_clock() - newest / 1000)

    def _count_rebalances(self) -> None:
        a = self.assignment
        for kind, count in (("assigned", a.assigned_count), ("revoked", a.revoked_count), ("lost", a.lost_count)):
            for _ in range(count - self._rebalances.get(kind, 0)):
                self.metrics.rebalanced(kind)
                self.log.info("rebalance", kind=kind, partitions=len(a.owned))
            self._rebalances[kind] = count


def newest_ms(messages: Messages) -> dict[Partition, int]:
    """The timestamp of the last message of each partition; messages of one are in the order of offsets."""
    if not len(messages):
        return {}
    width = int(messages.partition.max()) + 1
    slots = messages.topic.astype(np.int64) * width + messages.partition
    last = np.full(len(messages.topics) * width, -1, np.int64)
    last[slots] = np.arange(len(messages))  # of equal indices the last assignment stays
    return {
        (messages.topics[slot // width], int(slot % width)): int(messages.timestamp[last[slot]])
        for slot in np.flatnonzero(last >= 0)
        if messages.timestamp[last[slot]] >= 0
    }
