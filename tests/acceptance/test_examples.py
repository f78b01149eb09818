"""The examples as a user runs them, each in both wire forms, and the demonstration itself."""

import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from acceptance.kafka_io import KafkaIO, Record

from stream.devkafka.registry_server import RegistryServer

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "tests" / "data" / "tickets.jsonl"
TRIAGE = fastavro.parse_schema(json.loads((ROOT / "schemas" / "triage.avsc").read_text()))
EXPECTED = {"expectation": 15, "null_feature": 5, "wrong_width": 5}


def stream(*arguments: str, **environ: str) -> str:
    """Standard output of a `stream` command that must succeed."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")}
    done = subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        cwd=ROOT,
        env={**plain, "STREAM_HTTP_ADDRESS": "127.0.0.1:0", **environ},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(params=["files", "registry"])
def wire_form(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Environment for single-object encoding, and for Confluent's framing."""
    if request.param == "files":
        yield {}
        return
    with RegistryServer() as registry:
        yield {"STREAM_SCHEMA_REGISTRY_URL": registry.url}


def own_copy(folder: Path, name: str) -> Path:
    """pipelines/tickets.yaml with topics of its own; everything else is the example's."""
    text = (ROOT / "pipelines" / "tickets.yaml").read_text()
    renamed = re.sub(r"\btickets(?=[\s,.}]|$)(?!\.jsonl)", name, text)
    for kind in ("schemas", "suites", "models"):
        (folder / kind).symlink_to(ROOT / kind)
    path = folder / "pipelines" / f"{name}.yaml"
    path.parent.mkdir()
    path.write_text(renamed)
    return path


def decoded(record: Record, framing: int) -> dict[str, Any]:
    found = fastavro.schemaless_reader(io.BytesIO((record.value or b"")[framing:]), TRIAGE, None)
    assert isinstance(found, dict)
    return found


def test_the_tickets_go_through_kafka_as_they_go_through_a_file(
    kafka_io: KafkaIO, tmp_path: Path, wire_form: dict[str, str], unique_name: Any
) -> None:
    name = unique_name("tickets")
    pipeline = own_copy(tmp_path, name)
    environ = {"STREAM_KAFKA_BOOTSTRAP_SERVERS": kafka_io.bootstrap, **wire_form}
    stream("topics", str(pipeline), "--apply", "--partitions", "3", **environ)
    schema = str(ROOT / "schemas" / "ticket.avsc")
    stream("produce", name, "--schema", schema, "--input", str(TICKETS), "--key", "ticket_id", **environ)
    summary = json.loads(stream("run", str(pipeline), "--until-caught-up", "--output", "json", **environ))
    assert (summary["events"], summary["dead_letters"]) == (200, EXPECTED)

    stream("process", str(pipeline), "--input", str(TICKETS), "--output", str(tmp_path / "out"))
    framing = 5 if wire_form else 10
    places: Counter[str] = Counter()
    for topic in (f"{name}.urgent", f"{name}.triaged"):
        rows = [json.loads(line) for line in (tmp_path / "out" / f"{topic}.jsonl").read_text().splitlines()]
        by_id = {row["ticket_id"]: row for row in rows}
        records = kafka_io.read_committed(topic)
        assert len(records) == len(rows) == summary["outputs"][topic]
        for record in records:
            event = decoded(record, framing)
            places[str(event["ticket_id"])] += 1
            assert (record.key or b"").decode() == str(event["ticket_id"])
            assert event["probabilities"] == pytest.approx(by_id[str(event["ticket_id"])]["probabilities"], abs=1e-6)
            assert sum(event["probabilities"]) == pytest.approx(1.0, abs=1e-5)
    places.update((record.key or b"").decode() for record in kafka_io.read_committed(f"{name}.dlq"))
    ids = {json.loads(line)["ticket_id"] for line in TICKETS.read_text().splitlines()}
    assert places == Counter(ids), "each ticket is in exactly one place"


def test_the_demonstration_holds_over_a_killed_worker(tmp_path: Path) -> None:
    report = json.loads(
        stream("demo", "--limit", "60000", "--rate", "15000", "--folder", str(tmp_path / "demo"), "--output", "json")
    )
    assert (report["exactly_once"], report["worker_kills"], report["events"]) == (True, 1, 60_000)
    assert sum(report["by_topic"].values()) == 60_000
    assert {"truncated", "trailing_bytes", "not_avro"} < set(report["by_reason"])
