"""The native transport against librdkafka's own mock cluster: many messages of every kind, for the sanitizers.

The mock does not keep transactions (tests/acceptance does that with a real Kafka); memory is what is asked here.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from confluent_kafka import Consumer, Producer

from stream.batch import Messages, Outcome, Record, Rows
from stream.errors import AttemptError
from stream.kafka.native import NativeTransport, open_library
from stream.kafka.session import Session
from stream.kafka.settings import ClientSettings, Slot

COUNT = 20_000
DEADLINE_S = 120.0
HEADERS: list[Any] = [None, [("traceparent", b"x" * 55)], [("stream.class", b"poison"), ("null", None), ("empty", b"")]]
VALUES = [b"value %d", b"", None, b"v" * 600]


def fill(bootstrap: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    for number in range(COUNT):
        value = VALUES[number % 4]
        value = value % number if value and b"%d" in value else value
        producer.produce("in", value, None if number % 3 else b"k%d" % number, headers=HEADERS[number % 7 % 3])
        if number % 5000 == 0:
            producer.flush()
    assert producer.flush(60) == 0


def copy(messages: Messages) -> list[Rows]:
    """Every row to one topic, and each second one to another from the same buffer."""
    some = np.flatnonzero(np.arange(len(messages)) % 2 == 0)
    values = [messages.value(int(row)) or b"" for row in some]
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    whole = Rows("out", np.arange(len(messages)), messages.values, messages.value_offsets)
    return [whole, Rows("half", some, b"".join(values), offsets)]


def commit(session: Session, messages: Messages) -> bool:
    rows = copy(messages)
    dropped = 2 * len(messages) - sum(map(len, rows))
    outcome = Outcome(_doubled(messages), rows, [], filtered=dropped, warnings={0: ("suite.rule",)})
    try:
        session.begin_commit(outcome, [Record("dlq", b"k", b"v", [("h", b"x"), ("n", None)])])
        session.finish_commit()
    except AttemptError:
        session.recover()
        return False
    return True


def _doubled(messages: Messages) -> Any:
    """Messages that count twice, since each has two outputs here."""

    class Twice:
        def __len__(self) -> int:
            return 2 * len(messages)

        def __getattr__(self, name: str) -> Any:
            return getattr(messages, name)

    return Twice()


def test_messages_of_every_kind_go_through() -> None:
    boss = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    (broker,) = boss.list_topics(timeout=10).brokers.values()
    bootstrap = f"{broker.host}:{broker.port}"
    fill(bootstrap)
    user = {"bootstrap.servers": bootstrap}
    settings = ClientSettings(
        Slot("g", "one"), ("in",), user, batch_events=3000, transport=NativeTransport(open_library())
    )
    session = Session(settings)
    done, deadline = 0, time.monotonic() + DEADLINE_S
    session.recover()
    while done < COUNT and time.monotonic() < deadline:
        try:
            messages = session.poll()
        except AttemptError:
            session.recover()
            continue
        if messages is not None and commit(session, messages):
            done += len(messages)
    session.close()
    assert done >= COUNT
    assert read(bootstrap, "out", COUNT) >= COUNT


def read(bootstrap: str, topic: str, count: int) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found, deadline = 0, time.monotonic() + DEADLINE_S
    while found < count and time.monotonic() < deadline:
        found += sum(m.error() is None for m in consumer.consume(1000, 1.0))
    consumer.close()
    return found
