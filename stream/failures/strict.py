"""Strict order: an event that may pass later holds its partition, and what is behind it waits too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from stream.batch import FailureClass, Messages, Origin, Outcome, Rows, pack

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Hold:
    """Read on from offset in this partition, but not before until_ms (ms since the epoch)."""

    where: Partition
    offset: int
    until_ms: int


@dataclass(slots=True)
class StrictOrder:
    """Cuts outcomes at transient failures. delays_s: waits before each further attempt of one event.

    After the last of them the event is let through as it is, to become a dead letter. Attempts are
    counted in memory: a restart begins anew, which only means more attempts.
    """

    delays_s: Sequence[float]
    _tries: dict[Partition, tuple[int, int]] = field(default_factory=dict)
    """(offset, attempts so far) of the event that holds a partition."""

    def cut(self, outcome: Outcome, now_ms: int) -> tuple[Outcome, list[Hold]]:
        """The part of the outcome that may be committed now, and the partitions to hold."""
        messages = outcome.messages
        first: dict[Partition, int] = {}
        for failure in sorted(outcome.failures, key=lambda f: f.row):
            if failure.kind is FailureClass.TRANSIENT and self._may_wait(messages.origin(failure.row)):
                topic, partition, _ = messages.origin(failure.row)
                first.setdefault((topic, partition), failure.row)
        holds = [self._hold(where, messages.origin(row), now_ms) for where, row in first.items()]
        return (without(outcome, first), holds) if first else (outcome, [])

    def _may_wait(self, origin: Origin) -> bool:
        offset, tries = self._tries.get(origin[:2], (-1, 0))
        return (tries if offset == origin.offset else 0) < len(self.delays_s)

    def _hold(self, where: Partition, origin: Origin, now_ms: int) -> Hold:
        offset, tries = self._tries.get(where, (-1, 0))
        tries = tries if offset == origin.offset else 0
        self._tries[where] = (origin.offset, tries + 1)
        return Hold(where, origin.offset, now_ms + int(self.delays_s[tries] * 1000))


def without(outcome: Outcome, first: dict[Partition, int]) -> Outcome:
    """The outcome less, in each of these partitions, the given message row and all behind it."""
    messages = outcome.messages
    keep = np.ones(len(messages), np.bool_)
    for (topic, partition), row in first.items():
        of_it = (messages.topic == messages.topics.index(topic)) & (messages.partition == partition)
        keep &= ~(of_it & (np.arange(len(messages)) >= row))
    index = np.cumsum(keep) - 1
    outputs = [_kept(rows, keep, index) for rows in outcome.outputs]
    failures = [replace(f, row=int(index[f.row])) for f in outcome.failures if keep[f.row]]
    left = int(keep.sum()) - sum(map(len, outputs)) - len(failures)
    return replace(
        outcome,
        messages=messages.take(keep, _next_offsets(messages, keep, first)),
        outputs=[rows for rows in outputs if len(rows)],
        failures=failures,
        filtered=left,
        warnings={int(index[row]): ids for row, ids in outcome.warnings.items() if keep[row]},
    )


def _next_offsets(messages: Messages, keep: npt.NDArray[np.bool_], first: dict[Partition, int]) -> dict[Partition, int]:
    """A held partition goes on at the event that holds it, if anything before it was processed at all."""
    offsets = dict(messages.next_offsets)
    for (topic, partition), row in first.items():
        of_it = (messages.topic == messages.topics.index(topic)) & (messages.partition == partition)
        if (of_it & keep).any():
            offsets[topic, partition] = int(messages.offset[row])
        else:
            del offsets[topic, partition]
    return offsets


def _kept(rows: Rows, keep: npt.NDArray[np.bool_], index: npt.NDArray[np.int64]) -> Rows:
    chosen = keep[rows.rows]
    if chosen.all():
        return Rows(rows.topic, index[rows.rows], rows.values, rows.value_offsets)
    view, offsets = memoryview(rows.values), rows.value_offsets.tolist()
    parts = [bytes(view[offsets[i] : offsets[i + 1]]) for i in np.flatnonzero(chosen).tolist()]
    values, value_offsets = pack(parts)
    return Rows(rows.topic, index[rows.rows[chosen]], values, value_offsets)
