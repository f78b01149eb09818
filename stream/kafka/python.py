"""The Python transport: confluent_kafka's own clients. The default, and the reference for the other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import confluent_kafka

from stream.kafka.assignment import Assignment
from stream.kafka.intake import MessageIntake
from stream.kafka.outlet import MessageOutlet
from stream.kafka.transport import ErrorCallback, EventCallback, Properties


@dataclass(frozen=True, slots=True)
class PythonTransport:
    """A Transport of client message objects."""

    name: str = "python"

    def consumer(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> Any:
        return confluent_kafka.Consumer({**properties, "error_cb": on_error}, logger=log)

    def intake(
        self,
        consumer: Any,
        assignment: Assignment,
        on_event: EventCallback,
        topics: Sequence[str],
    ) -> MessageIntake:
        return MessageIntake(consumer, assignment, on_event, topics)

    def outlet(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> MessageOutlet:
        return MessageOutlet(properties, on_error, log)
