"""pipelines/enrich.yaml with its service, which fails on purpose, as a user runs them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.kafka_io import KafkaIO
from acceptance.running import start, wait_until
from acceptance.scripted_service import header
from acceptance.test_examples import ROOT, TICKETS, stream


@pytest.fixture
def service() -> Iterator[str]:
    """Its address."""
    command = [sys.executable, str(ROOT / "examples" / "enrichment_service.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield running.stdout.readline().strip()
        running.kill()


def own_copy(folder: Path, name: str, service: str) -> Path:
    """The example with topics of its own that calls this service."""
    text = (ROOT / "pipelines" / "enrich.yaml").read_text().replace("http://127.0.0.1:8091/", service)
    text = re.sub(r"(topic: )tickets", rf"\1{name}", text.replace("pipeline: enrich", f"pipeline: {name}"))
    for kind in ("schemas", "suites"):
        (folder / kind).symlink_to(ROOT / kind)
    path = folder / "enrich.yaml"
    path.write_text(text)
    return path


def asked(url: str, method: str = "GET") -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def test_the_example_survives_what_its_service_does_to_it(
    kafka_io: KafkaIO, tmp_path: Path, service: str, unique_name: Any
) -> None:
    name = unique_name("enrich")
    pipeline = own_copy(tmp_path, name, service)
    environ = {"STREAM_KAFKA_BOOTSTRAP_SERVERS": kafka_io.bootstrap}
    stream("topics", str(pipeline), "--apply", "--partitions", "2", **environ)
    schema = str(ROOT / "schemas" / "ticket.avsc")
    stream("produce", name, "--schema", schema, "--input", str(TICKETS), "--key", "ticket_id", **environ)
    asked(f"{service}down", "POST")
    worker = start(["run", str(pipeline)], tmp_path / "worker", environ)
    try:
        wait_until(lambda: worker.ready()["state"] == "paused", "paused by the outage")
        asked(f"{service}up", "POST")
        ends = (f"{name}.angry", f"{name}.enriched", f"{name}.dlq")
        wait_until(lambda: sum(len(kafka_io.read_committed(topic)) for topic in ends) == 200, "all 200 tickets", 90)
        dead = Counter(header(r, "stream.reason") for r in kafka_io.read_committed(f"{name}.dlq"))
        answers = asked(service)["answers"]
        assert dead["expectation"] == 15
        assert dead.total() == 15 + answers.get("500", 0) / 3, "only what never gets an answer is given up"
        assert min(answers.get(trouble, 0) for trouble in ("503", "429", "cut", "hang")) > 0
        given_up = [r for r in kafka_io.read_committed(f"{name}.dlq") if header(r, "stream.stage") == "http"]
        assert {header(r, "stream.attempts") for r in given_up} <= {"3"}
    finally:
        worker.end()


def test_the_example_runs_over_a_file_too(tmp_path: Path, service: str) -> None:
    pipeline = own_copy(tmp_path, "enrich", service)
    shown = stream(
        "process", str(pipeline), "--input", str(TICKETS), "--output", str(tmp_path / "out"), "--report", "json"
    )
    facts = json.loads(shown)
    assert (facts["events"], facts["dead_letters"]["expectation"]) == (200, 15)
    assert sum(facts["outputs"].values()) + sum(facts["dead_letters"].values()) == 200
    assert set(facts["dead_letters"]) == {"expectation", "server_error", "timeout"}
