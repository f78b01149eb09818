"""The native transport against the Python one: the same columns, the same rows, the same refusals; and over TLS."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from acceptance.kafka_io import KafkaIO
from acceptance.running import wait_until
from acceptance.secured import Right, SecuredKafka, scram_kafka
from confluent_kafka import Producer

from stream.batch import Failure, FailureClass, Messages, Outcome, Record, Rows, grouped
from stream.errors import TransactionError
from stream.failures.dead_letter import DeadLetters
from stream.kafka.guard import FENCED
from stream.kafka.native import NativeTransport, open_library
from stream.kafka.python import PythonTransport
from stream.kafka.session import Session
from stream.kafka.settings import ClientSettings, Slot
from stream.kafka.sink import Sink
from stream.kafka.transport import Transport

PYTHON = PythonTransport()
VALUES = [b"value", b"", None, bytes(range(256)), b"x" * 300_000]
KEYS = [b"key", b"", None, b"\x00\xff"]
HEADERS = [
    [],
    [("traceparent", b"00-1"), ("traceparent", b"00-2")],
    [("null", None), ("empty", b""), ("ünï", b"\x00\x01")],
    [("stream.class", b"of a failure"), ("__streams.errors.topic", b"t"), ("kept", b"k")],
]


def native() -> NativeTransport:
    return NativeTransport(open_library())


def session(
    bootstrap: str, topics: Sequence[str], group: str, transport: Transport, slot: str = "one", **more: str
) -> Session:
    user = {"bootstrap.servers": bootstrap, "session.timeout.ms": "6000", "heartbeat.interval.ms": "500", **more}
    return Session(
        ClientSettings(Slot(group, slot), tuple(topics), user, transaction_timeout_s=5.0, transport=transport)
    )


def patiently(reading: Session) -> Messages | None:
    try:
        return reading.poll(0.1)
    except TransactionError:
        reading.recover()
        return None


def read_all(reading: Session, count: int) -> list[Messages]:
    """Batches until so many messages were read."""
    reading.recover()
    batches: list[Messages] = []

    def enough() -> bool:
        found = patiently(reading)
        batches.extend([found] if found is not None else [])
        return sum(map(len, batches)) >= count

    wait_until(enough, f"{count} messages")
    return batches


def columns(batches: list[Messages]) -> dict[tuple[str, int, int], tuple[object, ...]]:
    """All of a message by where it was read."""
    return {
        tuple(m.origin(row)): (
            m.value(row),
            m.key(row),
            list(m.headers_of(row)),
            int(m.timestamp[row]),
            int(m.flags[row]),
        )
        for m in batches
        for row in range(len(m))
    }


@pytest.fixture(scope="module")
def recorded(kafka) -> tuple[str, dict[str, int]]:
    """Topics with every kind of key, value, header and timestamp, over many partitions."""
    topics = {
        f"recorded-{name}-{time.monotonic_ns()}": partitions for name, partitions in (("a", 1), ("b", 7), ("c", 90))
    }
    KafkaIO(kafka.bootstrap).create_topics(topics)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 1_000_000})
    count, now_ms = 0, int(time.time() * 1000)
    for topic, partitions in topics.items():
        for number in range(400):
            producer.produce(
                topic,
                VALUES[number % 5] if number < 20 else b"%d" % number,
                KEYS[number % 4],
                number % partitions,
                timestamp=now_ms - 60_000 + number,  # old ones would be deleted while they are read
                headers=HEADERS[number // 2 % 4] if number < 100 else None,
            )
            count += 1
        assert producer.flush(60) == 0
    return kafka.bootstrap, topics


def test_both_transports_read_the_same_columns(recorded, unique_name) -> None:
    bootstrap, topics = recorded
    found = []
    for transport in (PYTHON, native()):
        reading = session(bootstrap, list(topics), unique_name(transport.name), transport)
        try:
            batches = read_all(reading, 1200)
        finally:
            reading.close()
        found.append(columns(batches))
        ends: dict[tuple[str, int], int] = {}
        for batch in batches:
            ends.update(batch.next_offsets)
        assert sum(ends.values()) == 1200
    assert len(found[0]) == 1200
    assert found[0] == found[1]


def test_both_transports_write_the_same_records(recorded, unique_name, topic_factory, kafka_io) -> None:
    """Keys, nulls, headers without those of a failure, timestamps, warnings; and records of the product's own."""
    bootstrap, topics = recorded
    reading = session(bootstrap, list(topics), unique_name("source"), PYTHON)
    try:
        batches = read_all(reading, 1200)
    finally:
        reading.close()
    written = []
    for transport in (PYTHON, native()):
        topic = topic_factory(transport.name, 5)
        sink = Sink(session_settings(bootstrap, unique_name(f"sink-{transport.name}"), transport))
        sink.begin()
        for messages in batches:
            keep = np.flatnonzero(np.arange(len(messages)) % 3 != 1)
            sink.produce_rows(rows_of(messages, keep, topic), messages, {int(keep[0]): ("suite.1", "suite.2")})
        for headers in HEADERS:
            sink.produce(Record(topic, b"k", b"v", headers, 77))
        sink.produce(Record(topic, None, None, [("a", None)], 77, partition=3))
        for messages in batches:
            plain = replace(messages, headers=None)
            sink.produce_records(DeadLetters(topic, "p").records(grouped(failures(len(messages))), plain, 5000))
        sink.flush()
        sink.commit()
        sink.discard()
        written.append(sorted(kafka_io.read_committed(topic), key=repr_of))
    assert len(written[0]) > 700
    assert [repr_of(r) for r in written[0]] == [repr_of(r) for r in written[1]]
    # what came in order stays in order within a partition, whichever way a row was queued
    assert in_order(written[0]) == in_order(written[1])


