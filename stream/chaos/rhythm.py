"""How events come, and in which batches workers take them: steadily in small ones, or in bursts in slow ones."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Final


class Rhythm(enum.StrEnum):
    """The names of --load."""

    STEADY = "steady"
    BURSTS = "bursts"


EVENTS: Final[Mapping[Rhythm, int]] = {Rhythm.STEADY: 500, Rhythm.BURSTS: 5_000}
"""batch.events: with bursts no batch is full before its time."""
WAIT: Final[Mapping[Rhythm, str]] = {Rhythm.STEADY: "20ms", Rhythm.BURSTS: "4s"}
"""batch.wait. What is in hand for seconds while nothing more comes is there when a rebalance takes its partition."""
BURST_S: Final = (0.3, 1.0)
PAUSE_S: Final = (3.0, 7.0)
EVERY: Final = 3
"""One seed in so many has bursts, unless --load says otherwise."""


def of_seed(seed: int) -> Rhythm:
    return Rhythm.BURSTS if seed % EVERY == 0 else Rhythm.STEADY


def batch(rhythm: Rhythm) -> str:
    """The pipeline file's line."""
    return f"batch: {{events: {EVENTS[rhythm]}, bytes: 4MiB, wait: {WAIT[rhythm]}}}\n"


def due(rhythm: Rhythm, rate: float, seed: int) -> Callable[[float], int]:
    """How many events shall have been sent after so many seconds, which must not fall from call to call.

    rate: events a second, over a long time. The events of a burst and of the pause after it all come in the burst.
    """
    if rhythm is Rhythm.STEADY:
        return lambda elapsed_s: int(elapsed_s * rate)
    cycles = _cycles(random.Random(f"stream chaos load {seed}"))
    began, burst_s, ends = next(cycles)

    def in_bursts(elapsed_s: float) -> int:
        nonlocal began, burst_s, ends
        while elapsed_s >= ends:
            began, burst_s, ends = next(cycles)
        share = min(1.0, (elapsed_s - began) / burst_s)
        return int((began + share * (ends - began)) * rate)

    return in_bursts


def _cycles(chance: random.Random) -> Iterator[tuple[float, float, float]]:
    """(begin, seconds of the burst, end of the pause after it), one behind the other."""
    at_s = 0.0
    while True:
        burst_s = _between(chance, BURST_S)
        ends_s = at_s + burst_s + _between(chance, PAUSE_S)
        yield at_s, burst_s, ends_s
        at_s = ends_s


def _between(chance: random.Random, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return low + chance.random() * (high - low)
