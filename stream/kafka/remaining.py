"""How many events of a topic a group has not committed yet, asked from outside of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.settings import Properties

_ASKING: Final[Properties] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
}


def remaining(connection: Connection, group: str, topics: Iterable[str]) -> dict[str, int]:
    """Topic -> events, at most, for transaction markers take offsets too. It never joins the group.

    Raises ProcessError when Kafka does not answer, or refuses.
    """
    consumer = connection.consumer({**_ASKING, "group.id": group})
    try:
        return {topic: _of(consumer, topic) for topic in topics}
    except KafkaException as error:
        raise connection.refusal(error, f"read the offsets of group {group}", f"Read on group {group}") from error
    finally:
        consumer.close()


def _of(consumer: Consumer, topic: str) -> int:
    partitions: Any = consumer.list_topics(topic, REQUEST_S).topics[topic].partitions
    committed = consumer.committed([TopicPartition(topic, number) for number in partitions], REQUEST_S)
    events = 0
    for place in committed:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, place.partition), REQUEST_S)
        events += high - max(low, place.offset)
    return events
