"""Which producer events are written with from outside of a pipeline."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError

from stream.errors import UnreachableError
from stream.kafka import producing
from stream.kafka.producing import EventProducer


class Connection:
    """Notes what a producer is made with. user: properties of the environment."""

    def __init__(self, user: dict[str, str]) -> None:
        self.user = user
        self.made: dict[str, Any] = {}

    def producer(self, own: dict[str, Any]) -> None:
        self.made = own


class Admin:
    def __init__(self, _connection: Connection) -> None: ...

    def existing(self, names: list[str]) -> dict[str, int]:
        return dict.fromkeys(names, 1)


def test_what_one_epoch_may_have_written_is_not_sent_under_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a second request in flight librdkafka takes a new epoch when a moved leader refuses the first."""
    monkeypatch.setattr(producing, "TopicAdmin", Admin)
    connection = Connection({"linger.ms": "5"})
    EventProducer(connection, "t", lambda: 0.0, lambda _seconds: None)  # type: ignore[arg-type]
    assert connection.made["enable.idempotence"]
    assert connection.made["acks"] == "all"
    assert connection.made["max.in.flight.requests.per.connection"] == 1
    assert "linger.ms" not in connection.made, "the user's own stays"


class Fatal:
    """A client past its end: poll() raises the KafkaError itself, as confluent_kafka's does."""

    def poll(self, _timeout: float) -> int:
        raise KafkaError(KafkaError._FATAL, "out of order", fatal=True)


def test_a_fatal_error_of_the_client_ends_the_sending_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "TopicAdmin", Admin)
    connection = Connection({})
    connection.producer = lambda _own: Fatal()  # type: ignore[method-assign, assignment, return-value]
    connection.refusal = lambda error, what, _right: UnreachableError(f"{what}: {error.str()}")  # type: ignore[attr-defined]
    producer = EventProducer(connection, "t", lambda: 0.0, lambda _seconds: None)  # type: ignore[arg-type]
    with pytest.raises(UnreachableError, match="write to topic t: out of order"):
        producer.send([])
