"""The seam between the session and a client library: what reads and what writes messages.

A transport makes three things. A consumer has confluent_kafka's control calls by their own names; rebalance
callbacks run inside `Intake.fetch`. An intake turns what arrives into columns. An outlet is a transactional
producer that takes columns. Everything else (positions, ownership, the guard, recovery) is the session's and
does not know which transport it runs on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from confluent_kafka import KafkaError, TopicPartition

from stream.batch import Int64s, Messages, Record, Rows
from stream.failures.letters import Letters
from stream.kafka.assignment import Assignment
from stream.kafka.gather import Partition
from stream.kafka.guard import Trouble

Properties = Mapping[str, str | int | float | bool]
ErrorCallback = Callable[[KafkaError], None]
EventCallback = Callable[[Partition, int, KafkaError], None]
"""Called with where, at which offset, and what: the end of a partition, for example."""


class Consumer(Protocol):
    """The control calls of confluent_kafka.Consumer; they raise KafkaException."""

    def subscribe(self, topics: list[str], *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None: ...
    def unsubscribe(self) -> None: ...
    def poll(self, timeout: float = ...) -> Any: ...
    def seek(self, partition: TopicPartition) -> None: ...
    def pause(self, partitions: list[TopicPartition]) -> None: ...
    def resume(self, partitions: list[TopicPartition]) -> None: ...
    def committed(self, partitions: list[TopicPartition], timeout: float = ...) -> list[TopicPartition]: ...
    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float | None = ..., cached: bool = ...
    ) -> tuple[int, int]: ...
    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float | None = ...) -> list[Any]: ...
    def incremental_assign(self, partitions: list[TopicPartition]) -> None: ...
    def incremental_unassign(self, partitions: list[TopicPartition]) -> None: ...
    def consumer_group_metadata(self) -> Any: ...
    def close(self) -> None: ...


class Intake(Protocol):
    """The batch that is being read. Events that come among the messages go to the callback as they arrive."""

    @property
    def events(self) -> int:
        """Messages read since take(), of partitions that are owned now."""
        ...

    @property
    def size(self) -> int:
        """Bytes of their values."""
        ...

    def fetch(self, most: int, wait_s: float) -> bool:
        """Read up to `most` more, waiting only while fewer are there; whether anything came."""
        ...

    def take(self) -> Messages:
        """What was read, without group metadata; the next fetch begins a new batch."""
        ...


class Outlet(Protocol):
    """A transactional producer. Calls raise KafkaException, produce() also BufferError when its queue is full."""

    @property
    def trouble(self) -> Trouble: ...
    def init_transactions(self, timeout: float) -> None: ...
    def begin_transaction(self) -> None: ...
    def produce(self, record: Record) -> None: ...
    def produce_rows(self, rows: Rows, messages: Messages, stamps: Int64s, first: int) -> int:
        """Queue rows[first:], each with the key of its message, until the queue is full.

        Their headers, without those of a failure, go along if the transport carries them, else none do.

        stamps are their timestamps in ms. Gives how many of the rows are queued now.
        """
        ...

    def produce_letters(self, letters: Letters, first: int) -> int:
        """Queue letters from `first` on until the queue is full; how many of them are queued now."""
        ...

    def flush(self, timeout: float) -> int: ...
    def poll(self, timeout: float) -> Any: ...
    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float
    ) -> None: ...
    def commit_transaction(self, timeout: float) -> None: ...
    def discard(self) -> None:
        """Never used again: nothing it still holds may be sent."""
        ...


class Transport(Protocol):
    """Makes the clients of one worker."""

    @property
    def name(self) -> str: ...
    @property
    def carries_headers(self) -> bool:
        """Whether produce_rows of an outlet takes the messages' headers along."""
        ...

    def consumer(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> Consumer: ...
    def intake(
        self, consumer: Any, assignment: Assignment, on_event: EventCallback, topics: Sequence[str]
    ) -> Intake: ...
    def outlet(self, properties: Properties, on_error: ErrorCallback, log: logging.Logger) -> Outlet: ...
