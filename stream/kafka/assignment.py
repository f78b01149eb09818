"""What a consumer owns and how far it has read: notes taken by rebalance callbacks and polls.

The callbacks only take notes, after a transaction under way has ended (R7). The client itself assigns and
unassigns after them, in the way of the group's protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message, TopicPartition

from stream.kafka.gather import Partition


@dataclass(slots=True)
class Assignment:
    """Partitions owned now. before_revoke may wait for a transaction under way. Counters only rise."""

    before_revoke: Callable[[], object] = lambda: None
    clock: Callable[[], float] = time.monotonic
    owned: set[Partition] = field(default_factory=set)
    at_end: set[Partition] = field(default_factory=set)
    """Owned partitions of which everything there is was read."""
    read: dict[Partition, int] = field(default_factory=dict)
    """Next offset of each owned partition of which something was read."""
    without_offset: set[Partition] = field(default_factory=set)
    """Partitions for which the group has no usable committed offset."""
    joined: bool = False
    """An assignment, perhaps an empty one, has come at least once."""
    assigned_count: int = 0
    revoked_count: int = 0
    lost_count: int = 0
    rebalances_s: list[float] = field(default_factory=list)
    """From giving partitions back to the next assignment, until somebody takes them away from here."""
    _gave_back: float | None = None
    _revoked: set[Partition] = field(default_factory=set)
    _ends: dict[Partition, int] = field(default_factory=dict)

    def on_assign(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self.joined = True
        self.assigned_count += 1
        if self._gave_back is not None:
            self.rebalances_s = [*self.rebalances_s[-99:], self.clock() - self._gave_back]
            self._gave_back = None
        self.owned |= names(partitions)

    def on_revoke(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self.revoked_count += 1
        self._gave_back = self.clock() if self._gave_back is None else self._gave_back
        self.before_revoke()
        self._forget(names(partitions))

    def on_lost(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self.lost_count += 1
        self._gave_back = self.clock() if self._gave_back is None else self._gave_back
        self._forget(names(partitions))

    def lose_all(self) -> None:
        """The consumer is at its end, whether or not it has told of what it loses."""
        self.joined = False
        if self.owned:
            self.on_lost(None, [TopicPartition(*where) for where in self.owned])

    def keep_owned(self, earlier: list[Message], arrived: list[Message]) -> list[Message]:
        """Both lists as one, less what was revoked while `arrived` was fetched.

        The client drops a revoked partition's messages from the call under way; `earlier` it cannot reach.
        """
        if self._revoked:
            earlier = [m for m in earlier if (m.topic(), m.partition()) not in self._revoked]
            arrived = [m for m in arrived if (m.topic(), m.partition()) in self.owned]
            self._revoked.clear()
        return earlier + arrived if earlier else arrived

    def take_revoked(self) -> set[Partition]:
        """What was revoked since it was asked last, whether it came back or not."""
        revoked, self._revoked = self._revoked, set()
        return revoked

    def offset_missing(self, where: Partition) -> None:
        """The client says so; behind the revoke of its partition, by the same call, it is not ours any more."""
        if where in self.owned:
            self.without_offset.add(where)

    def end_seen(self, where: Partition, offset: int) -> None:
        self._ends[where] = offset

    def advance(self, next_offsets: Mapping[Partition, int]) -> None:
        """A batch was taken: note positions, then which partitions have nothing more."""
        self.read.update(next_offsets)
        self.at_end -= next_offsets.keys()
        self.at_end |= {p for p, end in self._ends.items() if p in self.owned and self.read.get(p, end) <= end}
        self._ends.clear()

    def sought(self, partitions: Iterable[Partition]) -> None:
        """The position was set: what was read before does not count any more."""
        for partition in partitions:
            self.read.pop(partition, None)
            self.at_end.discard(partition)
            self._ends.pop(partition, None)

    def standing_by(self) -> bool:
        """In the group, with no partition to work on."""
        return self.joined and not self.owned

    def _forget(self, partitions: set[Partition]) -> None:
        self.owned -= partitions
        self._revoked |= partitions
        self.without_offset -= partitions
        self.sought(partitions)


def names(partitions: Iterable[TopicPartition]) -> set[Partition]:
    return {(p.topic, p.partition) for p in partitions}
