"""A stretch of a topic, read once: committed messages only, outside of any group, nothing committed.

`Snapshot` reads from one set of offsets to another and ends; `Lookup` reads single messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.batch import Messages, Origin
from stream.errors import UnreachableError
from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.gather import gather
from stream.kafka.settings import Properties

POLL_S: Final = 0.2
SILENCE_S: Final = 30.0
"""So long nothing may come before Kafka counts as away."""
AT_A_TIME: Final = 100
"""Messages of a chunk: they may be of a megabyte each."""

_READER: Final[Properties] = {
    "group.id": "stream-snapshot",  # the client wants one; without subscribing and committing nobody sees it
    "isolation.level": "read_committed",
    "check.crcs": True,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 50,
    "queued.max.messages.kbytes": 16_384,
    # a small event in the queue is 400 bytes of memory; an empty queue is filled at once
    "queued.min.messages": 2 * AT_A_TIME,
    "fetch.queue.backoff.ms": 5,
}
_GONE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_REFUSED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART})


class Span(NamedTuple):
    """Offsets of one partition: first is read, end is not."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Raises UnreachableError when Kafka does not answer, ConfigurationError when the topic may not be read."""

    connection: Connection
    topic: str
    clock: Callable[[], float] = time.monotonic

    def spans(self, partitions: int) -> dict[int, Span]:
        """All there is: the first offset of each partition, and the one after its last committed message."""
        consumer = self.connection.consumer(_READER)
        try:
            places = [TopicPartition(self.topic, p) for p in range(partitions)]
            found = [consumer.get_watermark_offsets(place, timeout=REQUEST_S) for place in places]
        except KafkaException as error:
            raise self.connection.refusal(error, f"read topic {self.topic}", self._acl) from error
        finally:
            consumer.close()
        return {p: Span(low, high) for p, (low, high) in enumerate(found)}

    def read(self, spans: Mapping[int, Span]) -> Generator[Messages, None, None]:
        """The messages of these offsets, in order within a partition."""
        left = {p: span.end for p, span in spans.items() if span.first < span.end}
        consumer = self.connection.consumer(_READER)
        try:
            consumer.assign([TopicPartition(self.topic, p, spans[p].first) for p in left])
            heard = self.clock()
            while left:
                arrived = consumer.consume(AT_A_TIME, POLL_S)
                if arrived:
                    heard = self.clock()
                elif self.clock() - heard > SILENCE_S:
                    raise UnreachableError(f"cannot read topic {self.topic}: nothing came for {SILENCE_S:.0f} s")
                whole = [
                    m for m in arrived if m.error() is None and (m.offset() or 0) < left.get(m.partition() or 0, 0)
                ]
                self._advance(left, arrived)
                if whole:
                    yield gather(whole)
                    heard = self.clock()
        finally:
            consumer.close()

    @property
    def _acl(self) -> str:
        return f"Read on topic {self.topic}"

    def _advance(self, left: dict[int, int], arrived: list[Message]) -> None:
        """A partition is done at its end offset, or where nothing follows: transaction markers take offsets too."""
        for message in arrived:
            partition, error = message.partition() or 0, message.error()
            at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
            if error is not None and not at_end:
                if error.fatal() or error.code() in _REFUSED | _GONE:
                    raise self.connection.refusal(error, f"read topic {self.topic}", self._acl)
            elif at_end or (message.offset() or 0) + 1 >= left.get(partition, 0):
                left.pop(partition, None)


def _within(message: Message, ends: Mapping[int, int]) -> bool:
    return message.error() is None and (message.offset() or 0) < ends.get(message.partition() or 0, 0)


@dataclass(slots=True)
class Lookup:
    """Reads single messages over one client. Raises as Snapshot does."""

    connection: Connection
    clock: Callable[[], float] = time.monotonic
    _consumer: Consumer | None = field(default=None)

    def message(self, place: Origin) -> Messages | None:
        """The message at an offset; None when it is not there any more, or never was."""
        if self._consumer is None:
            self._consumer = self.connection.consumer(_READER)
        self._consumer.assign([TopicPartition(*place)])
        deadline = self.clock() + SILENCE_S
        while self.clock() < deadline:
            message = self._consumer.poll(POLL_S)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return gather([message]) if message.offset() == place.offset else None
            if error.code() == KafkaError._PARTITION_EOF or error.code() in _GONE | _REFUSED:
                return None
            if error.fatal():
                raise self.connection.refusal(error, f"read topic {place.topic}", f"Read on topic {place.topic}")
        raise UnreachableError(f"cannot read topic {place.topic}: nothing came for {SILENCE_S:.0f} s")

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
