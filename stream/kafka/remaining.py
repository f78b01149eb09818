"""How many events of a topic a group has not committed yet, asked from outside of it."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.onlooker import onlooker, partitions_of


def remaining(connection: Connection, group: str, topics: Iterable[str]) -> dict[str, int]:
    """Topic -> events, at most, for transaction markers take offsets too. It never joins the group.

    Raises ProcessError when Kafka does not answer, or refuses.
    """
    with onlooker(connection, group) as consumer:
        try:
            return {topic: _of(consumer, topic) for topic in topics}
        except KafkaException as error:
            raise connection.refusal(error, f"read the offsets of group {group}", f"Read on group {group}") from error


def _of(consumer: Consumer, topic: str) -> int:
    committed = consumer.committed(partitions_of(consumer, topic), REQUEST_S)
    events = 0
    for place in committed:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, place.partition), REQUEST_S)
        events += high - max(low, place.offset)
    return events
