"""Taking topics and a group away again that were made for a measurement."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from stream.kafka.connection import REQUEST_S, Connection

TRIES: Final = 40
TRY_AGAIN_S: Final = 0.5
"""Together longer than a worker's session, 15 s of the classic protocol."""


def remove(
    connection: Connection, topics: Iterable[str], group: str, sleep: Callable[[float], object] = time.sleep
) -> None:
    """What is not there any more, or may not be deleted, stays: its name says whose it is."""
    client = connection.admin()
    for future in client.delete_topics(list(topics), operation_timeout=REQUEST_S, request_timeout=REQUEST_S).values():
        with contextlib.suppress(KafkaException):
            future.result()
    for _ in range(TRIES):
        if _group_removed(client, group):
            return
        sleep(TRY_AGAIN_S)


def _group_removed(client: Any, group: str) -> bool:
    """False while it has members: one that was killed, or left in a rebalance, is there until its session ends."""
    (future,) = client.delete_consumer_groups([group], request_timeout=REQUEST_S).values()
    try:
        future.result()
    except KafkaException as error:
        return bool(error.args[0].code() != KafkaError.NON_EMPTY_GROUP)
    return True
