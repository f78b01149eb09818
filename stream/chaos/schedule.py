"""What happens when: a pure function of the seed and of what a run is made of."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from stream.chaos.faults import ON_BROKERS, STEPS, TRAITS, Fault, Kind
from stream.failpoints import FAILPOINTS

FIRST_AT_S: Final = 2.0
BROKER_REST_S: Final = 10.0
"""From the end of one broker's fault to the begin of the next: its replicas must be in sync again."""
AWAY_REST_S: Final = 3.0
"""The same for workers that were taken away and kinds that keep them from starting."""
MAX_PASSES: Final = 4
"""A failpoint kills when it is reached the first to so-many-th time."""


def schedule(
    seed: int, seconds: float, kinds: Sequence[Kind], *, workers: int, brokers: int, every_s: float
) -> tuple[Fault, ...]:
    """Faults in the order of their times, the first of every kind before any comes twice, none that would overlap.

    every_s: mean time from one to the next; the gaps lie between half and one and a half of it. Two faults of
    brokers never overlap, nor do two of kinds that keep workers away. The same arguments give the same faults.
    """
    chance = random.Random(f"stream chaos {seed}")
    deck, rests = _deck(chance, kinds), _Rests()
    found: list[Fault] = []
    at_s = FIRST_AT_S
    while at_s < seconds:
        kind = rests.next(deck, at_s)
        if kind is None:
            at_s = rests.over_s(kinds, at_s)
            continue
        found.append(_fault(chance, kind, at_s, workers, brokers))
        rests.begin(found[-1])
        at_s += every_s * (0.5 + chance.random())
    return tuple(found)


@dataclass(slots=True)
class _Rests:
    """Until when nothing of a resource may begin, and the kinds that were drawn too early."""

    _until_s: dict[str, float] = field(default_factory=dict)
    _early: list[Kind] = field(default_factory=list)

    def next(self, deck: Iterator[Kind], at_s: float) -> Kind | None:
        """A kind that may begin now; None when the one that was drawn may not."""
        for kind in self._early:
            if self._free(kind, at_s):
                self._early.remove(kind)
                return kind
        kind = next(deck)
        if self._free(kind, at_s):
            return kind
        self._early += [kind] if kind not in self._early else []
        return None

    def begin(self, fault: Fault) -> None:
        resource, rest_s = _resource(fault.kind)
        if resource:
            self._until_s[resource] = fault.at_s + fault.lasts_s + rest_s

    def over_s(self, kinds: Sequence[Kind], now_s: float) -> float:
        """Now, when one of the kinds may begin; else when the first of them may."""
        if any(self._free(kind, now_s) for kind in kinds):
            return now_s
        return min(self._until_s[resource] for kind in kinds if (resource := _resource(kind)[0]))

    def _free(self, kind: Kind, at_s: float) -> bool:
        return at_s >= self._until_s.get(_resource(kind)[0] or "", 0.0)


def _deck(chance: random.Random, kinds: Sequence[Kind]) -> Iterator[Kind]:
    """Each kind once in random order, then drawn by weight for ever."""
    once = sorted(kinds, key=lambda _kind: chance.random())
    yield from once
    weighted = [kind for kind in kinds for _ in range(TRAITS[kind].weight)]
    while True:
        yield weighted[int(chance.random() * len(weighted))]


def _fault(chance: random.Random, kind: Kind, at_s: float, workers: int, brokers: int) -> Fault:
    low, high = TRAITS[kind].lasts_s
    target = 1 + int(chance.random() * (brokers if kind in ON_BROKERS else workers))
    lasts_s = round(low + chance.random() * (high - low), 3)
    return Fault(round(at_s, 3), kind, target, lasts_s, _detail(chance, kind, brokers))


def _detail(chance: random.Random, kind: Kind, brokers: int) -> str:
    """What the kind alone does not say; the same number of draws for each kind."""
    one, two = chance.random(), chance.random()
    step = STEPS[int(two * len(STEPS))]
    match kind:
        case Kind.FAILPOINT:
            return f"{FAILPOINTS[int(one * len(FAILPOINTS))]}:{1 + int(two * MAX_PASSES)}"
        case Kind.CUT:
            return ("all", f"broker {int(two * brokers)}", f"before {step}", f"after {step}")[int(one * 4)]
        case Kind.DELAY:
            return f"{int(20 + one * 130)} ms"
        case Kind.HOLD:
            return f"{step} {('hang', 'cut')[int(one * 2)]}"
        case _:
            return ""


def _resource(kind: Kind) -> tuple[str, float]:
    """What a fault needs for itself, and how long that must rest afterwards."""
    if kind in ON_BROKERS:
        return "broker", BROKER_REST_S
    if kind in (Kind.LEAVE, Kind.MODEL, Kind.REGISTRY, Kind.JOIN):
        return "away", AWAY_REST_S
    return "", 0.0