def failures(count: int) -> list[Failure]:
    """Of three kinds, of every other message."""
    return [
        Failure(row, "validate", FailureClass.POISON, f"r{row % 3}", "", {"suite": "s"} if row % 3 else {})
        for row in range(0, count, 2)
    ]


def repr_of(record) -> str:
    return repr((record.key, record.value, record.headers, record.timestamp, record.partition if record.key else -1))


def in_order(records) -> list[tuple[int, bytes | None]]:
    """Records with a key by partition and offset; where one without goes is chance."""
    return [(r.partition, r.value) for r in sorted(records, key=lambda r: (r.partition, r.offset)) if r.key]


def rows_of(messages: Messages, keep, topic: str) -> Rows:
    values = [messages.value(int(row)) or b"-" for row in keep]
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(v) for v in values], out=offsets[1:])
    return Rows(topic, keep, b"".join(values), offsets)


def session_settings(bootstrap: str, name: str, transport: Transport, timeout_s: float = 10.0) -> ClientSettings:
    user = {"bootstrap.servers": bootstrap}
    return ClientSettings(Slot(name, "one"), ("unused",), user, transaction_timeout_s=timeout_s, transport=transport)


def flush_and_commit(sink: Sink) -> None:
    sink.flush()
    sink.commit()


def test_a_fenced_producer_is_refused_as_fenced(kafka, unique_name, topic_factory, kafka_io) -> None:
    topic = topic_factory("fenced")
    settings = session_settings(kafka.bootstrap, unique_name("slot"), native())
    zombie = Sink(settings)
    zombie.begin()
    zombie.produce(Record(topic, b"k", b"zombie", ()))
    successor = Sink(settings)
    successor.begin()
    successor.produce(Record(topic, b"k", b"successor", ()))
    successor.flush()
    successor.commit()
    with pytest.raises(TransactionError) as refused:
        flush_and_commit(zombie)
    assert refused.value.reason == FENCED
    zombie.discard()
    successor.discard()
    assert [r.value for r in kafka_io.read_committed(topic)] == [b"successor"]


def test_a_flush_ends_with_the_last_acknowledgement(kafka, unique_name, topic_factory) -> None:
    """The library's own loop looks every 10 ms, which made each transaction that much longer."""
    topic = topic_factory("flushed")
    sink = Sink(session_settings(kafka.bootstrap, unique_name("slot"), native()))
    took = []
    for _ in range(40):
        sink.begin()
        sink.produce(Record(topic, b"k", b"v", ()))
        began = time.monotonic()
        sink.flush()
        took.append(time.monotonic() - began)
        sink.commit()
    sink.discard()
    assert min(took) < 0.009


