"""Offsets asked of the broker: what a group has committed, where it starts, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from stream.errors import TransactionError
from stream.kafka.gather import Partition
from stream.kafka.transport import Consumer

QUERY_TIMEOUT_S: Final = 5.0


class Mark(NamedTuple):
    """An offset of a group and the text that was committed with it: empty but for a mark of the quarantine."""

    offset: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Positions:
    """Queries through one consumer. Every method raises TransactionError when the broker does not answer.

    start: for partitions without a committed offset: earliest, latest, or ms since the epoch as digits.
    """

    consumer: Consumer
    group: str
    start: str

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Committed offsets, negative where there is none.

        While another transaction's offsets are pending the broker does not answer: a timeout too, and it passes.
        """
        return {where: mark.offset for where, mark in self.marks(partitions).items()}

    def marks(self, partitions: Iterable[Partition]) -> dict[Partition, Mark]:
        """The same with their texts."""
        wanted = sorted(partitions)
        if not wanted:
            return {}
        try:
            found = self.consumer.committed([TopicPartition(*p) for p in wanted], QUERY_TIMEOUT_S)
        except KafkaException as error:
            raise TransactionError(f"committed offsets: {error}") from error
        for position in found:
            if position.error:
                raise TransactionError(f"committed offset of {position.topic}/{position.partition}: {position.error}")
        return {(p.topic, p.partition): Mark(p.offset, p.metadata or "") for p in found}

    def first(self, where: Partition) -> int:
        """The configured start position of a partition, as an offset."""
        low, high = self.bounds(where)
        if self.start == "earliest":
            return low
        if self.start == "latest":
            return high
        position = TopicPartition(*where, int(self.start))
        try:
            (found,) = self.consumer.offsets_for_times([position], timeout=QUERY_TIMEOUT_S)
        except KafkaException as error:
            raise TransactionError(f"start position of {where[0]}/{where[1]}: {error}") from error
        return int(found.offset) if found.offset >= 0 else high

    def gap(self, where: Partition, committed: int) -> str:
        """What is wrong with a committed offset; empty when it can be read from."""
        low, high = self.bounds(where)
        if low <= committed <= high:
            return ""
        lost = (
            f"{low - committed} events were deleted before they were read"
            if committed < low
            else "the topic was made anew, or lost its end"
        )
        topic, partition = where
        return (
            f"{topic}/{partition}: the group stands at offset {committed}, but the log holds {low} to {high}: {lost}. "
            f"To go on without them, stop all workers of {self.group}, then: stream positions PIPELINE_FILE "
            f"--topic {topic} --partition {partition} --to earliest --yes"
        )

    def bounds(self, where: Partition) -> tuple[int, int]:
        """(first offset, offset after the last committed event) of a partition."""
        try:
            low, high = self.consumer.get_watermark_offsets(TopicPartition(*where), timeout=QUERY_TIMEOUT_S)
        except KafkaException as error:
            raise TransactionError(f"first and last offset of {where[0]}/{where[1]}: {error}") from error
        return int(low), int(high)
