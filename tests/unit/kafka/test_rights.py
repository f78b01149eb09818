"""Which rights a pipeline needs, and how one that is missing is told."""

from __future__ import annotations

from stream.config.pipeline_file import PipelineFile
from stream.kafka.rights import Resource, Right, needed_rights, principal_of


def pipeline(**failures: object) -> PipelineFile:
    return PipelineFile.model_validate(
        {
            "pipeline": "p",
            "input": {"topic": "in", "schema": "s.avsc"},
            "stages": [{"transform": {"a": "b"}}],
            "outputs": [{"topic": "out", "schema": "s.avsc"}],
            "failures": failures,
        }
    )


def test_read_what_is_read_write_what_is_written_one_group_and_the_transactions() -> None:
    found = {(r.operation, str(r.resource), r.name, r.pattern) for r in needed_rights(pipeline())}
    assert found == {
        ("Read", "topic", "in", "literal"),
        ("Write", "topic", "out", "literal"),
        ("Write", "topic", "p.dlq", "literal"),
        ("Read", "group", "p", "literal"),
        ("Write", "transactional-id", "p-", "prefixed"),
    }


def test_a_retry_tier_is_read_and_written() -> None:
    tiers = [r.operation for r in needed_rights(pipeline(retry={"delays": ["10s"]})) if r.name == "p.retry.10s"]
    assert sorted(tiers) == ["Read", "Write"]


def test_what_is_missing_is_told_with_who_what_for_and_the_command() -> None:
    right = Right(Resource.TRANSACTIONAL_ID, "p-", "Write", "the transactions", prefixed=True)
    line = right.missing("User:ann")
    assert line.startswith("User:ann lacks the ACL Write on transactional-id p- (prefixed) (the transactions)")
    assert "kafka-acls --add --allow-principal User:ann --operation Write --transactional-id p-" in line
    assert "--resource-pattern-type prefixed" in line
    assert "User:NAME" in right.missing()


def test_whether_a_hidden_topic_exists_is_left_open() -> None:
    right = Right(Resource.TOPIC, "in", "Read", "the events")
    assert "or the topic does not exist" in right.missing(hidden=True)
    assert "exist" not in right.missing()


def test_the_principal_is_told_only_where_the_settings_know_it() -> None:
    assert principal_of({"security.protocol": "SASL_SSL", "sasl.username": "ann"}) == "User:ann"
    assert principal_of({"security.protocol": "SSL", "sasl.username": "ann"}) == ""
    assert principal_of({"security.protocol": "SASL_SSL"}) == ""
