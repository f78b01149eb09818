"""Where a consumer group stands in its input, and moving it: by hand, from outside, while nobody of the group runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from stream.errors import ConfigurationError
from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.onlooker import onlooker, partitions_of
from stream.kafka.tailing import Start

_IN_USE: Final = frozenset({"UNKNOWN_MEMBER_ID", "NON_EMPTY_GROUP", "REBALANCE_IN_PROGRESS"})
"""What Kafka answers when a member of the group is there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A group in one partition. committed: the next offset it reads, None when it has none.

    first, end: what is there; between them transaction markers and what was compacted away have offsets too.
    """

    topic: str
    partition: int
    committed: int | None
    first: int
    end: int

    @property
    def unread(self) -> int:
        """Events at most."""
        return self.end - max(self.first, self.committed or 0)


@dataclass(frozen=True, slots=True)
class Move:
    """What is asked for in one partition."""

    standing: Standing
    to: int

    @property
    def by(self) -> int:
        """Offsets: forward they are skipped, backward (below 0) they are read again."""
        standing = self.standing
        return self.to - (standing.first if standing.committed is None else standing.committed)


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group. Every method raises ProcessError when Kafka does not answer, or refuses."""

    connection: Connection
    name: str

    def standings(self, topics: Iterable[str]) -> list[Standing]:
        """In every partition of the topics. Raises ConfigurationError when one is not there."""
        with onlooker(self.connection, self.name) as consumer:
            try:
                there = consumer.list_topics(timeout=REQUEST_S).topics  # all: asking for one could create it
                for topic in topics:
                    if topic not in there:
                        raise ConfigurationError([f"topic {topic} does not exist, or this user may not see it"])
                return [standing for topic in topics for standing in _standings(consumer, topic)]
            except KafkaException as error:
                raise self._refusal(error, "read") from error

    def moves(self, standings: Sequence[Standing], start: Start) -> list[Move]:
        """An offset that is not there any more, or not yet, becomes the nearest that is."""
        if start.time_ms is None:
            return [Move(standing, _within(standing, start)) for standing in standings]
        at = [TopicPartition(s.topic, s.partition, start.time_ms) for s in standings]
        with onlooker(self.connection, self.name) as consumer:
            try:
                found = {(p.topic, p.partition): p.offset for p in consumer.offsets_for_times(at, timeout=REQUEST_S)}
            except KafkaException as error:
                raise self._refusal(error, "read") from error
        return [Move(s, offset if (offset := found[s.topic, s.partition]) >= 0 else s.end) for s in standings]

    def move(self, moves: Sequence[Move]) -> None:
        """Raises ConfigurationError while a worker of the group is there: nothing was changed then."""
        places = [TopicPartition(m.standing.topic, m.standing.partition, m.to) for m in moves]
        admin = self.connection.admin()
        asked = admin.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(self.name, places)], request_timeout=REQUEST_S
        )
        try:
            for future in asked.values():
                for place in future.result().topic_partitions:
                    if place.error is not None:
                        raise KafkaException(place.error)
        except KafkaException as error:
            if error.args[0].name() in _IN_USE:
                why = "stop them first; one that was killed counts until its session is over (15 s)"
                raise ConfigurationError([f"workers of the group {self.name} are running: {why}"]) from error
            raise self._refusal(error, "move") from error

    def _refusal(self, error: KafkaException, doing: str) -> Exception:
        return self.connection.refusal(error, f"{doing} the offsets of group {self.name}", f"Read on group {self.name}")


def _standings(consumer: Consumer, topic: str) -> list[Standing]:
    places = consumer.committed(partitions_of(consumer, topic), REQUEST_S)
    bounds = [consumer.get_watermark_offsets(TopicPartition(topic, p.partition), REQUEST_S) for p in places]
    return [
        Standing(topic, place.partition, place.offset if place.offset >= 0 else None, low, high)
        for place, (low, high) in sorted(zip(places, bounds, strict=True), key=lambda pair: pair[0].partition)
    ]


def _within(standing: Standing, start: Start) -> int:
    if start.edge is not None:
        return standing.first if start.edge == OFFSET_BEGINNING else standing.end
    wanted = standing.end - start.last if start.last is not None else (start.offset or 0)
    return max(standing.first, min(wanted, standing.end))
