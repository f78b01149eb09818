"""The outlet over confluent_kafka's producer."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream.kafka.outlet import MessageOutlet


class FencedProducer:
    """Raises its fatal error as confluent_kafka does from poll() and flush(): the KafkaError itself."""

    def __init__(self, _properties: object, logger: object) -> None:
        pass

    def poll(self, _timeout: float) -> int:
        raise KafkaError(KafkaError._FENCED, "fenced by a newer instance", fatal=True)

    flush = poll


@pytest.mark.parametrize("call", ["poll", "flush"])
def test_a_fatal_error_of_the_client_is_raised_as_an_exception_that_can_be_caught(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr("stream.kafka.outlet.Producer", FencedProducer)
    outlet = MessageOutlet({}, lambda _error: None, logging.getLogger("test"))
    with pytest.raises(KafkaException, match="_FENCED"):
        getattr(outlet, call)(1.0)
