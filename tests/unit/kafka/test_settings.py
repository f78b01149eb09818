"""What exactly-once processing needs of the clients holds whatever a user's own properties say."""

from __future__ import annotations

import pytest

from stream.kafka.settings import ClientSettings, Slot

OWN = {
    "isolation.level": "read_uncommitted",
    "check.crcs": "false",
    "enable.auto.commit": "true",
    "auto.offset.reset": "earliest",
    "enable.idempotence": "false",
    "acks": "1",
}


@pytest.fixture
def settings() -> ClientSettings:
    return ClientSettings(Slot("p", "one"), ("in",), user=OWN)


def test_only_what_is_committed_and_whole_is_read(settings: ClientSettings) -> None:
    consumer = settings.consumer()
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["check.crcs"] is True
    assert consumer["auto.offset.reset"] == "error"


def test_an_output_is_acknowledged_by_all_replicas_in_sync(settings: ClientSettings) -> None:
    producer = settings.producer()
    assert producer["enable.idempotence"] is True
    assert producer.get("acks", "all") in ("all", -1)
