"""Which transport a worker runs on: the one that is asked for, or the one that is always there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from stream.kafka.native import NativeTransport, UnavailableError, open_library
from stream.kafka.python import PythonTransport
from stream.kafka.transport import Transport

NATIVE: Final = "native"

log = logging.getLogger(__name__)


def choose_transport(name: str, statistics: Callable[[str, str], None] | None = None) -> Transport:
    """ "native" or "python". Where the native one cannot be had, the log says why, and Python's is taken."""
    if name != NATIVE:
        return PythonTransport(statistics=statistics)
    try:
        return NativeTransport(open_library(), statistics=statistics)
    except UnavailableError as error:
        log.warning("STREAM_TRANSPORT=native cannot be used, the Python transport is: %s", error)
        return PythonTransport(statistics=statistics)
