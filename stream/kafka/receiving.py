"""Following topics to time what arrives: committed messages, handed on the moment they are visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.batch import Messages
from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.gather import gather
from stream.kafka.settings import Properties

AT_A_TIME: Final = 10_000

_RECEIVER: Final[Properties] = {
    "group.id": "stream-receiver",  # the client wants one; without subscribing and committing nobody sees it
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5,
}


@dataclass(slots=True)
class Receiver:
    """Reads several topics from where they end when it is made. Raises ProcessError when they cannot be read."""

    connection: Connection
    topics: Sequence[str]
    _consumer: Consumer = field(init=False)

    def __post_init__(self) -> None:
        self._consumer = self.connection.consumer(_RECEIVER)
        try:
            self._consumer.assign([end for topic in self.topics for end in self._ends(topic)])
        except KafkaException as error:
            raise self.connection.refusal(error, f"read topics {', '.join(self.topics)}") from error

    def receive(self, wait_s: float) -> Messages | None:
        """What is there, waiting at most wait_s for the first of it and not at all for more."""
        first = self._consumer.poll(wait_s)
        if first is None:
            return None
        messages = [first, *self._consumer.consume(AT_A_TIME, 0)]
        for message in messages:
            self._judge(message.error())
        whole = [message for message in messages if message.error() is None]
        return gather(whole) if whole else None

    def close(self) -> None:
        self._consumer.close()

    def _ends(self, topic: str) -> list[TopicPartition]:
        partitions: Any = self._consumer.list_topics(topic, REQUEST_S).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in partitions]
        ends = [self._consumer.get_watermark_offsets(place, REQUEST_S)[1] for place in places]
        return [TopicPartition(topic, p.partition, end) for p, end in zip(places, ends, strict=True)]

    def _judge(self, error: KafkaError | None) -> None:
        """The client mends the others by itself."""
        if error is not None and (error.fatal() or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED):
            raise self.connection.refusal(error, f"read topics {', '.join(self.topics)}")
