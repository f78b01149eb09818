"""Reading with the Python transport: a client message object for each event, until it becomes a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, Message

from stream.batch import Int64s, Messages
from stream.kafka.assignment import Assignment
from stream.kafka.gather import gather, timestamps
from stream.kafka.transport import EventCallback


@dataclass(slots=True)
class MessageIntake:
    """An Intake over confluent_kafka's consumer."""

    consumer: Consumer
    assignment: Assignment
    on_event: EventCallback
    topics: Sequence[str]
    _kept: list[Message] = field(default_factory=list)
    _stamps: list[Int64s] = field(default_factory=list)
    """Those of _kept, in parts: asked for once, since they also tell if there is an error among the messages."""

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
            self._accept(arrived)
        else:  # a rebalance may have been served all the same, and after it nothing arrives for a while
            self._keep([], [])
        return bool(arrived)

    def take(self) -> Messages:
        kept, self._kept = self._kept, []
        stamps, self._stamps = self._stamps, []
        return gather(kept, None, self.topics[0] if len(self.topics) == 1 else None, stamps)

    def _accept(self, arrived: list[Message]) -> None:
        stamps = timestamps(arrived)
        if stamps.min() < 0:  # an error has no timestamp (rd_kafka_message_timestamp); few events have none
            arrived = self._without_errors(arrived)
            stamps = timestamps(arrived)
        self._keep(arrived, [stamps])

    def _keep(self, arrived: list[Message], stamps: list[Int64s]) -> None:
        kept = self.assignment.keep_owned(self._kept, arrived)
        whole = len(kept) == len(self._kept) + len(arrived)
        self._stamps = [*self._stamps, *stamps] if whole else [timestamps(kept)]
        self._kept = kept

    def _without_errors(self, arrived: list[Message]) -> list[Message]:
        errors = list(map(Message.error, arrived))
        for message, error in zip(arrived, errors, strict=True):
            if error is not None:
                self._tell(message, error)
        return [m for m, error in zip(arrived, errors, strict=True) if error is None]

    def _tell(self, message: Message, error: KafkaError) -> None:
        self.on_event((message.topic() or "", message.partition() or 0), message.offset() or 0, error)
