"""A raw transactional copy: key and value as bytes from one topic to the other, nothing decoded. The client's limit."""

from __future__ import annotations

from confluent_kafka import Message, Producer
from given import OUTPUT
from transactions import run


def copy(messages: list[Message], producer: Producer) -> None:
    produce = producer.produce
    for message in messages:
        produce(OUTPUT, message.value(), message.key(), message.partition())


if __name__ == "__main__":
    run(copy)
