"""Reading a topic to look at it: committed messages only, outside of any group, no offset ever committed."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from stream.batch import Messages
from stream.errors import ConfigurationError
from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.gather import gather
from stream.kafka.settings import Properties
from stream.suggestion import did_you_mean

POLL_S: Final = 0.2
"""How late Ctrl-C is seen."""
AT_A_TIME: Final = 500

_READER: Final[Properties] = {
    "group.id": "stream-tail",  # the client wants one; without subscribing and committing nobody sees it
    "isolation.level": "read_committed",
    "check.crcs": True,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",  # an offset that has gone meanwhile
    "fetch.wait.max.ms": 100,
}


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin in each partition: exactly one of the four."""

    edge: int | None = None
    """OFFSET_BEGINNING or OFFSET_END"""
    offset: int | None = None
    last: int | None = None
    """So many offsets before the end; transaction markers take offsets too."""
    time_ms: int | None = None

    @classmethod
    def parse(cls, text: str, option: str = "--from") -> Start:
        """earliest, latest, an offset, -N for the last N, or a time in ISO 8601.

        option: what it was given as. Raises ConfigurationError.
        """
        if text in ("earliest", "latest"):
            return cls(edge=OFFSET_BEGINNING if text == "earliest" else OFFSET_END)
        if re.fullmatch(r"-?[0-9]{1,18}", text):
            return cls(last=-int(text)) if text.startswith("-") else cls(offset=int(text))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            what = "earliest, latest, an offset, -N for the last N of each partition, or a time with its zone"
            near = did_you_mean(text, ("earliest", "latest"))
            raise ConfigurationError([f"{option} {text}: must be {what}, such as 2026-01-31T06:00:00Z{near}"])
        return cls(time_ms=int(moment.timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class Tail:
    """Reads one topic from start. follow: go on waiting at the end."""

    connection: Connection
    topic: str
    start: Start
    follow: bool
    stop: Callable[[], bool] = lambda: False
    """Asked at least every POLL_S: True ends the reading."""

    def read(self) -> Generator[Messages, None, None]:
        """Committed messages as they come, in order within a partition, until the end or the caller stops.

        Raises UnreachableError, or ConfigurationError when the topic is not there or may not be read.
        """
        consumer = self.connection.consumer(_READER)
        try:
            positions = self._positions(consumer)
            consumer.assign(positions)
            yield from self._read(consumer, {p.partition for p in positions})
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, open_partitions: set[int]) -> Generator[Messages, None, None]:
        while (open_partitions or self.follow) and not self.stop():
            arrived = consumer.consume(AT_A_TIME, POLL_S)
            whole = [message for message in arrived if message.error() is None]
            if whole:
                yield gather(whole)
            for message in arrived:
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition() or 0)
                elif error is not None:
                    self._judge(error)

    def _judge(self, error: KafkaError) -> None:
        """The client mends the others by itself."""
        if error.fatal() or error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART):
            raise self.connection.refusal(error, f"read topic {self.topic}", f"Read on topic {self.topic}")

    def _positions(self, consumer: Consumer) -> list[TopicPartition]:
        try:
            partitions = self._partitions(consumer)
            if self.start.time_ms is not None:
                at = [TopicPartition(self.topic, p, self.start.time_ms) for p in partitions]
                return list(consumer.offsets_for_times(at, timeout=REQUEST_S))
            return [TopicPartition(self.topic, p, self._offset(consumer, p)) for p in partitions]
        except KafkaException as error:
            doing, acl = f"read topic {self.topic}", f"Read on topic {self.topic}"
            raise self.connection.refusal(error, doing, acl) from error

    def _partitions(self, consumer: Consumer) -> list[int]:
        """Asks for all topics: to ask for one by its name could create it."""
        topics = consumer.list_topics(timeout=REQUEST_S).topics
        if self.topic not in topics:
            near = did_you_mean(self.topic, topics)
            raise ConfigurationError([f"topic {self.topic} does not exist, or this user may not see it{near}"])
        return sorted(topics[self.topic].partitions)

    def _offset(self, consumer: Consumer, partition: int) -> int:
        if self.start.edge is not None:
            return self.start.edge
        low, high = consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=REQUEST_S)
        wanted = high - self.start.last if self.start.last is not None else (self.start.offset or 0)
        return max(low, min(wanted, high))
