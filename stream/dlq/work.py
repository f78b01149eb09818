"""Replay and discard: what is decided for each dead letter is done in transactions, and never twice.

One transaction holds a batch of events for the inputs and, for each, the record that it was resolved. So after
a crash at any moment the book of resolved dead letters says exactly what was done, and the next run goes on
behind it. Two processes at once: the later one fences the earlier, whose transaction then fails as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from stream.batch import Record
from stream.dlq.columns import Filter, Letters
from stream.dlq.counts import Tally
from stream.dlq.resolved import OWNER, Action, Book, Owner, Run, resolution, resolution_key
from stream.dlq.restoring import Stays
from stream.errors import ConfigurationError, FatalError, TransactionError
from stream.kafka.snapshot import Span

BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 4 * 1024 * 1024
MAX_TRIES: Final = 5
"""Of one transaction, each with a new producer, before the run ends."""
BETWEEN_S: Final = 1.0

Decide = Callable[[Letters, int], Record | Stays | None]
"""The record to be sent, why it stays, or None for one that is discarded."""


class Topic(Protocol):
    """What the work needs of `stream.dlq.letters.DeadLetterTopic`."""

    @property
    def id(self) -> str: ...
    @property
    def resolved(self) -> str: ...
    def spans(self) -> dict[int, Span]: ...
    def book(self) -> Book: ...
    def unresolved(self, spans: Mapping[int, Span], book: Book) -> Iterable[Letters]: ...


class Writer(Protocol):
    """What it needs of `stream.kafka.writing.TransactionalWriter`."""

    def open(self) -> None: ...
    def write(self, records: list[Record]) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for. rate: events per second, 0 for no limit. limit: dead letters at most."""

    action: Action
    name: str
    filter: Filter
    decide: Decide
    by: str
    why: str = ""
    limit: int | None = None
    rate: float = 0.0

    def begin(self, spans: Mapping[int, Span], now_ms: int) -> Run:
        ends = {p: span.end for p, span in spans.items()}
        return Run(self.action, self.name, now_ms, self.by, self.filter.text, self.why, self.limit, ends)

    def resume(self, book: Book) -> Run | None:
        """The unfinished run of this name. Raises ConfigurationError when it was for other dead letters."""
        run = book.open_run(self.action, self.name)
        if run is not None and run.where != self.filter.text:
            meant = f'--where "{run.where}"' if run.where else "--all"
            text = f"{self.name} is an unfinished run by {run.by} with {meant}: give the same, or another --name"
            raise ConfigurationError([text])
        return run


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would do. resumes: dead letters that its unfinished run has resolved already."""

    tally: Tally
    resumes: int | None = None


def preview(topic: Topic, order: Order, now_ms: int) -> Preview:
    """A dry run: reads all, writes nothing."""
    book = topic.book()
    run = order.resume(book)
    tally = Tally()
    chosen = _Chosen(topic, order, book, run or order.begin(topic.spans(), now_ms))
    for letters, row, what in chosen.each():
        tally.add(letters, row, what)
    return Preview(tally, None if run is None else book.moved[run.key])


@dataclass(slots=True)
class _Chosen:
    """The dead letters that a run is about, with what is decided for each."""

    topic: Topic
    order: Order
    book: Book
    run: Run

    def each(self) -> Iterable[tuple[Letters, int, Record | Stays | None]]:
        """Ends after as many as the limit leaves; those that stay do not count. Ages are those at the run's start."""
        left = None if self.run.limit is None else self.run.limit - self.book.moved[self.run.key]
        spans = {p: Span(span.first, min(span.end, self.run.ends.get(p, 0))) for p, span in self.topic.spans().items()}
        for found in self.topic.unresolved(spans, self.book):
            # only these are kept until their transaction, not the chunk that they came in
            letters = found.take(self.order.filter.chosen(found, self.run.started))
            for row in range(len(letters)):
                if left is not None and left <= 0:
                    return
                what = self.order.decide(letters, row)
                if left is not None and not isinstance(what, Stays):
                    left -= 1
                yield letters, row, what


