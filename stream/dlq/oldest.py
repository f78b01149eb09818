"""When the oldest dead letter failed that nobody has resolved: for the metric that says somebody should look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from stream.dlq.letters import DeadLetterTopic
from stream.dlq.resolved import Book
from stream.kafka.snapshot import Snapshot, Span

MAX_RESOLVED: Final = 200_000
"""Records of the topic of resolved dead letters that are read; with more of them only the first look counts."""


@dataclass(slots=True)
class OldestDeadLetter:
    """Looks again and again; what was resolved once is not read a second time. open: one look at the topics."""

    open: Callable[[], DeadLetterTopic]
    _id: str = ""
    _floor: dict[int, int] = field(default_factory=dict)
    """Partition -> offset of which all before are resolved."""
    _book: Book | None = None
    _book_end: int = -1

    def failed_ms(self) -> int | None:
        """ms since the epoch; None when there is none. Raises ProcessError when Kafka does not answer."""
        topic = self.open()
        if topic.id != self._id:
            self._id, self._floor, self._book, self._book_end = topic.id, {}, None, -1
        book = self._read_book(topic)
        found = [self._first(topic, book, p, span) for p, span in topic.spans().items()]
        return min((failed for failed in found if failed is not None), default=None)

    def _first(self, topic: DeadLetterTopic, book: Book, partition: int, span: Span) -> int | None:
        """In a partition dead letters stand in the order in which they failed."""
        span = Span(max(span.first, self._floor.get(partition, 0)), span.end)
        with closing(topic.unresolved({partition: span}, book)) as unresolved:
            for letters in unresolved:
                self._floor[partition] = letters.messages.origin(0).offset
                return letters.failed_ms(0)
        self._floor[partition] = span.end
        return None

    def _read_book(self, topic: DeadLetterTopic) -> Book:
        """Only when something was added to it."""
        if topic.resolved not in topic.there:
            return Book(topic.id)
        spans = _spans(topic)
        end = sum(span.end for span in spans.values())
        if self._book is None or (end != self._book_end and _length(spans) <= MAX_RESOLVED):
            self._book, self._book_end = topic.book(), end
        return self._book


def _spans(topic: DeadLetterTopic) -> Mapping[int, Span]:
    return Snapshot(topic.connection, topic.resolved).spans(topic.there[topic.resolved].partitions)


def _length(spans: Mapping[int, Span]) -> int:
    return sum(span.end - span.first for span in spans.values())
