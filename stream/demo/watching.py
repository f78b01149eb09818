"""The demonstration's own eyes: readers that follow the topics from outside and note what they see.

They read committed messages only and know nothing of the worker, so what they count is what any other
program would see.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from stream.batch import Messages
from stream.kafka.connection import Connection
from stream.kafka.tailing import Start, Tail

REASON: Final = "stream.reason"
EXPECTATIONS: Final = "stream.expectations"


@dataclass(slots=True)
class Watch:
    """Follows topics in a thread each. latencies are in seconds, from the event's timestamp to its being seen."""

    connection: Connection
    topics: Sequence[str]
    wall_clock: Callable[[], float] = time.time
    ids: dict[str, list[int]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self.ids = {topic: [] for topic in self.topics}
        self._threads = [threading.Thread(target=self._follow, args=(t,), name=f"watch {t}") for t in self.topics]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def seen(self) -> int:
        """Events seen so far, each counted as often as it was seen."""
        return sum(map(len, self.ids.values()))

    def _follow(self, topic: str) -> None:
        tail = Tail(self.connection, topic, Start.parse("earliest"), follow=True, stop=self._ended.is_set)
        try:
            for messages in tail.read():
                self._note(topic, messages)
        except Exception as error:  # told by the thread that started this one
            self.errors.append(error)

    def _note(self, topic: str, messages: Messages) -> None:
        self.ids[topic] += event_ids(messages)
        self.latencies += (self.wall_clock() - messages.timestamp / 1000).tolist()
        self.reasons += why(messages)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a fresh reader found in the topics, against the ids 0 to events - 1."""

    events: int
    by_topic: dict[str, int]
    by_reason: dict[str, int]
    lost: int
    duplicated: int
    unexpected: int

    @property
    def holds(self) -> bool:
        return not (self.lost or self.duplicated or self.unexpected)


def judge(connection: Connection, topics: Sequence[str], events: int) -> Verdict:
    """Read everything once more from the start and compare sets of ids: each event in exactly one place."""
    times: Counter[int] = Counter()
    by_topic: dict[str, int] = {}
    by_reason: Counter[str] = Counter()
    for topic in topics:
        by_topic[topic] = 0
        for messages in Tail(connection, topic, Start.parse("earliest"), follow=False).read():
            times.update(event_ids(messages))
            by_topic[topic] += len(messages)
            by_reason += why(messages)
    wanted = set(range(events))
    return Verdict(
        events=events,
        by_topic=by_topic,
        by_reason=dict(by_reason.most_common()),
        lost=len(wanted - times.keys()),
        duplicated=sum(n - 1 for n in times.values()),
        unexpected=len(times.keys() - wanted),
    )


def event_ids(messages: Messages) -> list[int]:
    return [int(messages.key(row) or b"-1") for row in range(len(messages))]


def why(messages: Messages) -> Counter[str]:
    """The reasons that dead letters give, with the first expectation they did not meet; nothing for outputs."""
    reasons: Counter[str] = Counter()
    for row in range(len(messages) if messages.headers is not None else 0):
        headers = dict(messages.headers_of(row))
        if reason := (headers.get(REASON) or b"").decode():
            expectations = (headers.get(EXPECTATIONS) or b"").decode().split(",")[0]
            reasons[f"{reason}: {expectations}" if expectations else reason] += 1
    return reasons