@dataclass(slots=True)
class Work:
    """Carries out one order. me: this process. Times of clock and sleep in seconds."""

    topic: Topic
    writer: Writer
    order: Order
    me: Owner
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wall_clock: Callable[[], float] = time.time
    tell: Callable[[int], None] = lambda _number: None
    """Told the number of resolved dead letters after each transaction."""
    tally: Tally = field(default_factory=Tally)
    _pending: list[tuple[Letters, int, Record | None]] = field(default_factory=list)
    _bytes: int = 0
    _claimed: bool = False
    _begun: bool = False
    _started: float = 0.0

    def run(self) -> Tally:
        """Raises FatalError when another process takes over, ConfigurationError when the name is taken."""
        try:
            self._claim()
            book = self.topic.book()
            run = self.order.resume(book)
            self._begun = run is not None
            run = run or self.order.begin(self.topic.spans(), self._now_ms())
            self._started = self.clock()
            for letters, row, what in _Chosen(self.topic, self.order, book, run).each():
                self._take(run, letters, row, what)
            self._commit(run)
            if self._begun:
                self._write([self._record(run.key.encode(), replace(run, done=True).encode())])
        finally:
            self.writer.close()
        return self.tally

    def _take(self, run: Run, letters: Letters, row: int, what: Record | Stays | None) -> None:
        if isinstance(what, Stays):
            self.tally.add(letters, row, what)
            return
        self._pending.append((letters, row, what))
        self._bytes += 0 if what is None else len(what.key or b"") + len(what.value or b"")
        if len(self._pending) >= self._batch_events() or self._bytes >= BATCH_BYTES:
            self._commit(run)

    def _batch_events(self) -> int:
        """With a rate, what half a second may hold: so that a batch is no burst."""
        return max(1, min(BATCH_EVENTS, int(self.order.rate / 2))) if self.order.rate else BATCH_EVENTS

    def _commit(self, run: Run) -> None:
        """The events, that they were resolved, and with the first of them the run itself, in one transaction."""
        if not self._pending:
            return
        self._pace()
        records = [] if self._begun else [self._record(run.key.encode(), run.encode())]
        value, places = resolution(run, self._now_ms()), []
        for letters, row, what in self._pending:
            _, partition, offset = letters.messages.origin(row)
            places.append((partition, offset))
            records += [what] if what is not None else []
            records.append(self._record(resolution_key(self.topic.id, partition, offset), value))
        self._write(records, places[0])
        self._begun = True
        for letters, row, what in self._pending:
            self.tally.add(letters, row, what)
        self._pending, self._bytes = [], 0
        self.tell(self.tally.total)

    def _pace(self) -> None:
        """Waits outside of a transaction, until the line of the rate has come to the events of this batch."""
        if self.order.rate:
            due = (self.tally.total + len(self._pending)) / self.order.rate
            self.sleep(max(0.0, due - (self.clock() - self._started)))

    def _write(self, records: list[Record], place: tuple[int, int] | None = None) -> None:
        """Until it is certain that the records are there, once. place: of one dead letter that they resolve."""
        for attempt in range(1, MAX_TRIES + 1):
            try:
                self.writer.write(records)
            except TransactionError as error:
                if attempt == MAX_TRIES:
                    text = f"{MAX_TRIES} transactions in a row failed, the last with: {error}; {self._standing()}"
                    raise FatalError(text) from error
                book = self._reopen(error)
                if place is not None and place in book:
                    return
            else:
                return

    def _claim(self) -> None:
        """Say who resolves from now on: whoever did before is fenced, and can see by whom."""
        self.writer.open()
        self._write([self._record(OWNER, self.me.encode())])
        self._claimed = True

    def _reopen(self, error: TransactionError) -> Book:
        """A new producer, and what is certain now. To be fenced may be a coordinator's timeout: the owner tells.

        Asked before, so as not to fence another; and after, since only then nobody else can have begun.
        """
        self.sleep(BETWEEN_S)
        self._give_way(self.topic.book(), error)
        self.writer.open()
        book = self.topic.book()
        self._give_way(book, error)
        return book

    def _give_way(self, book: Book, error: TransactionError) -> None:
        owner = book.owner
        if self._claimed and owner is not None and owner.id != self.me.id:
            text = f"another replay or discard of these dead letters was begun by {owner.by}; {self._standing()}"
            raise FatalError(text) from error

    def _standing(self) -> str:
        return f"{self.tally.total} were resolved before; the same command goes on behind them"

    def _record(self, key: bytes, value: bytes) -> Record:
        return Record(self.topic.resolved, key, value)

    def _now_ms(self) -> int:
        return int(self.wall_clock() * 1000)
