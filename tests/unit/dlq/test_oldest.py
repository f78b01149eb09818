"""The oldest unresolved dead letter, without reading twice what was resolved."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stream.batch import Messages
from stream.dlq import oldest as module
from stream.dlq.columns import Letters
from stream.dlq.oldest import OldestDeadLetter
from stream.dlq.resolved import Book, RunKey
from stream.kafka.snapshot import Span


@dataclass
class Topic:
    """Two partitions of dead letters: failed[p][offset] is when each failed, in ms."""

    failed: dict[int, list[int]]
    id: str = "a"
    resolved: str = "dlq.resolved"
    done: set[tuple[int, int]] = field(default_factory=set)
    reads: list[Span] = field(default_factory=list)
    books: int = 0

    @property
    def there(self) -> Mapping[str, Any]:
        return {"dlq.resolved": SimpleNamespace(partitions=1)}

    def spans(self) -> dict[int, Span]:
        return {p: Span(0, len(found)) for p, found in self.failed.items()}

    def book(self) -> Book:
        self.books += 1
        book = Book(self.id)
        for partition, offset in self.done:
            book._resolved.setdefault(partition, set()).add(offset)
            book.moved[RunKey("replayed", "x", 1)] += 1
        return book

    def unresolved(self, spans: Mapping[int, Span], book: Book) -> Generator[Letters, None, None]:
        for partition, (first, end) in spans.items():
            self.reads.append(Span(first, end))
            for offset in range(first, end):
                if (partition, offset) not in book:
                    plain = Messages.of(
                        [b"v"], topic="dlq", first_offset=offset, timestamp_ms=self.failed[partition][offset]
                    )
                    yield Letters.of(replace(plain, partition=np.array([partition], np.int32)))


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    found = Topic({0: [50, 60, 70], 1: [40, 80]})
    monkeypatch.setattr(module, "_spans", lambda topic: {0: Span(0, len(topic.done))})
    return found


def test_it_is_the_first_unresolved_of_any_partition(topic: Topic) -> None:
    looking = OldestDeadLetter(lambda: topic)  # type: ignore[arg-type,return-value]
    assert looking.failed_ms() == 40
    topic.done = {(1, 0), (0, 0)}
    assert looking.failed_ms() == 60
    topic.done = {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)}
    assert looking.failed_ms() is None
    topic.failed[1].append(90)
    assert looking.failed_ms() == 90


def test_what_was_resolved_is_not_read_again_and_the_book_only_when_it_grew(topic: Topic) -> None:
    topic.done = {(0, 0), (0, 1)}
    looking = OldestDeadLetter(lambda: topic)  # type: ignore[arg-type,return-value]
    looking.failed_ms()
    topic.reads.clear()
    looking.failed_ms()
    assert topic.reads == [Span(2, 3), Span(0, 2)]
    assert topic.books == 1


def test_a_topic_that_was_made_anew_begins_afresh(topic: Topic) -> None:
    topic.done = {(0, 0), (1, 0)}
    looking = OldestDeadLetter(lambda: topic)  # type: ignore[arg-type,return-value]
    assert looking.failed_ms() == 60
    topic.id, topic.done, topic.failed = "b", set(), {0: [95]}
    assert looking.failed_ms() == 95
