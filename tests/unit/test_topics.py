from collections.abc import Mapping

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream.config.pipeline_file import PipelineFile
from stream.errors import ConfigurationError, UnreachableError
from stream.kafka.connection import Connection
from stream.kafka.settings import CONSUMER_ONLY
from stream.kafka.tailing import Start
from stream.kafka.topics import DAY_MS, HEADER_ROOM_BYTES, Existing, Role, Status, Topic, TopicAdmin, needed, plan

NEEDS = {
    "in": Role.INPUT,
    "out": Role.OUTPUT,
    "p.retry.10s": Role.RETRY,
    "p.dlq": Role.DEAD_LETTER,
    "p.dlq.resolved": Role.RESOLVED,
}


def by_name(existing: Mapping[str, Existing], partitions: int | None = None) -> dict[str, Topic]:
    return {topic.name: topic for topic in plan(NEEDS, existing, partitions)}


def test_a_pipeline_needs_its_inputs_outputs_retry_tiers_and_dead_letters() -> None:
    file = PipelineFile.model_validate(
        {
            "pipeline": "p",
            "input": {"topic": ["a", "b"]},
            "stages": [{"infer": {"model": "models/m"}}],
            "outputs": [{"topic": "out", "schema": "s.avsc"}, {"topic": "b", "schema": "s.avsc"}],
            "failures": {"retry": {"delays": ["10s", "1m"]}},
        }
    )
    assert list(needed(file).items()) == [
        ("a", Role.INPUT),
        ("b", Role.INPUT),
        ("out", Role.OUTPUT),
        ("p.retry.10s", Role.RETRY),
        ("p.retry.1m", Role.RETRY),
        ("p.dlq", Role.DEAD_LETTER),
        ("p.dlq.resolved", Role.RESOLVED),
    ]


def test_new_topics_have_as_many_partitions_as_the_input() -> None:
    topics = by_name({"in": Existing(6, 3)})
    assert {t.name: (t.status, t.partitions) for t in topics.values()} == {
        "in": (Status.PRESENT, 6),
        "out": (Status.MISSING, 6),
        "p.retry.10s": (Status.MISSING, 6),
        "p.dlq": (Status.MISSING, 6),
        "p.dlq.resolved": (Status.MISSING, 1),
    }


def test_what_was_resolved_is_never_forgotten() -> None:
    assert by_name({"in": Existing(6, 3)})["p.dlq.resolved"].config == {"cleanup.policy": "compact"}
    found = by_name({"in": Existing(6, 3), "p.dlq.resolved": Existing(1, 1, {"cleanup.policy": "compact,delete"})})
    assert "would be forgotten, and redone" in found["p.dlq.resolved"].remarks[0]


def test_retries_are_kept_for_a_fortnight_and_dead_letters_until_somebody_decides() -> None:
    topics = by_name({"in": Existing(1, 1, {"max.message.bytes": "8000000"})})
    assert topics["out"].config == {}
    for name, kept_ms in (("p.dlq", -1), ("p.retry.10s", 14 * DAY_MS)):
        assert topics[name].config == {
            "cleanup.policy": "delete",
            "retention.ms": str(kept_ms),
            "max.message.bytes": str(8_000_000 + HEADER_ROOM_BYTES),
        }


def test_without_an_input_the_number_of_partitions_must_be_given() -> None:
    found = [t for t in by_name({}).values() if t.role is not Role.RESOLVED]
    assert {t.partitions for t in found} == {0}
    assert all("--partitions" in t.remarks[0] for t in found)
    given = by_name({}, partitions=4).values()
    assert {t.partitions for t in given if t.role is not Role.RESOLVED} == {4}


def test_creating_without_a_number_of_partitions_names_every_topic() -> None:
    with pytest.raises(ConfigurationError, match=r"input topic in does not exist.*--partitions") as caught:
        TopicAdmin(Connection({})).create(plan(NEEDS, {}))
    assert len(caught.value.problems) == 4


