"""Where a pipeline stands, and moving it by hand: shown, refused while a worker runs, done, and read from there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from acceptance.kafka_io import KafkaIO
from acceptance.running import wait_until
from acceptance.test_commands import Project, encoded, project
from confluent_kafka.admin import AdminClient

from stream.devkafka import Cluster
from stream.errors import ExitCode

__all__ = ["project"]
EVENTS = 30


@pytest.fixture
def drained(project: Project, kafka_io: KafkaIO) -> Project:
    """A pipeline that has read all of its two partitions."""
    kafka_io.create_topics({f"{project.name}.in": 2})
    kafka_io.produce(f"{project.name}.in", [(None, encoded(n), None, n % 2) for n in range(EVENTS)])
    assert project.run("topics", "p.yaml", "--apply").returncode == 0
    caught_up(project)
    return project


def caught_up(project: Project) -> int:
    """Events that one run until caught up has processed."""
    done = project.run("run", "p.yaml", "--until-caught-up", "--output", "json", STREAM_HTTP_ADDRESS="127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["events"])


def positions(project: Project, *arguments: str) -> dict:
    done = project.run("positions", "p.yaml", "--output", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_is_shown_moved_only_with_yes_and_read_from_there(drained: Project) -> None:
    shown = positions(drained)["positions"]
    assert [(p["partition"], p["unread"]) for p in shown] == [(0, 0), (1, 0)]
    asked = positions(drained, "--to", "-5")
    assert (asked["moved"], asked["read_again"], asked["skipped"]) == (False, 10, 0)
    assert positions(drained)["positions"] == shown, "without --yes nothing is done"
    assert caught_up(drained) == 0

    assert positions(drained, "--to", "earliest", "--partition", "1", "--yes")["moved"] is True
    assert [p["unread"] for p in positions(drained)["positions"]] == [0, 15]
    assert caught_up(drained) == 15
    assert positions(drained, "--to", "10", "--yes")["read_again"] == 10
    assert caught_up(drained) == 10


def test_it_can_be_a_time_before_any_offset_was_committed(project: Project, kafka_io: KafkaIO) -> None:
    kafka_io.create_topics({f"{project.name}.in": 1})
    assert project.run("topics", "p.yaml", "--apply").returncode == 0
    kafka_io.produce(f"{project.name}.in", [(None, encoded(n), None, 0) for n in range(3)])
    assert positions(project)["positions"][0]["committed"] is None
    now = datetime.now(UTC).isoformat()
    kafka_io.produce(f"{project.name}.in", [(None, encoded(n), None, 0) for n in range(4)])
    moved = positions(project, "--to", now, "--yes")
    assert (moved["positions"][0]["to"], moved["skipped"]) == (3, 3)
    assert caught_up(project) == 4


def test_it_is_refused_while_a_worker_runs_and_nothing_is_changed(drained: Project) -> None:
    worker = drained.start("run", "p.yaml", STREAM_HTTP_ADDRESS="127.0.0.1:0", STREAM_LOG_FORMAT="json")
    try:
        assert worker.stderr is not None
        assert any('"rebalance"' in line and '"assigned"' in line for line in worker.stderr)
        before = positions(drained)
        refused = drained.run("positions", "p.yaml", "--to", "earliest", "--yes")
        assert refused.returncode == ExitCode.CONFIGURATION
        assert "are running: stop them first" in refused.stderr
        assert positions(drained) == before
    finally:
        worker.terminate()
        worker.communicate(timeout=60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "yesterday"], "--to yesterday: must be earliest"),
        (["--topic", "other"], "--topic other: not an input of the pipeline"),
        (["--partition", "7"], "--partition 7: there is none"),
    ],
)
def test_what_cannot_be_is_told(arguments: list[str], said: str, project: Project, kafka_io: KafkaIO) -> None:
    kafka_io.create_topics({f"{project.name}.in": 1})
    done = project.run("positions", "p.yaml", *arguments)
    assert (done.returncode, said in done.stderr) == (ExitCode.CONFIGURATION, True), done.stderr


def test_an_input_that_is_not_there_is_told_and_not_created(project: Project, kafka_io: KafkaIO) -> None:
    done = project.run("positions", "p.yaml")
    assert done.returncode == ExitCode.CONFIGURATION
    assert f"topic {project.name}.in does not exist" in done.stderr
    again = project.run("positions", "p.yaml")
    assert "does not exist" in again.stderr


def test_a_deleted_input_takes_the_positions_along(drained: Project, kafka_io: KafkaIO, kafka: Cluster) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topic = f"{drained.name}.in"
    admin.delete_topics([topic], operation_timeout=30)[topic].result(60)
    wait_until(lambda: topic not in admin.list_topics(timeout=30).topics, "the topic is gone")
    kafka_io.create_topics({topic: 2})
    wait_until(
        lambda: all(p["committed"] is None for p in positions(drained)["positions"]), "its positions are gone with it"
    )