def test_messages_that_a_broker_refuses_end_the_flush_at_once_and_fail_the_commit(
    kafka, unique_name, kafka_io, caplog
) -> None:
    topic = unique_name("small")
    kafka_io.create_topics({topic: 1}, {"max.message.bytes": "1000"})
    sink = Sink(session_settings(kafka.bootstrap, unique_name("slot"), native(), timeout_s=60.0))
    sink.begin()
    for _ in range(300):
        sink.produce(Record(topic, b"k", b"v" * 2000, ()))
    sink.flush()  # raises when it ends by its timeout
    with pytest.raises(TransactionError, match="MSG_SIZE_TOO_LARGE"):
        sink.commit()
    sink.discard()
    assert "delivery report" not in caplog.text, "no line for each of them"


def test_a_transaction_that_timed_out_is_refused_and_a_new_producer_goes_on(
    kafka, unique_name, topic_factory, kafka_io
) -> None:
    topic = topic_factory("late")
    settings = session_settings(kafka.bootstrap, unique_name("slot"), native(), timeout_s=1.0)
    sink = Sink(settings)
    sink.begin()
    sink.produce(Record(topic, b"k", b"late", ()))
    sink.flush()

    assert kafka_io.read_committed(topic) == []  # which waits until no transaction is open
    with pytest.raises(TransactionError):
        sink.commit()
    sink.discard()
    again = Sink(settings)
    again.begin()
    again.produce(Record(topic, b"k", b"again", ()))
    again.flush()
    again.commit()
    again.discard()
    assert [r.value for r in kafka_io.read_committed(topic)] == [b"again"]


def test_a_member_that_polls_too_late_is_refused_and_reads_again(kafka, unique_name, topic_factory, kafka_io) -> None:
    topic, out = topic_factory("in", 3), topic_factory("out")
    kafka_io.produce(topic, [(b"%d" % n, b"%d" % n, None, n % 3) for n in range(30)])
    group = unique_name("group")
    slow = session(kafka.bootstrap, [topic], group, native(), **{"max.poll.interval.ms": "7000"})
    try:
        batches = read_all(slow, 30)
        losses = slow.losses()
        other = session(kafka.bootstrap, [topic], group, native(), slot="two")
        try:
            read_all(other, 30)  # it has all partitions once the slow one is out
            for batch in batches:
                slow.begin_commit(Outcome(batch, [], [], filtered=len(batch)), [Record(out, b"k", b"late", ())])
                with pytest.raises(TransactionError):
                    slow.finish_commit()
                slow.recover()
        finally:
            other.close()
        wait_until(lambda: patiently(slow) is not None, "messages again")
        assert slow.losses() > losses
    finally:
        slow.close()
    assert kafka_io.read_committed(out) == []


@pytest.fixture(scope="module")
def scram(tmp_path_factory) -> Iterator[SecuredKafka]:
    folder: Path = tmp_path_factory.mktemp("native-tls")
    with scram_kafka(folder) as kafka:
        yield kafka


def test_events_go_over_tls_with_a_password(scram, unique_name) -> None:
    name = unique_name("tls")
    topic, out = f"{name}-in", f"{name}-out"
    inside = KafkaIO(scram.cluster.internal_bootstrap)
    inside.create_topics({topic: 2, out: 1})
    inside.produce(topic, [(b"%d" % n, b"%d" % n, None, n % 2) for n in range(100)])
    scram.add_user(name, "secret-of-native")
    rights = [("TOPIC", topic, "READ"), ("TOPIC", out, "WRITE"), ("GROUP", name, "READ")]
    scram.allow(f"User:{name}", [*(Right(*r) for r in rights), Right("TRANSACTIONAL_ID", name, "WRITE", prefixed=True)])
    environ = scram.scram(name, "secret-of-native")
    user = {k.removeprefix("STREAM_KAFKA_").lower().replace("_", "."): v for k, v in environ.items()}
    bootstrap = user.pop("bootstrap.servers")
    running = session(bootstrap, [topic], name, native(), **user)
    try:
        for batch in read_all(running, 100):
            rows = rows_of(batch, np.arange(len(batch)), out)
            running.begin_commit(Outcome(batch, [rows], []), [])
            running.finish_commit()
    finally:
        running.close()
    assert sorted(r.value for r in inside.read_committed(out)) == sorted(b"%d" % n for n in range(100))
