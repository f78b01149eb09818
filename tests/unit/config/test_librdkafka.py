"""What this package believes of librdkafka, against the client that is installed."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from stream.config.kafka_properties import (
    DEFAULT_MAX_POLL_INTERVAL_MS,
    DEFAULT_SESSION_TIMEOUT_MS,
    property_names,
)
from stream.kafka.settings import ClientSettings, Slot

NOT_THERE = "No such configuration property"


def refusal(make, properties) -> str:
    """What the client says against the properties, or nothing when it takes them."""
    try:
        client = make({**properties, "logger": logging.getLogger("silent")})
    except (KafkaException, TypeError, ValueError) as error:
        return str(error)
    if isinstance(client, Consumer):
        client.close()
    return ""


@pytest.mark.parametrize("name", property_names())
def test_the_installed_client_knows_every_listed_property(name):
    # a value no property takes but as free text: the name is judged first, and few clients are really made
    assert NOT_THERE not in refusal(Producer, {name: "\x01"})


def test_the_installed_client_would_refuse_another_name():
    assert NOT_THERE in refusal(Producer, {"bootstrap.server": "x"})
    assert NOT_THERE in refusal(Consumer, {"bootstrap.server": "x", "group.id": "g"})


def test_the_timeouts_assumed_are_those_of_the_clients():
    settings = ClientSettings(Slot("p", "i"), ("t",))
    assert settings.consumer()["session.timeout.ms"] == DEFAULT_SESSION_TIMEOUT_MS
    assert settings.consumer()["max.poll.interval.ms"] == DEFAULT_MAX_POLL_INTERVAL_MS
