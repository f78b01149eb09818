"""What others suffered from (docs/lessons.md): each thread's test is there; some of them are these."""

from __future__ import annotations

import re
from pathlib import Path

from stream.batch import Failure, FailureClass, Messages
from stream.config.environment import read
from stream.config.pipeline_file import Batch
from stream.failures.dead_letter import DeadLetters
from stream.kafka.settings import ClientSettings, Slot

ROOT = Path(__file__).parents[2]


def test_every_test_of_the_page_is_one() -> None:
    page = (ROOT / "docs" / "lessons.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    files = (ROOT / "tests").rglob("test_*.py")
    there = {name for file in files for name in re.findall(r"^ *def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)}
    assert len(named) > 25
    assert named - there == set()


def test_dbos_733_the_client_neither_stores_nor_commits_offsets_by_itself() -> None:
    made = ClientSettings(Slot("p", "one"), ("in",), user={"enable.auto.commit": "true"}).consumer()
    assert made["enable.auto.commit"] is False
    assert made["enable.auto.offset.store"] is False


def test_posthog_84459_a_batch_is_bounded_by_bytes_as_well_as_by_count() -> None:
    assert Batch().bytes == 16 * 1024 * 1024
    settings = ClientSettings(Slot("p", "one"), ("in",))
    assert (settings.batch_events, settings.batch_bytes) == (Batch().events, Batch().bytes)


def test_restate_4682_a_key_is_bytes_and_stays_as_it_is() -> None:
    key = b"\xff\x00\xfe"
    messages = Messages.of([b"no avro"], [key], topic="t", timestamp_ms=0, first_offset=0)
    failure = Failure(0, "decode", FailureClass.POISON, "not_avro", "")
    assert DeadLetters("p.dlq", "p", 1_000_000).record(failure, messages, now_ms=0).key == key


def test_the_metrics_page_is_on_loopback_unless_told_otherwise() -> None:
    environment, problems = read({}, "host", terminal=False)
    assert problems == []
    assert environment.http_address.startswith("127.0.0.1:")
    told, _ = read({"STREAM_HTTP_ADDRESS": "0.0.0.0:9464"}, "host", terminal=False)
    assert told.http_address == "0.0.0.0:9464"
