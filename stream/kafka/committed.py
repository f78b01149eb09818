"""Asking for the committed offsets of a group from outside of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaException

from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.onlooker import onlooker, partitions_of

TRIES: Final = 5
TRY_AGAIN_S: Final = 1.0


def committed_offsets(
    connection: Connection, group: str, topic: str, sleep: Callable[[float], None] = time.sleep
) -> dict[int, int]:
    """Partition -> the group's committed offset; partitions without one are left out. It never joins.

    Offsets of open transactions are waited for, TRIES times. Raises ProcessError when Kafka does not answer.
    """
    with onlooker(connection, group) as consumer:
        try:
            places = partitions_of(consumer, topic)
            found = _patiently(lambda: consumer.committed(places, REQUEST_S), sleep)
        except KafkaException as error:
            raise connection.refusal(error, f"read the offsets of group {group}") from error
    return {p.partition: p.offset for p in found if p.offset >= 0}


def _patiently(ask: Callable[[], Any], sleep: Callable[[float], None]) -> Any:
    """Offsets that are pending make the request time out (librdkafka 2.16)."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except KafkaException:
            sleep(TRY_AGAIN_S)
    return ask()
