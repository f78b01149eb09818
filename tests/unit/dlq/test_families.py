"""Headers of dead letters, whoever wrote them."""

import pytest

from stream.batch import Origin
from stream.dlq.families import Facts, event_headers, facts_of

OURS = [
    ("__streams.errors.topic", b"flights"),
    ("__streams.errors.partition", b"3"),
    ("__streams.errors.offset", b"17"),
    ("__streams.errors.exception", b"stream.PoisonError"),
    ("__streams.errors.message", b"validate: expectation: 1 of 2 critical expectations not met"),
    ("__streams.errors.stacktrace", b""),
    ("stream.pipeline", b"p"),
    ("stream.stage", b"validate"),
    ("stream.class", b"poison"),
    ("stream.reason", b"expectation"),
    ("stream.suite", b"s"),
    ("stream.expectations", b"a,b"),
    ("stream.attempts", b"2"),
    ("stream.failed", b"2000"),
    ("stream.first-failed", b"1000"),
    ("stream.timestamp", b"500"),
    ("stream.replays", b"1"),
    ("stream.pointer", b"true"),
]


def test_our_own() -> None:
    assert facts_of(OURS) == Facts(
        family="stream",
        origin=Origin("flights", 3, 17),
        pipeline="p",
        stage="validate",
        kind="poison",
        reason="expectation",
        message="validate: expectation: 1 of 2 critical expectations not met",
        suite="s",
        expectations="a,b",
        attempts=2,
        failed_ms=2000,
        first_failed_ms=1000,
        timestamp_ms=500,
        replays=1,
        pointer=True,
    )


def test_kafka_streams() -> None:
    facts = facts_of([*OURS[:3], ("__streams.errors.exception", b"java.lang.ArithmeticException")])
    assert (facts.family, facts.origin, facts.reason) == (
        "streams",
        Origin("flights", 3, 17),
        "java.lang.ArithmeticException",
    )


def test_kafka_connect() -> None:
    names = {"topic": b"t", "partition": b"0", "offset": b"9", "stage": b"VALUE_CONVERTER", "task.id": b"1"}
    names |= {"exception.class.name": b"DataException", "exception.message": b"no schema"}
    facts = facts_of([("__connect.errors." + name, held) for name, held in names.items()])
    assert facts == Facts(
        "connect", Origin("t", 0, 9), stage="VALUE_CONVERTER", reason="DataException", message="no schema"
    )


def test_share_groups() -> None:
    names = {"topic": b"t", "partition": b"0", "offset": b"9", "group": b"g", "message": b"too many deliveries"}
    facts = facts_of([("__dlq.errors." + name, held) for name, held in names.items()])
    assert facts == Facts("share", Origin("t", 0, 9), reason="too many deliveries", message="too many deliveries")


def test_spring_numbers_are_big_endian_and_the_cause_says_more_than_what_wraps_it() -> None:
    names = {
        "original-topic": b"t",
        "original-partition": b"\0\0\0\2",
        "original-offset": b"\0\0\0\0\0\0\1\0",
        "original-timestamp": (1_700_000_000_000).to_bytes(8, "big"),
        "exception-fqcn": b"org.springframework.kafka.listener.ListenerExecutionFailedException",
        "exception-cause-fqcn": b"java.lang.IllegalStateException",
        "exception-message": b"broken",
    }
    found = [("kafka_dlt-" + name, held) for name, held in names.items()]
    facts = facts_of([*found, ("retry_topic-attempts", b"\0\0\0\4")])
    assert facts == Facts(
        "spring",
        Origin("t", 2, 256),
        reason="java.lang.IllegalStateException",
        message="broken",
        attempts=3,  # the header counts the one that would be next
        timestamp_ms=1_700_000_000_000,
    )


def test_behind_springs_retry_topics_the_names_are_others() -> None:
    facts = facts_of(
        [
            ("kafka_original-topic", b"t"),
            ("kafka_original-partition", b"\0\0\0\2"),
            ("kafka_original-offset", b"\0\0\0\0\0\0\1\0"),
            ("kafka_original-timestamp", (1_700_000_000_000).to_bytes(8, "big")),
            ("kafka_dlt-original-consumer-group", b"g"),
            ("kafka_exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
            ("kafka_exception-cause-fqcn", b"java.lang.IllegalStateException"),
            ("kafka_exception-message", b"broken"),
            ("retry_topic-original-timestamp", (1_700_000_000_000).to_bytes(6, "big")),
            ("retry_topic-attempts", b"\0\0\0\2"),
            ("retry_topic-attempts", b"\0\0\0\4"),
        ]
    )
    assert facts == Facts(
        "spring",
        Origin("t", 2, 256),
        reason="java.lang.IllegalStateException",
        message="broken",
        attempts=3,
        timestamp_ms=1_700_000_000_000,
    )


def test_where_spring_appends_the_first_origin_and_the_last_exception_count() -> None:
    def failed(topic: bytes, offset: int, why: bytes) -> list:
        place = [("topic", topic), ("partition", b"\0\0\0\0"), ("offset", offset.to_bytes(8, "big"))]
        return [*(("kafka_dlt-original-" + n, held) for n, held in place), ("kafka_dlt-exception-fqcn", why)]

    facts = facts_of([*failed(b"t", 7, b"First"), *failed(b"t-dlt", 1, b"Second")])
    assert (facts.origin, facts.reason) == (Origin("t", 0, 7), "Second")


def test_a_key_that_spring_could_not_read_says_so() -> None:
    facts = facts_of(
        [("kafka_dlt-key-exception-fqcn", b"DeserializationException"), ("kafka_dlt-key-exception-message", b"k")]
    )
    assert (facts.stage, facts.reason, facts.message) == ("key", "DeserializationException", "k")


def placed(prefix: str, topic: bytes | None, partition: bytes, offset: bytes) -> list:
    return [(prefix + "topic", topic), (prefix + "partition", partition), (prefix + "offset", offset)]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("own", b"x")],
        placed("__connect.errors.", None, b"0", b"1"),
        placed("__connect.errors.", b"t", b"0", b"no number"),
        placed("__streams.errors.", b"t", b"-1", b"1"),
        placed("__streams.errors.", b"t", b"1", b"1" * 30),
        placed("kafka_dlt-original-", b"t", b"", b"\0"),
        placed("kafka_dlt-original-", b"t", b"\0", b"\0" * 9),
        placed("kafka_dlt-original-", b"t", b"\xff\xff\xff\xff", b"\0"),
        [("stream.attempts", b"\xff"), ("stream.replays", b"many")],
    ],
)
def test_what_cannot_be_read_counts_as_not_there(headers: list) -> None:
    facts = facts_of(headers)
    assert facts.origin is None
    assert (facts.attempts, facts.replays) == (None, 0)


def test_only_the_own_headers_of_an_event_are_its_own() -> None:
    others = ["__connect.errors.topic", "__dlq.errors.topic", "kafka_dlt-original-topic", "retry_topic-attempts"]
    others += ["kafka_original-topic", "kafka_exception-fqcn", "kafka_key-exception-message"]
    own = [("a", b"1"), ("traceparent", b"00-1"), ("kafka_correlationId", b"c"), ("a", None)]
    assert event_headers([own[0], *OURS, *((name, b"x") for name in others), *own[1:]]) == own


def test_a_replayed_event_is_no_dead_letter_of_ours_for_its_counter_alone() -> None:
    facts = facts_of([("stream.replays", b"2"), ("__connect.errors.topic", b"t")])
    assert (facts.family, facts.replays) == ("connect", 2)
