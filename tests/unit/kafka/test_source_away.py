"""What a poll tells: a Kafka that is away, while nothing is read; and a batch, whether it is full."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError

from stream.batch import Messages
from stream.errors import SystemicError
from stream.kafka.settings import ClientSettings, Slot
from stream.kafka.source import Source

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = KafkaError(KafkaError._TRANSPORT, "connection refused")


class Consumer:
    def subscribe(self, topics: list[str], **callbacks: Any) -> None: ...
    def consumer_group_metadata(self) -> None: ...


@dataclass
class Intake:
    arrived: Messages
    events: int = 0
    size: int = 0

    def fetch(self, most: int, wait_s: float) -> bool:
        return False

    def take(self) -> Messages:
        return self.arrived


@dataclass
class Transport:
    """Reads nothing; a test calls what the client would."""

    name: str = "fake"
    carries_headers: bool = False
    tell: Any = None
    intake_: Intake = field(default_factory=lambda: Intake(Messages.of([])))

    def consumer(self, properties: Any, on_error: Any, log: Any) -> Any:
        self.tell = on_error
        return Consumer()

    def intake(self, consumer: Any, assignment: Any, on_event: Any, topics: Any) -> Any:
        return self.intake_

    def outlet(self, properties: Any, on_error: Any, log: Any) -> Any:
        raise AssertionError("nothing is written")


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def source(transport: Transport) -> Source:
    return Source(ClientSettings(Slot("p", "one"), ("t",), transport=transport))


def test_with_all_brokers_down_an_idle_poll_says_so_and_why(source: Source, transport: Transport) -> None:
    assert source.poll(0) is None
    transport.tell(REFUSED)
    transport.tell(DOWN)
    with pytest.raises(SystemicError, match="connection refused") as error:
        source.poll(0)
    assert error.value.reason == "broker"
    assert source.poll(0) is None, "once; whether it lasts the recovery finds out"


def test_one_broker_of_several_that_is_away_is_no_pause(source: Source, transport: Transport) -> None:
    transport.tell(REFUSED)
    assert source.poll(0) is None


def test_a_recovery_that_works_ends_it(source: Source, transport: Transport) -> None:
    transport.tell(DOWN)
    source.rewind()
    assert source.poll(0) is None


def test_a_batch_says_whether_more_would_have_fitted(transport: Transport) -> None:
    settings = ClientSettings(Slot("p", "one"), ("t",), transport=transport, batch_events=2, batch_wait_s=0.0)
    source = Source(settings)
    for events, full in ((2, True), (1, False)):
        transport.intake_.arrived, transport.intake_.events = Messages.of([b"v"] * events), events
        read = source.poll(0)
        assert read is not None
        assert read.full is full
