"""Rules over the file and the environment together."""

from __future__ import annotations

import pytest

SHORT = """\
input: {topic: flights, schema: flight.avsc}
stages: [transform: {a: b}]
outputs: [{topic: results, schema: result.avsc}]
"""
SESSION, POLL = "STREAM_KAFKA_SESSION_TIMEOUT_MS", "STREAM_KAFKA_MAX_POLL_INTERVAL_MS"
KIP_848 = SHORT + "group: {protocol: consumer}\n"


def test_a_transaction_ends_before_the_session_of_its_worker(mistakes):
    assert mistakes(SHORT + "transaction: {timeout: 15s}") == [
        (
            "flights.yaml:4:24: transaction.timeout (15s) must be shorter than session.timeout.ms (15s);"
            " lower it or raise STREAM_KAFKA_SESSION_TIMEOUT_MS"
        )
    ]


def test_a_short_session_is_told_even_when_the_file_is_silent(mistakes):
    assert mistakes(SHORT, {SESSION: "6000"}) == [
        (
            "flights.yaml:1:1: transaction.timeout (10s) must be shorter than session.timeout.ms (6s);"
            " lower it or raise STREAM_KAFKA_SESSION_TIMEOUT_MS"
        )
    ]


def test_a_session_ends_before_the_poll_interval(mistakes):
    assert mistakes(SHORT, {SESSION: "45000", POLL: "45000"}) == [
        (
            "environment: session.timeout.ms (45s) must be shorter than max.poll.interval.ms (45s); lower"
            " STREAM_KAFKA_SESSION_TIMEOUT_MS or raise STREAM_KAFKA_MAX_POLL_INTERVAL_MS"
        )
    ]


def test_longer_timeouts_in_the_right_order_are_fine(load_text):
    load_text(SHORT + "transaction: {timeout: 40s}", {SESSION: "45000", POLL: "60000"})


def test_a_timeout_that_is_no_number_is_told(mistakes):
    assert mistakes(SHORT, {SESSION: "45s"}) == [
        "environment: STREAM_KAFKA_SESSION_TIMEOUT_MS must be a whole number of milliseconds, not '45s'"
    ]


def test_with_kip_848_the_transaction_ends_before_the_poll_interval(mistakes, load_text):
    assert mistakes(KIP_848, {POLL: "10000"}) == [
        (
            "flights.yaml:1:1: transaction.timeout (10s) must be shorter than max.poll.interval.ms (10s);"
            " lower it or raise STREAM_KAFKA_MAX_POLL_INTERVAL_MS"
        )
    ]
    load_text(KIP_848)


@pytest.mark.parametrize("name", ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"])
def test_with_kip_848_the_broker_decides_these(mistakes, name):
    variable = "STREAM_KAFKA_" + name.replace(".", "_").upper()
    assert mistakes(KIP_848, {variable: "45000"}) == [
        (
            f"environment: {variable} has no meaning with the group protocol 'consumer', where the broker decides it;"
            " unset it"
        )
    ]


def test_the_input_schema_may_be_left_out_with_a_registry(load_text):
    text = SHORT.replace(", schema: flight.avsc", "")
    config = load_text(text, {"STREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:8081"})
    assert config.file.input.schema_file is None
