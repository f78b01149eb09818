"""What a run is made of, and what can be told of it at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream.chaos.events import Place
from stream.chaos.faults import Chosen, Fault, Kind
from stream.chaos.rhythm import Rhythm


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of. seconds: over which the faults are spread; events: how many at most, 0 for as many as
    come in that time."""

    seed: int
    seconds: float
    chosen: Chosen
    schedule: Sequence[Fault]
    workers: int
    brokers: int
    rate: float
    protocol: str = "classic"
    events: int = 0
    keep: bool = False
    load: Rhythm = Rhythm.STEADY


@dataclass(frozen=True, slots=True)
class Look:
    """What can be told at one moment."""

    act: str
    elapsed_s: float
    plan: Plan
    sent: int
    ended: Mapping[Place, int]
    done: Mapping[Kind, int]
    hurt: int
    """Faults whose partitions do not all flow again yet."""
    alive: int
    brokers: int
