"""What becomes of each event: real flights through the example pipeline, against the model run directly."""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import fastavro
import numpy as np
import onnxruntime
import pytest
from acceptance import tiny
from acceptance.kafka_io import KafkaIO, Record
from acceptance.running import ROOT, Project, Worker, wait_until
from confluent_kafka import Producer

from stream.avro import load_schema
from stream.demo import flights

FLIGHTS = 4000
ENDS = ("flights.late", "flights.predictions", "flights.dlq")
STREAMS = "__streams.errors."
WARNING = ("stream.warnings", b"dep_delay_is_at_most_6_hours")


class Sent(NamedTuple):
    """One event as it was written, at its place in the input."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes | None]]
    timestamp: int


@pytest.fixture(scope="module")
def flown(kafka, tmp_path_factory) -> Iterator[tuple[Worker, list[Sent], dict[str, list[Record]]]]:
    """The first flights of 2013 through pipelines/flights.yaml: (the worker, what was sent by id, what came out)."""
    kafka_io, folder = KafkaIO(kafka.bootstrap), tmp_path_factory.mktemp("flights")
    with Project(folder, "flights", kafka_io, {}) as p:
        apply = [sys.executable, "-m", "stream", "topics", "pipelines/flights.yaml", "--apply", "--partitions", "3"]
        environ = {"PATH": "", "STREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}
        subprocess.run(apply, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=60)
        worker = p.start(pipeline=ROOT / "pipelines" / "flights.yaml")
        sent = list(_flights())
        _produce(kafka.bootstrap, "flights", sent)
        wait_until(lambda: sum(_offsets(p).values()) == FLIGHTS, "all flights committed", standing=worker.tail)
        wait_until(lambda: worker.metric("stream_consumer_caught_up") == 1, "caught up")
        yield worker, sent, {topic: kafka_io.read_committed(topic) for topic in ENDS}
        assert worker.stop() == 0


def _offsets(p: Project) -> dict[int, int]:
    return p.committed_offsets("flights")


def _flights() -> Iterator[Sent]:
    """Every tenth has headers of its own, a traceparent among them; timestamps are a second apart."""
    schema = load_schema(ROOT / "schemas" / "flight.avsc")
    prefix = b"\xc3\x01" + tiny.fingerprint(json.loads((ROOT / "schemas" / "flight.avsc").read_text()))
    pairs = itertools.chain.from_iterable(flights.events(schema, prefix, FLIGHTS))
    start = int(time.time() * 1000) - FLIGHTS * 1000
    for number, (key, value) in enumerate(pairs):
        trace = b"00-%032x-%016x-01" % (number + 1, number + 1)
        headers = [("traceparent", trace), ("odd", b"\xff\x00"), ("odd", None)] if number % 10 == 0 else []
        yield Sent(key, value, headers, start + number * 1000)


def _produce(bootstrap: str, topic: str, sent: list[Sent]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True})
    for event in sent:
        producer.produce(topic, event.value, event.key, headers=event.headers, timestamp=event.timestamp)
    assert producer.flush(30) == 0


def _number(record: Record) -> int:
    return int(record.key or b"-1")


def test_every_flight_is_in_exactly_one_place(flown) -> None:
    _, _, found = flown
    times = Counter(_number(record) for records in found.values() for record in records)
    assert times == Counter(range(FLIGHTS))
    assert all(len(found[topic]) > 20 for topic in ENDS), "each place got some"


def test_predictions_are_those_of_the_model_run_directly(flown) -> None:
    _, _, found = flown
    table = flights.table(load_schema(ROOT / "schemas" / "flight.avsc"), FLIGHTS)
    features = ["dep_delay", "air_time", "distance", "hour", "month", "sched_dep_time"]
    columns = [table[name].to_numpy().astype(np.float32) for name in features]
    session = onnxruntime.InferenceSession(ROOT / "models" / "arrival-delay" / "1" / "model.onnx")
    (direct,) = session.run(None, {"input": np.stack(columns, axis=1)})
    schema = fastavro.parse_schema(json.loads((ROOT / "schemas" / "prediction.avsc").read_text()))
    for topic in ENDS[:2]:
        for record in found[topic]:
            event: Any = fastavro.schemaless_reader(io.BytesIO((record.value or b"")[10:]), schema)
            row = event["flight_id"]
            assert event["predicted_delay"] == pytest.approx(float(direct[row][0]), rel=1e-5, abs=1e-4)
            assert (event["predicted_delay"] > 15) is (topic == "flights.late")
            gained = table["dep_delay"][row].as_py() - table["air_time"][row].as_py() / 60
            assert event["gained"] == pytest.approx(gained)
            assert (row, event["model"]) == (_number(record), "arrival-delay/1")


def test_key_headers_and_timestamp_go_through_and_warnings_are_marked(flown) -> None:
    _, sent, found = flown
    table = flights.table(load_schema(ROOT / "schemas" / "flight.avsc"), FLIGHTS)
    late = {row for row, delay in enumerate(table["dep_delay"].to_pylist()) if delay is not None and delay > 360}
    assert late, "the sample has flights over the warning's bound"
    for topic in ENDS[:2]:
        for record in found[topic]:
            event = sent[_number(record)]
            marks = [WARNING] if _number(record) in late else []
            assert record.headers == [*event.headers, *marks]
            assert (record.key, record.timestamp) == (event.key, event.timestamp)


def test_a_dead_letter_is_the_event_as_it_was_and_says_why(flown) -> None:
    _, sent, found = flown
    reasons: Counter[str] = Counter()
    for record in found["flights.dlq"]:
        event = sent[_number(record)]
        assert (record.key, record.value, record.timestamp) == (event.key, event.value, event.timestamp)
        own, errors = record.headers[: len(event.headers)], record.headers[len(event.headers) :]
        assert own == event.headers
        headers = {name: (held or b"").decode() for name, held in errors}
        assert len(headers) == len(errors), "each once"
        reasons[headers["stream.reason"]] += 1
        _check_error_headers(headers)
    damaged = [number for number in range(FLIGHTS) if number % 1000 == 7]
    assert reasons == {
        "truncated": 2,
        "trailing_bytes": 1,
        "not_avro": 1,
        "expectation": len(found["flights.dlq"]) - len(damaged),
    }


def _check_error_headers(headers: dict[str, str]) -> None:
    """All that the design lists, numbers decimal."""
    assert headers[STREAMS + "topic"] == "flights"
    assert headers[STREAMS + "exception"] == "stream.PoisonError"
    assert headers[STREAMS + "message"].startswith(f"{headers['stream.stage']}: {headers['stream.reason']}")
    assert STREAMS + "stacktrace" in headers
    numbers = ("partition", "offset")
    assert all(headers[STREAMS + name].isdecimal() for name in numbers)
    assert (headers["stream.pipeline"], headers["stream.class"], headers["stream.attempts"]) == (
        "flights",
        "poison",
        "1",
    )
    assert headers["stream.first-failed"] == headers["stream.failed"]
    assert abs(int(headers["stream.failed"]) / 1000 - time.time()) < 300
    if headers["stream.stage"] == "validate":
        assert headers["stream.suite"] == "departed-flight"
        assert "expect_column_values_to_not_be_null" in headers["stream.expectations"]
    elif headers["stream.reason"] != "not_avro":
        assert re.fullmatch("[0-9a-f]{16}", headers["stream.schema"])


def test_what_was_received_is_the_sum_of_what_became_of_it(flown) -> None:
    worker, _, found = flown
    received = worker.metric("stream_events_received_total", topic="flights")
    assert received == FLIGHTS == worker.metric("stream_events_total")
    assert worker.metric("stream_events_total", outcome="dead_letter") == len(found["flights.dlq"])
    assert worker.metric("stream_dead_letters_total") == len(found["flights.dlq"])
    for topic in ENDS[:2]:
        assert worker.metric("stream_events_sent_total", topic=topic) == len(found[topic])
    assert worker.metric("stream_consumer_lag_events") == 0
    scored = worker.metric("stream_inference_events_total", model="arrival-delay", version="1", outcome="passed")
    assert scored == len(found["flights.late"]) + len(found["flights.predictions"])
    warned = worker.metric("stream_validation_failures_total", severity="warning")
    assert warned == sum(WARNING in r.headers for topic in ENDS[:2] for r in found[topic])
    assert worker.metric("stream_transactions_total", outcome="committed") == len(worker.logged("committed"))


def test_the_health_pages_of_a_worker_that_works(flown) -> None:
    worker, _, _ = flown
    status, body = worker.page("/livez")
    assert (status, json.loads(body)["live"]) == (200, True)
    ready = worker.ready()
    assert (ready["status"], ready["ready"], ready["state"], ready["assigned_partitions"]) == (200, True, "running", 3)


def test_the_log_has_a_line_a_batch_and_never_a_piece_of_an_event(flown) -> None:
    worker, sent, _ = flown
    lines = worker.logged("committed")
    assert sum(line["events"] for line in lines) == FLIGHTS
    assert all({"next_offsets", "process_ms", "transaction_ms", "dead_letters"} <= line.keys() for line in lines)
    log = worker.log.read_text()
    tails = {event.value[30:60] for event in sent if event.value}
    assert not any(tail.decode("ascii", "ignore") in log for tail in tails if tail.isascii() and len(tail) == 30)
    assert "N14228" not in log, "the first flight's tail number"
