"""The native transport, and what is taken where it cannot be had."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import confluent_kafka

from stream.kafka.assignment import Assignment
from stream.kafka.guard import TROUBLE
from stream.kafka.native.finding import UnavailableError, bundled
from stream.kafka.native.intake import NativeIntake
from stream.kafka.native.outlet import NativeOutlet
from stream.kafka.python import STATISTICS_MS
from stream.kafka.transport import ErrorCallback, EventCallback, Properties


@dataclass(frozen=True, slots=True)
class NativeTransport:
    """A Transport over the C API of the librdkafka that confluent_kafka brings along: open_library().

    statistics as in PythonTransport.
    """

    library: Any
    name: str = "native"
    carries_headers: bool = True
    statistics: Callable[[str, str], None] | None = None

    def consumer(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> Any:
        module = importlib.import_module("stream.kafka.native.consumer")
        return module.Consumer(self.library, *self._told("consumer", properties, on_error, log))

    def intake(
        self, consumer: Any, assignment: Assignment, on_event: EventCallback, topics: Sequence[str]
    ) -> NativeIntake:
        return NativeIntake(consumer, assignment, on_event)

    def outlet(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> NativeOutlet:
        module = importlib.import_module("stream.kafka.native.producer")
        return NativeOutlet(module.Producer(self.library, *self._told("producer", properties, on_error, log)))

    def _told(self, client: str, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> Any:
        """What both kinds of clients are made from."""
        if self.statistics is None:
            return properties, TROUBLE, log, on_error, None
        properties = {**properties, "statistics.interval.ms": STATISTICS_MS}
        return properties, TROUBLE, log, on_error, partial(self.statistics, client)


def open_library(package: Path | None = None) -> Any:
    """The library of an installed confluent_kafka package; raises UnavailableError."""
    package = package or Path(confluent_kafka.__file__).parent
    try:
        native = importlib.import_module("stream.kafka.native.library")
        for name in ("consumer", "producer"):
            importlib.import_module(f"stream.kafka.native.{name}")
    except ImportError as error:
        raise UnavailableError("its modules are not built (they need a C compiler at installation)") from error
    path = bundled(package)
    if path is None:
        raise UnavailableError(f"there is no librdkafka beside {package}: it was not installed from a wheel")
    library = native.Library(str(path))
    version = confluent_kafka.libversion()[1]
    if library.version != version:
        raise UnavailableError(f"{path} is of version {library.version:#x}, confluent_kafka uses {version:#x}")
    return library
