"""Two independent readers: one that follows while everything breaks, one that reads all of it in the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stream.batch import Int64s, Messages
from stream.chaos.events import Place
from stream.chaos.records import Records, joined, none, read
from stream.chaos.recovery import Pulse
from stream.kafka.connection import Connection
from stream.kafka.receiving import Receiver
from stream.kafka.tailing import Start, Tail

WAIT_S: Final = 0.1


@dataclass(slots=True)
class Follower:
    """Follows topics from their ends in a thread of its own; read_committed. topics: the Place that each one is.

    pulse is told of outputs and dead letters under `lock`; wall_clock: seconds since the epoch.
    """

    connection: Connection
    topics: Mapping[str, Place]
    pulse: Pulse
    wall_clock: Callable[[], float] = time.time
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: Counter[Place] = field(default_factory=Counter)
    errors: list[Exception] = field(default_factory=list)
    _parts: dict[str, list[Records]] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Returns when everything produced from now on will be seen."""
        receiver = Receiver(self.connection, list(self.topics))
        self._thread = threading.Thread(target=self._follow, args=(receiver,), name="follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def total(self) -> int:
        """Records seen so far."""
        return sum(self.seen.values())

    def records(self, topic: str) -> Records:
        return joined(self._parts.get(topic, []))

    def _follow(self, receiver: Receiver) -> None:
        try:
            while not self._ended.is_set():
                if (messages := receiver.receive(WAIT_S)) is not None:
                    self._note(messages)
        except Exception as error:  # told by the thread that started this one
            self.errors.append(error)
        finally:
            receiver.close()

    def _note(self, messages: Messages) -> None:
        with self.lock:
            self.pulse.seen(self.wall_clock(), newest_ms(messages))
        for number, topic in enumerate(messages.topics):
            rows = messages.topic == number
            place = self.topics[topic]
            found = read(messages, scored=place in (Place.HIGH, Place.LOW)).take(rows)
            self._parts.setdefault(topic, []).append(found)
            self.seen[place] += len(found)


def newest_ms(messages: Messages) -> dict[int, int]:
    """The latest timestamp of the events of each partition."""
    found: dict[int, int] = {}
    for partition in np.unique(messages.partition).tolist():
        found[partition] = int(messages.timestamp[messages.partition == partition].max())
    return found


def read_topic(connection: Connection, topic: str, *, scored: bool = False) -> Records:
    """All that is committed in a topic now. Raises ProcessError when it cannot be read."""
    tail = Tail(connection, topic, Start.parse("earliest"), follow=False)
    return joined([read(messages, scored=scored) for messages in tail.read()])


def still_there(records: Records, taken: Mapping[int, int]) -> Records:
    """Records of a retry tier that nobody has taken out: at or behind the group's offset of their partition."""
    if not len(records):
        return none()
    first: Int64s = np.zeros(int(records.partitions.max()) + 1, np.int64)
    for partition, offset in taken.items():
        if partition < len(first):
            first[partition] = offset
    return records.take(records.offsets >= first[records.partitions])
