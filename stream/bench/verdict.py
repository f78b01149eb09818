"""Whether each event ended in exactly one place: what went in against what a fresh reader finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.batch import Int64s, Messages
from stream.bench.events import Events, Key
from stream.kafka.connection import Connection
from stream.kafka.tailing import Start, Tail
from stream.pipeline import Pipeline

BY_EVENT: Final = "each event by a key of its own"
BY_KEY: Final = "number of events of each key"


@dataclass(frozen=True, slots=True)
class Verdict:
    """lost and doubled are numbers of events. filtered and waiting (for a retry) ones are in no output, rightly."""

    check: str
    events: int
    found: int
    lost: int
    doubled: int
    unexpected: int
    filtered: int
    waiting: int

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.unexpected)


@dataclass(slots=True)
class Reckoning:
    """Counts what is found of the first `total` events.

    Outputs carry no origin, so an event is known by its key. Events that share a key are told apart by
    number only: each key must be found as often as it was sent.
    """

    events: Events
    total: int
    counts: Int64s = field(init=False)
    unexpected: int = 0
    _index: dict[Key, int] | None = None
    _sent: Int64s = field(init=False)

    def __post_init__(self) -> None:
        if self.events.keys is None:
            self._sent = np.ones(self.total, np.int64)
        else:
            keys = [self.events.key(number) for number in range(self.total)]
            self._index = {key: place for place, key in enumerate(dict.fromkeys(keys))}
            self._sent = np.bincount([self._index[key] for key in keys], minlength=len(self._index)).astype(np.int64)
        self.counts = np.zeros(len(self._sent), np.int64)

    @property
    def check(self) -> str:
        return BY_EVENT if (self._sent == 1).all() else BY_KEY

    def add(self, messages: Messages) -> None:
        """Outputs or dead letters."""
        places = self._places(messages)
        known = places[(places >= 0) & (places < len(self.counts))]
        self.unexpected += len(places) - len(known)
        self.counts += np.bincount(known, minlength=len(self.counts))

    def close(self, filtered: int, waiting: Iterable[Messages] = ()) -> Verdict:
        """filtered: how many of the events no output takes. waiting: what is in retry topics."""
        missing = np.maximum(self._sent - self.counts, 0)
        excused = 0
        for messages in waiting:
            places = self._places(messages)
            there = np.bincount(places[(places >= 0) & (places < len(missing))], minlength=len(missing))
            held = np.minimum(missing, there)
            missing, excused = missing - held, excused + int(held.sum())
        absent = int(missing.sum())
        return Verdict(
            check=self.check,
            events=self.total,
            found=int(self.counts.sum()),
            lost=max(0, absent - filtered),
            doubled=int(np.maximum(self.counts - self._sent, 0).sum()),
            unexpected=self.unexpected,
            filtered=min(filtered, absent),
            waiting=excused,
        )

    def _places(self, messages: Messages) -> Int64s:
        keys = [messages.key(row) for row in range(len(messages))]
        if self._index is not None:
            return np.array([self._index.get(key, -1) for key in keys], np.int64)
        return np.array([int(key) if key and key.isdigit() else -1 for key in keys], np.int64)


def read_all(connection: Connection, topics: Sequence[str]) -> Iterable[Messages]:
    """Everything committed in these topics, from their start to their present end."""
    for topic in topics:
        yield from Tail(connection, topic, Start.parse("earliest"), follow=False).read()


def filtered_rows(pipeline: Pipeline, events: Events, topic: str, at_a_time: int) -> npt.NDArray[np.bool_]:
    """Of each row of the file whether no output takes it, found out by running the stages here, without Kafka."""
    taken = np.zeros(len(events.values), bool)
    if any(output.when is None for output in pipeline.outputs):
        return ~np.ones_like(taken)
    for start in range(0, len(taken), at_a_time):
        pairs = list(events.pairs(start, min(start + at_a_time, len(taken))))
        outcome = pipeline.process(Messages.of([v for _, v in pairs], [k for k, _ in pairs], topic=topic))
        for rows in outcome.outputs:
            taken[start + rows.rows] = True
        taken[[start + failure.row for failure in outcome.failures]] = True
    return ~taken


def filtered_among(rows: npt.NDArray[np.bool_], total: int) -> int:
    """How many of the first `total` events are of these rows."""
    whole, rest = divmod(total, len(rows))
    return whole * int(rows.sum()) + int(rows[:rest].sum())
