"""A dead letter: the original, why it is there, and never larger than can be produced."""

from dataclasses import replace

import numpy as np
import pytest

from stream.batch import Failure, FailureClass, Failures, Header, Messages, Record, grouped
from stream.failures.dead_letter import DeadLetters
from stream.failures.headers import MAX_TEXT_CHARS

FAILURE = Failure(
    1, "validate", FailureClass.POISON, "expectation", "1 of 2 not met", {"suite": "s", "expectations": "a,b"}
)


def messages(headers: list[Header] | None = None, value: bytes = b"value") -> Messages:
    plain = Messages.of([b"other", value], [b"k0", b"k1"], topic="t", timestamp_ms=1234, first_offset=40)
    return replace(plain, headers=[None, headers]) if headers else plain


def letter(source: Messages, failure: Failure = FAILURE, max_bytes: int = 1_000_000) -> Record:
    return DeadLetters("p.dlq", "p", max_bytes).record(failure, source, now_ms=5000)


def texts(record: Record) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in record.headers}


def test_it_holds_the_original_and_every_promised_header() -> None:
    record = letter(messages())
    assert (record.topic, record.key, record.value, record.timestamp) == ("p.dlq", b"k1", b"value", 1234)
    assert texts(record) == {
        "__streams.errors.topic": "t",
        "__streams.errors.partition": "0",
        "__streams.errors.offset": "41",
        "__streams.errors.exception": "stream.PoisonError",
        "__streams.errors.message": "validate: expectation: 1 of 2 not met",
        "__streams.errors.stacktrace": "",
        "stream.pipeline": "p",
        "stream.stage": "validate",
        "stream.class": "poison",
        "stream.reason": "expectation",
        "stream.attempts": "1",
        "stream.suite": "s",
        "stream.expectations": "a,b",
        "stream.failed": "5000",
        "stream.first-failed": "5000",
    }


def test_the_events_own_headers_go_along() -> None:
    record = letter(messages([("traceparent", b"00-1"), ("nothing", None)]))
    assert list(record.headers)[:2] == [("traceparent", b"00-1"), ("nothing", None)]


def test_a_further_failure_replaces_the_headers_and_keeps_the_first_origin() -> None:
    first = letter(messages())
    second = texts(letter(replace(messages([*first.headers, ("a", b"b")]), topics=("p.retry.10s",))))
    assert (second["__streams.errors.topic"], second["__streams.errors.offset"]) == ("t", "41")
    assert (second["stream.attempts"], second["stream.first-failed"]) == ("2", "5000")
    assert len(letter(messages(list(first.headers))).headers) == len(first.headers)


def test_headers_of_others_that_look_like_ours_do_no_harm() -> None:
    record = letter(messages([("stream.attempts", b"many"), ("__streams.errors.offset", None)]))
    assert (texts(record)["stream.attempts"], texts(record)["__streams.errors.offset"]) == ("1", "41")


def test_an_event_too_large_to_produce_again_becomes_a_pointer() -> None:
    record = letter(messages(value=b"v" * 2000), max_bytes=1500)
    assert record.value is None
    assert record.key == b"k1"
    assert texts(record)["stream.pointer"] == "true"
    assert texts(record)["__streams.errors.offset"] == "41"


def test_headers_that_are_too_large_are_left_out_too() -> None:
    record = letter(messages([("huge", b"h" * 2000)]), max_bytes=1500)
    assert "huge" not in texts(record)
    assert record.value is None


def test_long_texts_are_cut() -> None:
    record = letter(messages(), replace(FAILURE, detail="x" * 5000))
    assert len(texts(record)["__streams.errors.message"]) == MAX_TEXT_CHARS


def test_a_tombstone_stays_one() -> None:
    source = Messages.of([None, None], topic="t")
    assert letter(source).value is None


def many(n: int = 50) -> Messages:
    values = [None if i % 7 == 0 else b"v" * i for i in range(n)]
    return replace(
        Messages.of(values, [None if i % 5 == 0 else b"k%d" % i for i in range(n)]),
        topics=("a", "b"),
        topic=np.arange(n, dtype=np.int32) % 2,
        partition=np.arange(n, dtype=np.int32) % 3,
        timestamp=np.arange(n) * 10 - 20,
    )


@pytest.mark.parametrize("room", [30, 100])
def test_many_at_once_are_the_same_as_each_alone(room: int) -> None:
    """With room for 30 bytes some of them are too large."""
    source = many()
    failures = [
        replace(FAILURE, row=row, reason=f"r{row % 2}", facts={"schema": str(row % 4)}) for row in range(0, 50, 2)
    ]
    letters = DeadLetters("p.dlq", "p", max_bytes=64 * 1024 + room)
    records = letters.records(grouped(failures), source, 5000)
    assert list(records) == [letters.record(f, source, 5000) for f in failures]
    assert len(records) == len(failures)
    assert list(letters.records(Failures(), source, 5000)) == []
