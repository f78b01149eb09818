"""Holding a partition: an event waits where it is, and what is behind it waits too.

In strict order each transient failure does that. In relaxed order it is what `on_exhausted: hold` asks for
after the last attempt, and what becomes of events whose turn did not come within the batch's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from stream.batch import Messages, Outcome, Rows, pack
from stream.failures.headers import Earlier

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Hold:
    """Read on from offset in this partition, but not before until_ms (ms since the epoch).

    row: of the message that waits. failed: its attempts, the one that failed just now included; None when
    it was not tried. stage, reason: of that failure.
    """

    where: Partition
    offset: int
    until_ms: int
    row: int
    failed: Earlier | None = None
    stage: str = ""
    reason: str = ""


@dataclass(slots=True)
class HeldAttempts:
    """Attempts of the events that hold partitions, one each. In memory: a restart begins anew, which only
    means more attempts.
    """

    _held: dict[Partition, tuple[int, Earlier]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._held)

    def of(self, where: Partition, offset: int) -> Earlier | None:
        held, earlier = self._held.get(where, (-1, None))
        return earlier if held == offset else None

    def note(self, hold: Hold) -> None:
        if hold.failed is not None:
            self._held[hold.where] = (hold.offset, hold.failed)


def without(outcome: Outcome, first: Mapping[Partition, int]) -> Outcome:
    """The outcome less, in each of these partitions, the given message row and all behind it.

    Partitions are those the messages were read from now, a retry tier's for example.
    """
    messages = outcome.messages
    places = messages.places
    keep = np.ones(len(messages), np.bool_)
    for where, row in first.items():
        keep &= ~(places.of(*where) & (np.arange(len(messages)) >= row))
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


def _next_offsets(
    messages: Messages, keep: npt.NDArray[np.bool_], first: Mapping[Partition, int]
) -> dict[Partition, int]:
    """A held partition goes on at the event that holds it, if anything before it was processed at all."""
    offsets = dict(messages.next_offsets)
    for where, row in first.items():
        if (messages.places.of(*where) & keep).any():
            offsets[where] = int(messages.places.offset[row])
        else:
            del offsets[where]
    return offsets


def _kept(rows: Rows, keep: npt.NDArray[np.bool_], index: npt.NDArray[np.int64]) -> Rows:
    chosen = keep[rows.rows]
    if chosen.all():
        return Rows(rows.topic, index[rows.rows], rows.values, rows.value_offsets)
    view, offsets = memoryview(rows.values), rows.value_offsets.tolist()
    parts = [bytes(view[offsets[i] : offsets[i + 1]]) for i in np.flatnonzero(chosen).tolist()]
    values, value_offsets = pack(parts)
    return Rows(rows.topic, index[rows.rows[chosen]], values, value_offsets)
