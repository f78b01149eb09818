"""Reading with the Python transport: a client message object for each event, until it becomes a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, Message

from stream.batch import Messages
from stream.kafka.assignment import Assignment
from stream.kafka.gather import gather
from stream.kafka.transport import EventCallback


@dataclass(slots=True)
class MessageIntake:
    """An Intake over confluent_kafka's consumer."""

    consumer: Consumer
    assignment: Assignment
    on_event: EventCallback
    topics: Sequence[str]
    _kept: list[Message] = field(default_factory=list)

    @property
    def events(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        return sum(map(len, self._kept))

    def fetch(self, most: int, wait_s: float) -> bool:
        if most == 1:
            message = self.consumer.poll(wait_s)
            arrived = [] if message is None else [message]
        else:
            arrived = self.consumer.consume(most, wait_s)  # waits only while fewer than asked for are there
        if arrived:
            self._kept = self._accept(arrived)
        return bool(arrived)

    def take(self) -> Messages:
        kept, self._kept = self._kept, []
        return gather(kept, None, self.topics[0] if len(self.topics) == 1 else None)

    def _accept(self, arrived: list[Message]) -> list[Message]:
        if any(map(Message.error, arrived)):
            errors = list(map(Message.error, arrived))
            for message, error in zip(arrived, errors, strict=True):
                if error is not None:
                    self._tell(message, error)
            arrived = [m for m, error in zip(arrived, errors, strict=True) if error is None]
        return self.assignment.keep_owned(self._kept, arrived)

    def _tell(self, message: Message, error: KafkaError) -> None:
        self.on_event((message.topic() or "", message.partition() or 0), message.offset() or 0, error)
