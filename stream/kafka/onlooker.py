"""A client that asks about a consumer group from outside: it reads nothing, joins nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.settings import Properties

_ASKING: Final[Properties] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
}


@contextmanager
def onlooker(connection: Connection, group: str, more: Properties | None = None) -> Iterator[Consumer]:
    """Closed when the context is left. more: settings of its own."""
    consumer = connection.consumer({**_ASKING, **(more or {}), "group.id": group})
    try:
        yield consumer
    finally:
        consumer.close()


def partitions_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """All of a topic. Raises KafkaException when Kafka does not answer."""
    partitions: Any = consumer.list_topics(topic, REQUEST_S).topics[topic].partitions
    return [TopicPartition(topic, number) for number in partitions]
