"""Partitions that wait behind one event: since when, and for the log once as it begins and once as it ends."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from stream.failures.strict import Hold, Partition


@dataclass(slots=True)
class HeldPartitions:
    """Of a partition the event that holds it. One that only waits for its turn (`Hold.failed` is None) holds none."""

    _holds: dict[Partition, Hold] = field(default_factory=dict)

    def before(self, hold: Hold) -> Hold | None:
        """The event that held the partition until now, when this one is behind it: the batch got past it."""
        before = self._holds.get(hold.where) if hold.failed is not None else None
        return before if before is not None and before.offset < hold.offset else None

    def hold(self, hold: Hold) -> bool:
        """Whether this event did not hold the partition before."""
        if hold.failed is None:
            return False
        before = self._holds.get(hold.where)
        self._holds[hold.where] = hold
        return before is None or before.offset != hold.offset

    def committed(self, next_offsets: Mapping[Partition, int]) -> list[Hold]:
        """Those whose event is done: their partitions go on."""
        done = [h for where, h in self._holds.items() if next_offsets.get(where, -1) > h.offset]
        for hold in done:
            del self._holds[hold.where]
        return done

    def keep(self, owned: Container[Partition]) -> None:
        """Forget the other partitions: they are another worker's now."""
        self._holds = {where: hold for where, hold in self._holds.items() if where in owned}

    def since_ms(self) -> Mapping[str, list[int]]:
        """By topic, when the event of each held partition failed first; ms since the epoch."""
        since: dict[str, list[int]] = {}
        for (topic, _), hold in self._holds.items():
            if hold.failed is not None and hold.failed.first_failed_ms is not None:
                since.setdefault(topic, []).append(hold.failed.first_failed_ms)
        return since
