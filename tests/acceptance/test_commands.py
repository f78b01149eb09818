"""topics, produce and tail as a user runs them, on a real Kafka, checked by an independent client."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fastavro
import pytest
from acceptance.kafka_io import KafkaIO
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from stream.devkafka import Cluster
from stream.devkafka.registry_server import RegistryServer
from stream.errors import ExitCode

SCHEMA = {
    "type": "record",
    "name": "Reading",
    "fields": [{"name": "id", "type": "int"}, {"name": "sensor", "type": "string"}, {"name": "text", "type": "string"}],
}
DAY_MS = 24 * 3600 * 1000


class Project:
    """A folder with a pipeline and its schema, and `stream` run in it."""

    def __init__(self, folder: Path, name: str, bootstrap: str) -> None:
        self.folder, self.name = folder, name
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")}
        self.environ |= {"STREAM_KAFKA_BOOTSTRAP_SERVERS": bootstrap}
        (folder / "schemas").mkdir()
        (folder / "schemas" / "reading.avsc").write_text(json.dumps(SCHEMA))
        (folder / "p.yaml").write_text(
            f"""
pipeline: {name}
input: {{topic: {name}.in, schema: schemas/reading.avsc}}
stages:
  - transform: {{twice: id * 2}}
outputs:
  - {{topic: {name}.out, schema: schemas/reading.avsc}}
