"""A thread that looks now and then at what waits in the topics of a pipeline: retries, and dead letters.

The loop knows only its own partitions, and the dead letters it never reads. It asks with clients of its own,
outside of the group; that it cannot look is told once and harms nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from stream.errors import StreamError
from stream.logs import logger

LOOK_EVERY_S: Final = 15.0


class Gauges(Protocol):
    """What it needs of `stream.metrics.Metrics`."""

    def retries_waiting(self, events: Mapping[str, int]) -> None: ...
    def oldest_dead_letter(self, topic: str, failed_s: float | None) -> None: ...


@dataclass(slots=True)
class Backlog:
    """retries: events that wait in each retry tier; oldest_ms: when the oldest unresolved dead letter failed.

    Both ask Kafka and raise ProcessError when it does not answer, or refuses.
    """

    gauges: Gauges
    dead_letters: str
    retries: Callable[[], Mapping[str, int]]
    oldest_ms: Callable[[], int | None]
    every_s: float = LOOK_EVERY_S
    log: structlog.stdlib.BoundLogger = field(default_factory=lambda: logger("stream.backlog"))
    _ended: threading.Event = field(default_factory=threading.Event)
    _blind: bool = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="backlog", daemon=True).start()

    def stop(self) -> None:
        """Does not wait: a request to Kafka may take seconds, and nothing depends on it."""
        self._ended.set()

    def look(self) -> None:
        """Bring the gauges up to date. What could not be seen keeps its last value."""
        try:
            self.gauges.retries_waiting(self.retries())
            oldest = self.oldest_ms()
        except StreamError as error:
            if not self._blind:
                self.log.warning("cannot see what waits in the retry and dead-letter topics", error=str(error))
            self._blind = True
        else:
            self.gauges.oldest_dead_letter(self.dead_letters, None if oldest is None else oldest / 1000)
            self._blind = False

    def _run(self) -> None:
        while not self._ended.is_set():
            self.look()
            self._ended.wait(self.every_s)
