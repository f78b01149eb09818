"""How long each fault stopped the results of its partitions, and the longest silence: reckoned from what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.chaos.faults import Fault


@dataclass(slots=True)
class Wound:
    """A fault that was done at a moment (seconds since the epoch), and the partitions that do not flow again yet."""

    fault: Fault
    moment_s: float
    affected: frozenset[int]
    open: set[int]
    recovered_s: float | None = None
    """Seconds from the fault until an event produced after it had come out of every affected partition."""
    alone: bool = True
    """No other wound was open at any time of it."""


@dataclass(slots=True)
class Pulse:
    """Told of every receipt, it knows which wounds are closed, and how long each partition was silent at most."""

    wounds: list[Wound] = field(default_factory=list)
    longest_silence_s: float = 0.0
    silent_partition: int | None = None
    silent_since_s: float = 0.0
    longest_healthy_silence_s: float = 0.0
    """The same of the times in which no wound was open."""
    _healthy_since_s: float = 0.0
    _last_s: dict[int, float] = field(default_factory=dict)
    _open: list[Wound] = field(default_factory=list)

    def begin(self, partitions: int, now_s: float) -> None:
        """From now on events are produced to every partition."""
        self._last_s, self._healthy_since_s = dict.fromkeys(range(partitions), now_s), now_s

    def hurt(self, fault: Fault, moment_s: float, affected: frozenset[int]) -> None:
        for partition in self._last_s:
            self._silence(partition, moment_s)
        wound = Wound(fault, moment_s, affected, set(affected), alone=not self._open)
        for other in self._open:
            other.alone = False
        self.wounds.append(wound)
        self._open.append(wound)

    def seen(self, at_s: float, newest_ms: Mapping[int, int]) -> None:
        """At a moment results of these partitions became visible; newest_ms: the latest timestamp of their events."""
        for partition in newest_ms:
            self._silence(partition, at_s)
            self._last_s[partition] = at_s
        for wound in list(self._open):
            wound.open -= {p for p, stamp in newest_ms.items() if stamp > wound.moment_s * 1000}
            if not wound.open:
                wound.recovered_s = at_s - wound.moment_s
                self._open.remove(wound)
                self._healthy_since_s = at_s

    def healed(self) -> bool:
        return not self._open

    def end(self, now_s: float) -> None:
        """Nothing is produced any more: silences that last are counted to here."""
        for partition in self._last_s:
            self._silence(partition, now_s)
        self._last_s = {}

    def _silence(self, partition: int, now_s: float) -> None:
        since_s = self._last_s.get(partition)
        if since_s is None:
            return
        if now_s - since_s > self.longest_silence_s:
            self.longest_silence_s, self.silent_partition = now_s - since_s, partition
            self.silent_since_s = since_s
        if not self._open:
            healthy_s = now_s - max(since_s, self._healthy_since_s)
            self.longest_healthy_silence_s = max(self.longest_healthy_silence_s, healthy_s)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident sizes of one process: (seconds since its start, bytes), and the slope of a line through them."""

    samples: tuple[tuple[float, int], ...]

    def slope(self, warm_up_s: float, at_least_s: float) -> float | None:
        """Bytes a minute after the warm-up; None when less than at_least_s were seen."""
        points = [(t, b) for t, b in self.samples if t >= warm_up_s]
        if len(points) < 3 or points[-1][0] - points[0][0] < at_least_s:
            return None
        mean_t = sum(t for t, _ in points) / len(points)
        mean_b = sum(b for _, b in points) / len(points)
        spread = sum((t - mean_t) ** 2 for t, _ in points)
        return 60 * sum((t - mean_t) * (b - mean_b) for t, b in points) / spread