def test_what_differs_is_told_and_what_fits_is_not() -> None:
    usual = {"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "2000000"}
    existing = {
        "in": Existing(4, 1, {"max.message.bytes": "1500000"}),
        "out": Existing(3, 1, {"max.message.bytes": "10"}),
        "p.retry.10s": Existing(4, 1, usual),
        "p.dlq": Existing(
            2, 1, {"cleanup.policy": "compact", "retention.ms": str(DAY_MS), "max.message.bytes": "1000000"}
        ),
    }
    topics = by_name(existing)
    assert topics["p.retry.10s"].status is Status.PRESENT
    assert topics["out"].remarks == ("3 partitions where the input has 4: keys are placed anew",)
    assert [r.split(":")[0] for r in topics["p.dlq"].remarks] == [
        "2 partitions where the input has 4",
        "cleanup.policy=compact",
        f"retention.ms={DAY_MS}",
        "max.message.bytes=1000000 where the input allows 1500000",
    ]
    assert topics["p.dlq"].status is Status.DIFFERS


def test_settings_that_may_not_be_read_are_no_difference() -> None:
    existing = {name: Existing(2, 1) for name in NEEDS}
    assert {t.status for t in plan(NEEDS, existing)} == {Status.PRESENT}


def refusal(*codes: int, cause: tuple[int, str] | None = None) -> Exception:
    connection = Connection({"bootstrap.servers": "kafka:9092"})
    if cause:
        connection._note(KafkaError(*cause))
        connection._note(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    error = KafkaException(KafkaError(codes[0]))
    return connection.refusal(error, "create topic out", "Create on topic out")


def test_a_missing_acl_is_named_with_operation_and_topic() -> None:
    error = refusal(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert isinstance(error, ConfigurationError)
    assert "does not let this user create topic out: the ACL Create on topic out is missing" in str(error)


def test_a_broker_that_is_away_is_unreachable_and_the_reason_is_told() -> None:
    error = refusal(KafkaError._TIMED_OUT, cause=(KafkaError._TRANSPORT, "Connection refused"))
    assert isinstance(error, UnreachableError)
    assert str(error) == "cannot create topic out: Kafka at kafka:9092 does not answer (Connection refused)"


def test_a_refused_login_is_a_matter_of_configuration() -> None:
    error = refusal(KafkaError._TIMED_OUT, cause=(KafkaError._AUTHENTICATION, "invalid credentials"))
    assert isinstance(error, ConfigurationError)
    assert "invalid credentials; check the STREAM_KAFKA_* variables" in str(error)


def test_what_the_broker_refuses_is_told_in_its_words() -> None:
    error = refusal(KafkaError.POLICY_VIOLATION)
    assert isinstance(error, ConfigurationError)
    assert "POLICY_VIOLATION" in str(error)


def test_clients_get_no_properties_of_another_kind_of_client() -> None:
    connection = Connection({"bootstrap.servers": "kafka:9092", "fetch.wait.max.ms": "5", "linger.ms": "1"})
    assert "linger.ms" in connection._properties(CONSUMER_ONLY)
    assert "fetch.wait.max.ms" not in connection._properties(CONSUMER_ONLY)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("earliest", Start(edge=-2)),
        ("latest", Start(edge=-1)),
        ("0", Start(offset=0)),
        ("17", Start(offset=17)),
        ("-10", Start(last=10)),
        ("2026-01-31T06:00:00Z", Start(time_ms=1_769_839_200_000)),
    ],
)
def test_a_place_to_start_from(text: str, start: Start) -> None:
    assert Start.parse(text) == start


@pytest.mark.parametrize("text", ["earlest", "", "1.5", "2026-01-31T06:00:00", "+3"])
def test_no_place_to_start_from_says_what_would_be_one(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be earliest, latest, an offset, -N"):
        Start.parse(text)
