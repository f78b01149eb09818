"""Calls of a confluent_kafka client that serve its callbacks."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException


def served(call: Callable[[float], int], timeout_s: float) -> int:
    """poll() or flush() of a producer, whose fatal error becomes a KafkaException.

    The client (2.16.1, error_cb) raises it as the KafkaError it is, which calls itself an exception and is no
    subclass of one: `except Exception` would let it through.
    """
    try:
        return call(timeout_s)
    except KafkaError as error:  # type: ignore[misc]  # its type has an exception's flag without the base class
        fatal = error
    raise KafkaException(fatal)