"""
        )

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # tests that run in the background of a shell would hand down that Ctrl-C is ignored
            ["env", "--default-signal=INT", sys.executable, "-m", "stream", *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environ)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def tail(self, topic: str, *arguments: str) -> list[dict[str, Any]]:
        done = self.run("tail", topic, "--no-follow", "--output", "json", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def project(tmp_path: Path, kafka: Cluster, unique_name: Callable[[str], str]) -> Project:
    return Project(tmp_path, unique_name("readings"), kafka.bootstrap)


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    server = RegistryServer()
    yield server
    server.close()


@pytest.fixture
def admin(kafka: Cluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap})


def partitions(admin: AdminClient) -> dict[str, int]:
    return {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=30).topics.items()}


def settings(admin: AdminClient, topic: str) -> Mapping[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return {entry.name: entry.value for entry in admin.describe_configs([resource])[resource].result(30).values()}


def encoded(number: int, sensor: str = "a", text: str = "") -> bytes:
    """An event in single-object encoding, made by fastavro alone."""
    schema = fastavro.parse_schema(SCHEMA)
    mark = bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(SCHEMA), "CRC-64-AVRO"))
    data = io.BytesIO()
    fastavro.schemaless_writer(data, schema, {"id": number, "sensor": sensor, "text": text})
    return b"\xc3\x01" + mark + data.getvalue()


def decoded(value: bytes | None) -> Any:
    return fastavro.schemaless_reader(io.BytesIO((value or b"")[10:]), fastavro.parse_schema(SCHEMA))


def test_topics_tells_what_is_missing_creates_it_once_and_changes_nothing(
    project: Project, kafka_io: KafkaIO, admin: AdminClient
) -> None:
    name = project.name
    kafka_io.create_topics({f"{name}.in": 3}, {"max.message.bytes": "2000000"})
    before = project.run("topics", "p.yaml", "--output", "json")
    assert before.returncode == ExitCode.CHECK_FAILED
    assert "stream topics p.yaml --apply" in before.stderr
    assert json.loads(before.stdout)["missing"] == 3
    assert f"{name}.out" not in partitions(admin), "nothing is created without --apply"

    applied = project.run("topics", "p.yaml", "--apply", "--output", "json")
    assert applied.returncode == 0, applied.stderr
    statuses = {topic["topic"]: topic["status"] for topic in json.loads(applied.stdout)["topics"]}
    assert statuses == {
        f"{name}.in": "present",
        f"{name}.out": "created",
        f"{name}.dlq": "created",
        f"{name}.dlq.resolved": "created",
    }
    there = partitions(admin)
    assert [there[f"{name}.{topic}"] for topic in ("in", "out", "dlq")] == [3, 3, 3]
    dead = settings(admin, f"{name}.dlq")
    assert (dead["retention.ms"], dead["cleanup.policy"]) == ("-1", "delete")
    assert int(dead["max.message.bytes"]) > 2_000_000

    again = project.run("topics", "p.yaml", "--apply")
    assert (again.returncode, again.stderr) == (0, "")
    assert "created" not in again.stdout


def test_a_topic_that_differs_is_told_and_left_as_it_is(
    project: Project, kafka_io: KafkaIO, admin: AdminClient
) -> None:
    name = project.name
    kafka_io.create_topics({f"{name}.in": 2, f"{name}.out": 1})
    kafka_io.create_topics({f"{name}.dlq": 2}, {"cleanup.policy": "compact"})
    done = project.run("topics", "p.yaml", "--apply", "--output", "json")
    assert done.returncode == 0
    remarks = {topic["topic"]: " ".join(topic["remarks"]) for topic in json.loads(done.stdout)["topics"]}
    assert "1 partitions where the input has 2" in remarks[f"{name}.out"]
    assert "cleanup.policy=compact" in remarks[f"{name}.dlq"]
    assert partitions(admin)[f"{name}.out"] == 1
    assert settings(admin, f"{name}.dlq")["cleanup.policy"] == "compact"


def test_an_input_that_is_missing_is_created_only_with_a_number_of_partitions(
    project: Project, admin: AdminClient
) -> None:
    refused = project.run("topics", "p.yaml", "--apply")
    assert refused.returncode == ExitCode.CONFIGURATION
    assert f"error: input topic {project.name}.in does not exist: create it, or give --partitions" in refused.stderr
    done = project.run("topics", "p.yaml", "--apply", "--partitions", "2")
    assert done.returncode == 0, done.stderr
    assert partitions(admin)[f"{project.name}.in"] == partitions(admin)[f"{project.name}.dlq"] == 2


def test_kafka_that_is_away_is_one_line_and_its_own_exit_code(project: Project) -> None:
    away = {"STREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    for process in [project.start(*arguments, **away) for arguments in (("topics", "p.yaml"), ("tail", "t"))]:
        _, text = process.communicate(timeout=60)
        assert process.returncode == ExitCode.UNREACHABLE
        assert text.startswith("error: cannot ")
        assert "Kafka at 127.0.0.1:1 does not answer" in text
        assert "Connection refused" in text
        assert text.count("\n") == 1


def csv(project: Project, rows: int, *more: str) -> str:
    lines = ["id,sensor,text", *(f"{i},s{i % 7},t{i}" for i in range(rows)), *more]
    (project.folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return "rows.csv"


def test_produce_writes_every_row_that_fits_and_tells_the_others(project: Project, kafka_io: KafkaIO) -> None:
    topic = f"{project.name}.in"
    kafka_io.create_topics({topic: 3})
    source = csv(project, 5000, "x,s,bad number", "5001,s,good")
    done = project.run(
        "produce", topic, "--schema", "schemas/reading.avsc", "--input", source, "--key", "sensor", "--output", "json"
    )
    assert done.returncode == ExitCode.CHECK_FAILED
    facts = json.loads(done.stdout)
    assert (facts["rows"], facts["written"], facts["refused"], facts["failed"]) == (5002, 5001, {"out_of_range": 1}, 0)
    assert done.stderr.startswith("row 5000 refused: out_of_range: ")
    records = kafka_io.read_committed(topic)
    events = [decoded(record.value) for record in records]
    assert sorted(event["id"] for event in events) == [*range(5000), 5001]
    assert all((record.key or b"").decode() == event["sensor"] for record, event in zip(records, events, strict=True))
    assert records[0].value == encoded(events[0]["id"], events[0]["sensor"], events[0]["text"])


def test_produce_places_keys_as_java_does(
    project: Project, kafka_io: KafkaIO, unique_name: Callable[[str], str]
) -> None:
    topic, java = f"{project.name}.in", unique_name("java")
    kafka_io.create_topics({topic: 5, java: 5})
    source = csv(project, 200)
    done = project.run("produce", topic, "--schema", "schemas/reading.avsc", "--input", source, "--key", "id")
    assert done.returncode == 0, done.stderr
    kafka_io.produce(java, [(str(i).encode(), b"", None, None) for i in range(200)])
    ours = {record.key: record.partition for record in kafka_io.read_committed(topic)}
    assert ours == {record.key: record.partition for record in kafka_io.read_committed(java)}
    assert len(set(ours.values())) == 5


def test_produce_holds_its_rate_and_its_limit(project: Project, kafka_io: KafkaIO) -> None:
    topic = f"{project.name}.in"
    kafka_io.create_topics({topic: 1})
    schema, source = "schemas/reading.avsc", csv(project, 5000)
    done = project.run(
        "produce", topic, "--schema", schema, "--input", source, "--rate", "100", "--limit", "150", "--output", "json"
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["written"] == 150
    assert facts["seconds"] >= 1.4
    stamps = [record.timestamp for record in kafka_io.read_committed(topic)]
    assert stamps[-1] - stamps[0] >= 1300


def test_produce_to_a_topic_that_is_not_there_creates_none(project: Project, admin: AdminClient) -> None:
    topic = f"{project.name}.in"
    done = project.run("produce", topic, "--schema", "schemas/reading.avsc", "--input", csv(project, 3))
    assert done.returncode == ExitCode.CONFIGURATION
    assert (
        done.stderr
        == f"error: topic {topic} does not exist: create it, with `stream topics PIPELINE --apply` for example\n"
    )
    assert topic not in partitions(admin)


def test_an_event_that_kafka_does_not_take_is_counted_as_failed(project: Project, kafka_io: KafkaIO) -> None:
    topic = f"{project.name}.in"
    kafka_io.create_topics({topic: 1}, {"max.message.bytes": "2000"})
    source = csv(project, 3, f"3,s,{os.urandom(4000).hex()}", "4,s,small")
    done = project.run(
        "produce", topic, "--schema", "schemas/reading.avsc", "--input", source, "--output", "json", "--rate", "2"
    )
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["failed"], facts["written"]) == (ExitCode.CHECK_FAILED, 1, 4)
    assert "MSG_SIZE_TOO_LARGE" in done.stderr
    assert [decoded(r.value)["id"] for r in kafka_io.read_committed(topic)] == [0, 1, 2, 4]


@pytest.fixture
def topic(project: Project, kafka: Cluster, kafka_io: KafkaIO) -> str:
    """Two partitions: events, an aborted one, a dead letter, bytes that are no event, and no value."""
    name = f"{project.name}.in"
    kafka_io.create_topics({name: 2})
    kafka_io.produce(name, [(b"k%d" % i, encoded(i), None, i % 2) for i in range(6)])
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": name})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(name, encoded(99), partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    errors = [
        ("__streams.errors.topic", b"flights"),
        ("__streams.errors.partition", b"3"),
        ("__streams.errors.offset", b"17"),
        ("__streams.errors.message", b"decode: truncated: the data ends inside a value"),
        ("stream.stage", b"decode"),
        ("stream.reason", b"truncated"),
        ("stream.attempts", b"1"),
    ]
    kafka_io.produce(name, [(None, encoded(6)[:-2], errors, 0), (None, b"junk", None, 1), (None, None, None, 1)])
    return name


def test_tail_shows_committed_events_decoded_and_others_with_the_reason(project: Project, topic: str) -> None:
    found = project.tail(topic, "--from", "earliest")
    events = [event["value"]["id"] for event in found if event.get("value")]
    assert sorted(events) == [0, 1, 2, 3, 4, 5], "the aborted one is not shown"
    assert {event["key"] for event in found if event.get("value")} == {f"k{i}" for i in range(6)}
    errors = {event["value_hex"]: event["error"].split(":")[0] for event in found if "error" in event}
    assert errors == {encoded(6)[:-2].hex(): "truncated", b"junk".hex(): "not_avro"}
    assert [event["offset"] for event in found if event["partition"] == 1] == [0, 1, 2, 3, 4]


def test_tail_starts_where_it_is_told(project: Project, topic: str) -> None:
    first = [event["offset"] for event in project.tail(topic, "--from", "3") if event["partition"] == 1]
    assert first == [3, 4]
    assert [event["offset"] for event in project.tail(topic, "--from", "-1") if event["partition"] == 1] == [4]
    assert len(project.tail(topic, "--from", "earliest", "--count", "3")) == 3
    assert project.tail(topic, "--from", "latest") == []
    assert len(project.tail(topic, "--from", "2020-01-01T00:00:00Z")) == 9
    assert project.tail(topic, "--from", "2099-01-01T00:00:00Z") == []


def test_tail_tells_people_why_a_dead_letter_is_one(project: Project, topic: str) -> None:
    done = project.run("tail", topic, "--from", "earliest", "--no-follow")
    assert "  failed  decode: truncated: the data ends inside a value\n  from    flights/3@17\n" in done.stdout
    assert "  not decoded: not_avro: " in done.stdout


def test_tail_leaves_no_trace(project: Project, topic: str, admin: AdminClient) -> None:
    project.tail(topic, "--from", "earliest")
    groups = admin.list_consumer_groups(request_timeout=30).result(30).valid
    assert "stream-tail" not in {group.group_id for group in groups}


def test_tail_follows_until_ctrl_c(project: Project, topic: str, kafka_io: KafkaIO) -> None:
    process = project.start("tail", topic, "--from", "5", "--output", "json")
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), "it has come to the end of what was there"
        kafka_io.produce(topic, [(b"new", encoded(1000), None, 1)])
        deadline = time.monotonic() + 30
        while json.loads(process.stdout.readline()).get("key") != "new":
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


def test_tail_of_a_topic_that_is_not_there_suggests_one_and_creates_none(
    project: Project, topic: str, admin: AdminClient
) -> None:
    done = project.run("tail", topic + "x")
    assert done.returncode == ExitCode.CONFIGURATION
    assert f"did you mean '{topic}'" in done.stderr
    assert topic + "x" not in partitions(admin)


def test_with_a_registry_produce_registers_the_schema_and_tail_asks_for_it(
    project: Project, kafka_io: KafkaIO, registry: RegistryServer
) -> None:
    topic = f"{project.name}.in"
    kafka_io.create_topics({topic: 1})
    project.environ["STREAM_SCHEMA_REGISTRY_URL"] = registry.url
    done = project.run("produce", topic, "--schema", "schemas/reading.avsc", "--input", csv(project, 3))
    assert done.returncode == 0, done.stderr
    (entry,) = registry.registry.subjects[f"{topic}-value"]
    assert all(r.value[:5] == b"\x00" + entry.id.to_bytes(4, "big") for r in kafka_io.read_committed(topic) if r.value)
    assert [event["value"]["id"] for event in project.tail(topic)] == [0, 1, 2]
    registry.failing = 503
    assert [event["error"].split(":")[0] for event in project.tail(topic)] == ["registry"] * 3


def test_process_asks_a_registry_for_nothing_and_kafka_neither(project: Project, registry: RegistryServer) -> None:
    environ = {"STREAM_SCHEMA_REGISTRY_URL": registry.url, "STREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    arguments = ("--input", csv(project, 5), "--output", "out", "--report", "json")
    done = project.run("process", "p.yaml", *arguments, **environ)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == {f"{project.name}.out": 5}
    assert registry.requests == []
