"""Asking for the committed offsets of a group from outside of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition

from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.settings import Properties

TRIES: Final = 5
TRY_AGAIN_S: Final = 1.0
_ASKING: Final[Properties] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
}


def committed_offsets(
    connection: Connection, group: str, topic: str, sleep: Callable[[float], None] = time.sleep
) -> dict[int, int]:
    """Partition -> the group's committed offset; partitions without one are left out. It never joins.

    Offsets of open transactions are waited for, TRIES times. Raises ProcessError when Kafka does not answer.
    """
    consumer = connection.consumer({**_ASKING, "group.id": group})
    try:
        partitions: Any = consumer.list_topics(topic, REQUEST_S).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in partitions]
        found = _patiently(lambda: consumer.committed(places, REQUEST_S), sleep)
        return {p.partition: p.offset for p in found if p.offset >= 0}
    except KafkaException as error:
        raise connection.refusal(error, f"read the offsets of group {group}") from error
    finally:
        consumer.close()


def _patiently(ask: Callable[[], Any], sleep: Callable[[float], None]) -> Any:
    """Offsets that are pending make the request time out (librdkafka 2.16)."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except KafkaException:
            sleep(TRY_AGAIN_S)
    return ask()
