"""Events into the input topic in their rhythm, in a thread of its own, until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stream.chaos import events
from stream.kafka.connection import Connection
from stream.kafka.producing import EventProducer

TICK_S: Final = 0.01
MAX_AT_ONCE: Final = 2_000
"""After a pause of the brokers the missed events follow in pieces of this size."""


@dataclass(slots=True)
class Load:
    """Sends events 0, 1, 2, ...: as many as are due after so many seconds.

    prefix may be changed while it runs; limit 0: no limit.
    """

    connection: Connection
    topic: str
    due: Callable[[float], int]
    prefix: bytes
    limit: int = 0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sent: int = 0
    failed: int = 0
    errors: list[Exception] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Raises ProcessError when there is no such topic."""
        producer = EventProducer(self.connection, self.topic, self.clock, self.sleep)
        self._thread = threading.Thread(target=self._run, args=(producer,), name="load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when all that was sent is acknowledged, or has failed."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def done(self) -> bool:
        """Whether the limit is reached."""
        return bool(self.limit) and self.sent >= self.limit

    def _run(self, producer: EventProducer) -> None:
        started = self.clock()
        try:
            while not self._ended.is_set() and not self.done():
                due = min(self.due(self.clock() - started), self.sent + MAX_AT_ONCE)
                due = min(due, self.limit) if self.limit else due
                producer.send(events.pairs(self.sent, due, self.prefix))
                self.sent = due
                self.sleep(TICK_S)
            producer.flush()
            self.failed = producer.failed
        except Exception as error:  # told by the thread that started this one
            self.errors.append(error)
