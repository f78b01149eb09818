"""What a reader of its own finds after a run: each event in exactly one place, and the right predictions.

Plain confluent-kafka and fastavro, none of stream's own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

import fastavro
import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from bench.job import PREDICTION, Job

AT_A_TIME: Final = 10_000
REQUEST_S: Final = 10.0
QUIET_S: Final = 60.0
"""Nothing new for this long before the end is reached: a transaction was left open."""
LOOKED_AT: Final = 50
"""Every so many-th prediction is decoded and compared; ids are all looked at."""
TOLERANCE: Final = 1e-4
FRAMING: Final = 10


def mistakes(bootstrap: str, job: Job, output: str, dead_letters: str, *, copies: bool) -> list[str]:
    """What is wrong with the topics; nothing when all is well."""
    wrong: list[str] = []
    found = np.zeros(len(job), np.int64)
    dead = np.zeros(len(job), np.int64)
    schema = fastavro.parse_schema(fastavro.schema.load_schema(str(PREDICTION)))
    for message in read(bootstrap, output):
        number = int(message.key() or -1)
        found[number] += 1
        if copies:
            wrong += [] if message.value() == job.events.values[number] else [f"event {number} is not a copy"]
        elif number % LOOKED_AT == 0:
            wrong += _compared(message.value() or b"", schema, job, number)
    for message in read(bootstrap, dead_letters):
        number = int(message.key() or -1)
        dead[number] += 1
        if message.value() != job.events.values[number]:
            wrong.append(f"dead letter {number} has another value than its event")
    expected = np.zeros(len(job), bool) if copies else job.dead
    wrong += _counted("results", found, ~expected) + _counted("dead letters", dead, expected)
    return wrong[:10]


def read(bootstrap: str, topic: str) -> Iterator[Message]:
    """All committed messages of a topic, to its present end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-verify",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    partitions = consumer.list_topics(topic, REQUEST_S).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    left = set(partitions)
    while left:
        messages = consumer.consume(AT_A_TIME, 0.2) or consumer.consume(1, QUIET_S)
        if not messages:
            raise TimeoutError(f"{topic}: nothing for {QUIET_S:.0f} s, partitions {sorted(left)} are not at their end")
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise KafkaException(error)
    consumer.close()


def _compared(value: bytes, schema: Any, job: Job, number: int) -> list[str]:
    prediction: Any = fastavro.schemaless_reader(BytesIO(value[FRAMING:]), schema, None)
    delay, gained = job.delay[number], job.gained[number]
    right = (
        prediction["flight_id"] == number
        and abs(prediction["predicted_delay"] - delay) <= TOLERANCE * max(1.0, abs(delay))
        and abs(prediction["gained"] - gained) <= TOLERANCE
    )
    return [] if right else [f"the prediction of event {number} is wrong"]


def _counted(what: str, counts: Any, expected: Any) -> list[str]:
    missing, twice = int((expected & (counts == 0)).sum()), int(np.maximum(counts - 1, 0).sum())
    unexpected = int((~expected & (counts > 0)).sum())
    if not (missing or twice or unexpected):
        return []
    return [f"{what}: {missing} missing, {twice} doubled, {unexpected} unexpected"]
