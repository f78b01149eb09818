"""Events into a topic: a backlog as fast as Kafka takes it, or a steady rate that waits for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stream.bench.events import Events
from stream.kafka.connection import Connection
from stream.kafka.producing import EventProducer

CHUNK: Final = 10_000
TICK_S: Final = 0.002
"""How far events of a steady rate stand together: a rate of 5,000 a second comes as 10 every 2 ms."""
LINGER_MS: Final = "5"


def fill(connection: Connection, topic: str, events: Events, stop: int, tell: Callable[[int], None]) -> None:
    """Events 0 to stop. Raises ProcessError when they cannot be written."""
    producer = EventProducer(connection, topic, time.monotonic, time.sleep)
    for start in range(0, stop, CHUNK):
        producer.send(events.pairs(start, min(start + CHUNK, stop)))
        tell(producer.acknowledged)
    producer.flush()
    tell(producer.acknowledged)


@dataclass(slots=True)
class SteadyLoad:
    """Sends the events from number `first` on, `rate` a second, in a thread of its own until it is stopped.

    An event's timestamp is the moment it was handed to the producer. One that was late stays late: the
    schedule does not move.
    """

    connection: Connection
    topic: str
    events: Events
    first: int
    rate: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sent: int = 0
    errors: list[Exception] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        connection = Connection({"linger.ms": LINGER_MS, **self.connection.user})
        producer = EventProducer(connection, self.topic, self.clock, self.sleep)
        self._thread = threading.Thread(target=self._run, args=(producer,), name="load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when all that was sent is acknowledged."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, producer: EventProducer) -> None:
        started = self.clock()
        try:
            while not self._ended.is_set():
                due = int((self.clock() - started) * self.rate)
                producer.send(self.events.pairs(self.first + self.sent, self.first + due))
                self.sent = due
                self.sleep(TICK_S)
            producer.flush()
        except Exception as error:  # told by the thread that started this one
            self.errors.append(error)
