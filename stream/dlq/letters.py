"""The dead letters of one pipeline on Kafka, less those that were resolved."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.batch import Origin
from stream.config import PipelineFile
from stream.dlq.columns import Letters
from stream.dlq.resolved import Book
from stream.dlq.restoring import Input
from stream.errors import ConfigurationError
from stream.kafka.connection import Connection
from stream.kafka.settings import ClientSettings, Slot
from stream.kafka.snapshot import Lookup, Snapshot, Span
from stream.kafka.topics import Existing, Role, TopicAdmin, needed, plan, resolved_topic

RECORD_ROOM_BYTES: Final = 512
"""What a broker counts of a message beside key, value and headers, at most."""
SEAT: Final = "dlq"


@dataclass(frozen=True, slots=True)
class DeadLetterTopic:
    """One look at the topics of a pipeline; open() takes it. Raises as Snapshot does."""

    file: PipelineFile
    connection: Connection
    there: Mapping[str, Existing]

    @classmethod
    def open(cls, file: PipelineFile, connection: Connection) -> DeadLetterTopic:
        """Raises ConfigurationError when there is no dead-letter topic."""
        there = TopicAdmin(connection).existing([*file.input.topics, file.dead_letter_topic, resolved_topic(file)])
        if file.dead_letter_topic not in there:
            create = "`stream topics PIPELINE --apply` creates it"
            raise ConfigurationError([f"the dead-letter topic {file.dead_letter_topic} does not exist: {create}"])
        return cls(file, connection, there)

    @property
    def name(self) -> str:
        return self.file.dead_letter_topic

    @property
    def id(self) -> str:
        return self.there[self.name].id

    @property
    def resolved(self) -> str:
        return resolved_topic(self.file)

    def inputs(self) -> dict[str, Input]:
        """Those inputs of the pipeline that exist."""
        found = {name: self.there[name] for name in self.file.input.topics if name in self.there}
        return {name: Input(t.partitions, t.max_message_bytes - RECORD_ROOM_BYTES) for name, t in found.items()}

    def spans(self) -> dict[int, Span]:
        """All dead letters there are now, resolved ones included."""
        return Snapshot(self.connection, self.name).spans(self.there[self.name].partitions)

    def book(self) -> Book:
        """What was resolved until now; nothing where the topic for it does not exist yet."""
        book = Book(self.id)
        if self.resolved in self.there:
            topic = Snapshot(self.connection, self.resolved)
            for messages in topic.read(topic.spans(self.there[self.resolved].partitions)):
                book.note(messages)
        return book

    def with_resolved_topic(self, say: Callable[[str], None]) -> DeadLetterTopic:
        """The same, after the topic for what was resolved was made if it was missing."""
        if self.resolved in self.there:
            return self
        roles = {name: role for name, role in needed(self.file).items() if role is Role.RESOLVED}
        say(f"creating topic {self.resolved}, which keeps what was done with dead letters")
        TopicAdmin(self.connection).create(plan(roles, {}))
        return DeadLetterTopic.open(self.file, self.connection)

    def unresolved(self, spans: Mapping[int, Span], book: Book) -> Generator[Letters, None, None]:
        """Dead letters of these offsets that nobody has resolved, in the order of each partition."""
        for messages in Snapshot(self.connection, self.name).read(spans):
            places = zip(messages.partition.tolist(), messages.offset.tolist(), strict=True)
            keep = np.array([place not in book for place in places], np.bool_)
            if keep.any():
                yield Letters.of(messages if keep.all() else messages.take(keep, {}))

    def one(self, partition: int, offset: int) -> Letters:
        """A single dead letter. Raises ConfigurationError when there is none."""
        count = self.there[self.name].partitions
        if partition >= count:
            raise ConfigurationError([f"{self.name} has no partition {partition}: they are 0 to {count - 1}"])
        lookup = Lookup(self.connection)
        try:
            messages = lookup.message(Origin(self.name, partition, offset))
        finally:
            lookup.close()
        if messages is None:
            hint = "offsets are those of the dead-letter topic, as `stream dlq replay` and `stream tail` show them"
            raise ConfigurationError([f"there is no dead letter at {self.name}/{partition}@{offset}: {hint}"])
        return Letters.of(messages)

    def writer_settings(self) -> ClientSettings:
        """One transactional id for all that resolves dead letters of this pipeline: two at a time fence each other.

        Events that the input took must fit through the client again, whose own bound is below a broker's.
        """
        user = dict(self.connection.user)
        largest = max([int(user.get("message.max.bytes", 0)), *(t.max_message_bytes for t in self.there.values())])
        return ClientSettings(
            slot=Slot(self.file.name, SEAT, None),
            topics=(),
            user={**user, "message.max.bytes": str(min(largest, 1_000_000_000))},
            transaction_timeout_s=self.file.transaction.timeout_s,
        )
