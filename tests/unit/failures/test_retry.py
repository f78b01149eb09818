"""Retry tiers: where a failure goes next, and that a retried event is read as it was the first time."""

from dataclasses import replace

import numpy as np
import pytest
from confluent_kafka import Message

from stream.batch import Failure, FailureClass, Header, Messages, Outcome, Record
from stream.failures.dead_letter import DeadLetters
from stream.failures.policy import Policies, Policy, Tier
from stream.failures.retry import FailureRouter
from stream.kafka.gather import gather
from stream.kafka.waiting import Waiting, as_first_read

POLICY = Policy([Tier("p.retry.10s", 10.0), Tier("p.retry.1m", 60.0)])
ROUTER = FailureRouter(DeadLetters("p.dlq", "p"), Policies(POLICY))
TIERS = frozenset({"p.retry.10s", "p.retry.1m"})


def failed(kind: FailureClass, headers: list[Header] | None = None) -> Outcome:
    messages = Messages.of([b"v"], [b"k"], topic="t", timestamp_ms=77, first_offset=5)
    if headers:
        messages = replace(messages, headers=[headers])
    return Outcome(messages, [], [Failure(0, "call", kind, "busy", "503")])


def routed(kind: FailureClass = FailureClass.TRANSIENT, headers: list[Header] | None = None) -> Record:
    (record,) = ROUTER.route(failed(kind, headers), now_ms=1000).records
    return record


def read_again(record: Record, offset: int = 900) -> Message:
    return Message(
        topic=record.topic,
        partition=3,
        offset=offset,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        error=None,
        timestamp=(1, record.timestamp),
    )


def test_a_transient_failure_goes_through_the_tiers_and_then_to_the_dead_letters() -> None:
    first = routed()
    second = routed(headers=list(first.headers))
    third = routed(headers=list(second.headers))
    assert [r.topic for r in (first, second, third)] == ["p.retry.10s", "p.retry.1m", "p.dlq"]
    assert [dict(r.headers)["stream.attempts"] for r in (first, second, third)] == [b"1", b"2", b"3"]


def test_a_retry_says_when_it_is_due_and_keeps_the_event() -> None:
    record = routed(headers=[("traceparent", b"x")])
    headers = dict(record.headers)
    assert (record.key, record.value, record.timestamp) == (b"k", b"v", 1000)
    assert (headers["stream.due"], headers["stream.timestamp"], headers["traceparent"]) == (b"11000", b"77", b"x")


def test_poison_is_never_tried_again() -> None:
    assert routed(FailureClass.POISON).topic == "p.dlq"


def test_what_was_retried_is_told_apart_from_dead_letters() -> None:
    assert ROUTER.route(failed(FailureClass.TRANSIENT), 0).retried == {0}
    assert ROUTER.route(failed(FailureClass.POISON), 0).retried == frozenset()


def test_an_event_too_large_to_be_written_again_is_a_dead_letter_at_once() -> None:
    router = FailureRouter(DeadLetters("p.dlq", "p", max_bytes=10), Policies(POLICY))
    (record,) = router.route(failed(FailureClass.TRANSIENT), 0).records
    assert (record.topic, record.value) == ("p.dlq", None)


def test_a_retried_event_is_read_as_it_was_the_first_time() -> None:
    plain = Message(topic="t", partition=0, offset=8, key=b"", value=b"w", headers=None, error=None)
    messages = as_first_read(gather([plain, read_again(routed())]), TIERS)
    assert [messages.origin(row) for row in range(2)] == [("t", 0, 8), ("t", 0, 5)]
    assert messages.timestamp[1] == 77
    assert messages.next_offsets == {("t", 0): 9, ("p.retry.10s", 3): 901}


def test_a_second_failure_keeps_the_first_origin() -> None:
    messages = as_first_read(gather([read_again(routed())]), TIERS)
    outcome = Outcome(messages, [], [Failure(0, "call", FailureClass.TRANSIENT, "busy")])
    headers = dict(ROUTER.route(outcome, 2000).records[0].headers)
    assert (headers["__streams.errors.topic"], headers["__streams.errors.offset"]) == (b"t", b"5")
    assert headers["stream.attempts"] == b"2"


