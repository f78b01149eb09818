"""How many events of a topic a group has not committed yet, asked from outside of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.onlooker import onlooker, partitions_of
from stream.kafka.settings import Properties

_PEEKING: Final[Properties] = {
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    # little is fetched: a first event is all that is looked for
    "max.partition.fetch.bytes": 65_536,
    "queued.min.messages": 1,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5,
}
POLL_S: Final = 0.2


def remaining(
    connection: Connection, group: str, topics: Iterable[str], clock: Callable[[], float] = time.monotonic
) -> dict[str, int]:
    """Topic -> events: 0 where there is none, else at most so many, for transaction markers take offsets too.

    It never joins the group. Raises ProcessError when Kafka does not answer, or refuses.
    """
    with onlooker(connection, group, _PEEKING) as consumer:
        try:
            behind = {topic: _behind(consumer, topic) for topic in topics}
            empty = _without_events(consumer, [place for found in behind.values() for place in found], clock)
        except KafkaException as error:
            raise connection.refusal(error, f"read the offsets of group {group}", f"Read on group {group}") from error
    return {topic: sum(n for place, n in found.items() if place not in empty) for topic, found in behind.items()}


Place = tuple[str, int, int]
"""Topic, partition, the first offset that is not committed."""


def _behind(consumer: Consumer, topic: str) -> dict[Place, int]:
    """Offsets between what the group has committed and the end of each partition, where there are any."""
    found: dict[Place, int] = {}
    for place in consumer.committed(partitions_of(consumer, topic), REQUEST_S):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, place.partition), REQUEST_S)
        first = max(low, place.offset)
        if high > first:
            found[topic, place.partition, first] = high - first
    return found


def _without_events(consumer: Consumer, places: list[Place], clock: Callable[[], float]) -> set[Place]:
    """Those behind which a reader meets the end and no event. One that does not answer in time may have some."""
    waiting = {(topic, partition): (topic, partition, first) for topic, partition, first in places}
    consumer.assign([TopicPartition(*place) for place in places])
    empty: set[Place] = set()
    deadline = clock() + REQUEST_S
    while waiting and clock() < deadline:
        message = consumer.poll(POLL_S)
        if message is None:
            continue
        place = waiting.pop((message.topic() or "", message.partition() or 0), None)
        error = message.error()
        if place is not None and error is not None and error.code() == KafkaError._PARTITION_EOF:
            empty.add(place)
    return empty
