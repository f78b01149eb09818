"""The Python transport: confluent_kafka's own clients. The default, and the reference for the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import confluent_kafka

from stream.kafka.assignment import Assignment
from stream.kafka.intake import MessageIntake
from stream.kafka.outlet import MessageOutlet
from stream.kafka.transport import ErrorCallback, EventCallback, Properties

STATISTICS_MS: Final = 5000


@dataclass(frozen=True, slots=True)
class PythonTransport:
    """A Transport of client message objects.

    statistics is given "consumer" or "producer" and librdkafka's statistics in JSON, in the thread that polls.
    """

    name: str = "python"
    carries_headers: bool = False
    statistics: Callable[[str, str], None] | None = None

    def consumer(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> Any:
        return confluent_kafka.Consumer(
            {**properties, **self._statistics("consumer"), "error_cb": on_error}, logger=log
        )

    def intake(
        self,
        consumer: Any,
        assignment: Assignment,
        on_event: EventCallback,
        topics: Sequence[str],
    ) -> MessageIntake:
        return MessageIntake(consumer, assignment, on_event, topics)

    def outlet(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> MessageOutlet:
        return MessageOutlet({**properties, **self._statistics("producer")}, on_error, log)

    def _statistics(self, client: str) -> dict[str, Any]:
        if self.statistics is None:
            return {}
        return {"statistics.interval.ms": STATISTICS_MS, "stats_cb": partial(self.statistics, client)}