@pytest.mark.parametrize(("now_ms", "due"), [(10_999, []), (11_000, [900])])
def test_an_event_is_never_read_before_it_is_due(now_ms: int, due: list[int]) -> None:
    waiting = Waiting(TIERS)
    messages, held = waiting.split(gather([read_again(routed())]), now_ms)
    assert messages.offset.tolist() == due
    assert held == ({} if due else {("p.retry.10s", 3): 900})


def test_what_is_behind_an_event_that_waits_waits_too() -> None:
    waiting = Waiting(TIERS)
    early, late = read_again(routed(), 900), read_again(routed()._replace(headers=[]), 901)
    other = Message(topic="t", partition=3, offset=1, key=None, value=None, headers=None, error=None)
    messages, held = waiting.split(gather([early, late, other]), 0)
    assert [messages.origin(i) for i in range(len(messages))] == [("t", 3, 1)]
    assert messages.next_offsets == {("t", 3): 2}
    assert held == {("p.retry.10s", 3): 900}


def test_a_partition_wakes_once_when_its_head_is_due() -> None:
    waiting = Waiting(TIERS)
    waiting.split(gather([read_again(routed())]), 0)
    assert waiting.due(10_999) == []
    assert waiting.due(11_000) == [("p.retry.10s", 3)]
    assert waiting.due(12_000) == []


def test_without_tiers_messages_are_untouched() -> None:
    messages = Messages.of([b"a"])
    assert as_first_read(messages, frozenset()) is messages
    assert np.array_equal(messages.offset, [0])


def exhausted_at(stage: str, header: str) -> Record:
    """The record of an event that failed at a stage now, and earlier as the header tells."""
    headers: list[Header] = [("stream.attempts", b"2"), ("stream.stage-attempts", header.encode())]
    outcome = failed(FailureClass.TRANSIENT, headers)
    (record,) = ROUTER.route(replace(outcome, failures=[replace(outcome.failures[0], stage=stage)]), 0).records
    return record


def test_the_tier_is_that_of_the_failing_stages_own_attempts() -> None:
    assert exhausted_at("http", "http=1,http-2=1").topic == "p.retry.1m"
    assert exhausted_at("http", "http-2=2").topic == "p.retry.10s"
    assert exhausted_at("http", "http=2").topic == "p.dlq"
    assert dict(exhausted_at("http", "http-2=2").headers)["stream.stage-attempts"] == b"http-2=2,http=1"


def test_attempts_of_all_stages_are_told() -> None:
    assert dict(exhausted_at("http", "http-2=2").headers)["stream.attempts"] == b"3"


@pytest.mark.parametrize("header", ["", ",", "http", "=1", "http=x", "http=-1", "http=99999999999999999999999"])
def test_a_header_that_another_program_wrote_counts_as_none(header: str) -> None:
    assert exhausted_at("http", header).topic == "p.retry.10s"


def test_a_stage_has_its_own_policy() -> None:
    own = Policy([Tier("p.retry.5s", 5.0)])
    router = FailureRouter(DeadLetters("p.dlq", "p"), Policies(POLICY, {"http": own, "call": Policy()}))
    topics = []
    for stage in ("http", "call", "call-2"):
        outcome = failed(FailureClass.TRANSIENT)
        outcome = replace(outcome, failures=[replace(outcome.failures[0], stage=stage)])
        topics += [record.topic for record in router.route(outcome, 0).records]
    assert topics == ["p.retry.5s", "p.dlq", "p.retry.10s"]


def test_max_elapsed_is_measured_from_the_first_failure() -> None:
    router = FailureRouter(DeadLetters("p.dlq", "p"), Policies(replace(POLICY, max_elapsed_s=100.0)))
    headers: list[Header] = [("stream.attempts", b"1"), ("stream.stage-attempts", b"call=1")]
    topics = []
    for first_ms in (b"10000", b"9999"):
        outcome = failed(FailureClass.TRANSIENT, [*headers, ("stream.first-failed", first_ms)])
        topics += [record.topic for record in router.route(outcome, 50_000).records]
    assert topics == ["p.retry.1m", "p.dlq"]


def test_a_retry_is_committed_with_the_offset_of_the_tier_it_was_read_from() -> None:
    messages = as_first_read(gather([read_again(routed())]), TIERS)
    assert (messages.origin(0), messages.places.place(0)) == (("t", 0, 5), ("p.retry.10s", 3, 900))
    kept = messages.take(np.array([True]), messages.next_offsets)
    assert kept.places.place(0) == ("p.retry.10s", 3, 900)
