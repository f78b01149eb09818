"""Consume, process, produce, commit: the loop of a careful engineer on confluent-kafka, one transaction a batch."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from given import BATCH, CONSUMER, EVENTS, INPUT, PRODUCER, WAIT_S, Report

TIMEOUT_S = 10.0


def run(handle: Callable[[list[Message], Producer], None]) -> None:
    """Give every batch to `handle`, which produces what comes of it, until EVENTS are committed."""
    consumer, producer, report = Consumer(CONSUMER), Producer(PRODUCER), Report()
    producer.init_transactions(TIMEOUT_S)
    consumer.subscribe([INPUT])
    done = 0
    while done < EVENTS:
        messages = [m for m in consumer.consume(BATCH, WAIT_S) if not failed(m)]
        if not messages:
            continue
        report.first_poll()
        producer.begin_transaction()
        try:
            handle(messages, producer)
            producer.send_offsets_to_transaction(next_offsets(messages), consumer.consumer_group_metadata(), TIMEOUT_S)
            producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            producer.abort_transaction(TIMEOUT_S)
            rewind(consumer, messages)
            continue
        done += len(messages)
    report.tell(done)
    consumer.close()


def failed(message: Message) -> bool:
    error = message.error()
    if error is not None and error.fatal():
        raise KafkaException(error)
    return error is not None


def next_offsets(messages: list[Message]) -> list[TopicPartition]:
    last = {message.partition(): message.offset() for message in messages}
    return [TopicPartition(INPUT, partition, offset + 1) for partition, offset in last.items()]


def rewind(consumer: Consumer, messages: list[Message]) -> None:
    """Read the batch again."""
    first: dict[int, int] = {}
    for message in messages:
        first.setdefault(message.partition(), message.offset())
    for partition, offset in first.items():
        consumer.seek(TopicPartition(INPUT, partition, offset))
