"""What was read of each partition and is not committed yet, and how old it is: for lag that does not lie.

A batch that waits for a service, or is made again and again, was read to the end of its partitions; nothing of
it is done all the same.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stream.batch import Messages
from stream.messages import Places

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Held:
    """Offsets first to next_offset - 1 are in hand; the oldest has this timestamp (ms, None when none has one)."""

    first: int
    next_offset: int
    oldest_ms: int | None


@dataclass(slots=True)
class Uncommitted:
    """Notes what is read and what is committed. Of a partition there is one stretch at most."""

    held: dict[Partition, Held] = field(default_factory=dict)
    newest_ms: dict[Partition, int] = field(default_factory=dict)
    """The timestamp of the last committed event of each partition."""

    def read(self, messages: Messages) -> None:
        places = messages.places
        firsts = _ends(places, last=False)
        for where, next_offset in messages.next_offsets.items():
            row = firsts.get(where)
            if row is not None:
                oldest = _stamp(messages, row)
                found = Held(int(places.offset[row]), next_offset, oldest)
                self.held[where] = _joined(self.held[where], found) if where in self.held else found

    def committed(self, messages: Messages) -> None:
        for where, row in _ends(messages.places, last=True).items():
            if (stamp := _stamp(messages, row)) is not None:
                self.newest_ms[where] = stamp
        for where, done in messages.next_offsets.items():
            held = self.held.get(where)
            if held is not None and done >= held.next_offset:
                del self.held[where]
            elif held is not None:
                # what is left is at least as new as what was done
                self.held[where] = Held(done, held.next_offset, self.newest_ms.get(where, held.oldest_ms))

    def keep(self, owned: Container[Partition]) -> None:
        """Forget the other partitions: they are another worker's now."""
        self.held = {p: held for p, held in self.held.items() if p in owned}
        self.newest_ms = {p: stamp for p, stamp in self.newest_ms.items() if p in owned}

    def forget(self, where: Partition) -> None:
        """Nothing of it is in hand any more."""
        self.held.pop(where, None)

    def events(self, where: Partition) -> int:
        """In hand, at most: offsets have gaps."""
        held = self.held.get(where)
        return held.next_offset - held.first if held is not None else 0

    def oldest_ms(self, where: Partition) -> int | None:
        held = self.held.get(where)
        return held.oldest_ms if held is not None else None


def _joined(a: Held, b: Held) -> Held:
    stamps = [held.oldest_ms for held in (a, b) if held.oldest_ms is not None]
    return Held(min(a.first, b.first), max(a.next_offset, b.next_offset), min(stamps, default=None))


def _stamp(messages: Messages, row: int) -> int | None:
    stamp = int(messages.timestamp[row])
    return stamp if stamp >= 0 else None


def _ends(places: Places, *, last: bool) -> dict[Partition, int]:
    """The row of the first, or last, message of each partition; those of one are in the order of offsets."""
    n = len(places.offset)
    if not n:
        return {}
    width = int(places.partition.max()) + 1
    slots = places.topic.astype(np.int64) * width + places.partition
    rows = np.full(len(places.topics) * width, -1, np.int64)
    order: npt.NDArray[np.int64] = np.arange(n) if last else np.arange(n)[::-1]
    rows[slots[order]] = order  # of equal indices the last assignment stays
    return {
        (places.topics[slot // width], int(slot % width)): int(rows[slot])
        for slot in np.flatnonzero(rows >= 0).tolist()
    }
