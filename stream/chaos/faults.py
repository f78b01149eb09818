"""The kinds of faults: what each does, what it needs, and why one may be left out."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from stream.errors import ConfigurationError
from stream.suggestion import did_you_mean


class Kind(enum.StrEnum):
    """The names of --faults."""

    KILL = "kill"
    STOP = "stop"
    LEAVE = "leave"
    JOIN = "join"
    BROKER_KILL = "broker-kill"
    BROKER_STOP = "broker-stop"
    REGISTRY = "registry"
    MODEL = "model"
    DISK = "disk"
    FAILPOINT = "failpoint"
    CUT = "cut"
    DELAY = "delay"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Trait:
    """meaning is for a person. lasts_s: between which bounds; weight: how often it is drawn, against others."""

    meaning: str
    lasts_s: tuple[float, float] = (0.0, 0.0)
    weight: int = 1


TRAITS: Final[dict[Kind, Trait]] = {
    Kind.KILL: Trait("SIGKILL to a worker that has partitions; another one starts in its place", weight=5),
    Kind.STOP: Trait("SIGSTOP to a worker, at times past its session; then SIGCONT", (0.5, 9.0), 2),
    Kind.LEAVE: Trait("SIGTERM to a worker, which must end with 0; it comes back later", (1.0, 4.0)),
    Kind.JOIN: Trait("one more worker for a while", (4.0, 8.0)),
    Kind.BROKER_KILL: Trait("SIGKILL to one of three brokers, and its restart", (1.0, 5.0), 2),
    Kind.BROKER_STOP: Trait("SIGTERM to one of three brokers, and its restart", (1.0, 5.0)),
    Kind.REGISTRY: Trait("the schema registry answers 503, just when a schema comes that nobody has seen", (2.0, 5.0)),
    Kind.MODEL: Trait(
        "another model file is put in place: workers that start refuse it until the right one is back", (4.0, 7.0)
    ),
    Kind.FAILPOINT: Trait("a worker that dies at a named step of its loop, inside of a transaction for example"),
    Kind.DISK: Trait("the disk of one of three brokers is full; freed, and the broker started again", (3.0, 6.0)),
    Kind.CUT: Trait("connections to Kafka closed: all of a broker's, or one at a step of the transaction", weight=2),
    Kind.DELAY: Trait("every request to Kafka arrives later", (2.0, 5.0)),
    Kind.HOLD: Trait(
        "a request of a transaction is held back, and reaches Kafka long after it was sent", (0.5, 4.0), 2
    ),
}
ON_BROKERS: Final = frozenset({Kind.BROKER_KILL, Kind.BROKER_STOP, Kind.DISK})
ON_WORKERS: Final = frozenset({Kind.KILL, Kind.STOP, Kind.LEAVE, Kind.MODEL, Kind.FAILPOINT})
"""Those that hit a worker, and the partitions that it has."""
ON_NETWORK: Final = frozenset({Kind.CUT, Kind.DELAY, Kind.HOLD})
"""Those that a proxy between workers and brokers makes."""
STEPS: Final = ("AddPartitionsToTxn", "Produce", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn")
"""Requests of a transaction, in their order."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a schedule. at_s: seconds from the start; target: the number of a worker's slot, or of a broker."""

    at_s: float
    kind: Kind
    target: int
    lasts_s: float
    detail: str = ""
    """Of a failpoint: its name and at which time it is reached, as STREAM_FAILPOINT has it. Of the network's faults:
    which request, and what becomes of it."""

    def __str__(self) -> str:
        where = f" worker {self.target}" if self.kind in ON_WORKERS else ""
        where = f" broker {self.target}" if self.kind in ON_BROKERS else where
        detail = f" {self.detail}" if self.detail else ""
        return f"{self.kind}{where}{detail}" + (f" for {self.lasts_s:.1f} s" if self.lasts_s else "")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The kinds of a run, in the order of Kind, and those left out with the reason."""

    kinds: tuple[Kind, ...]
    left_out: dict[Kind, str]


def choose(wanted: Iterable[str], brokers: int, workers: int, disk: str) -> Chosen:
    """The kinds that were asked for (none: all) as far as they are possible; disk: why a full disk is not, or "".

    Raises ConfigurationError for a name that is none, and when nothing is left.
    """
    names = list(dict.fromkeys(wanted)) or list(Kind)
    if unknown := [name for name in names if name not in list(Kind)]:
        hints = [f"--faults {name}: no such fault{did_you_mean(name, list(Kind))}" for name in unknown]
        raise ConfigurationError([*hints, f"there are {', '.join(Kind)}"])
    out: dict[Kind, str] = {}
    for kind in map(Kind, names):
        if kind in ON_BROKERS and brokers != 3:
            out[kind] = "a single Kafka node that is stopped can itself lose commits it acknowledged: take --brokers 3"
        elif kind is Kind.DISK and disk:
            out[kind] = disk
        elif kind is Kind.LEAVE and workers < 2:
            out[kind] = "nobody would be left: take --workers 2"
    kinds = tuple(kind for kind in Kind if kind in names and kind not in out)
    if not kinds:
        raise ConfigurationError([f"--faults {kind} is not possible: {why}" for kind, why in out.items()])
    return Chosen(kinds, out)
