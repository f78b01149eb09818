"""A worker as a process: signals, exit codes, two of the same name, and what it says when it cannot start."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from acceptance.running import shares, wait_until
from confluent_kafka import Consumer

from stream.errors import ExitCode

NAP = """\
import time

import pyarrow as pa


def nap(batch):
    time.sleep(60)
    return batch.append_column("napped", pa.nulls(len(batch), pa.float64()))
"""


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_stopped_worker_finishes_leaves_and_another_has_its_partitions_at_once(project, protocol) -> None:
    """Under the default session timeout of 15 s: only a member that leaves gives its partitions up this fast."""
    p = project(environ={}, protocol=protocol)
    staying, leaving = p.start(instance="staying"), p.start(instance="leaving")
    wait_until(lambda: shares(staying, leaving) == [2, 2], "two members with two partitions each")
    p.produce(range(2000))
    wait_until(lambda: leaving.committed_events() > 100, "work under way")
    asked = time.monotonic()
    assert leaving.stop() == 0
    assert time.monotonic() - asked < 5, "within its grace"
    left = time.monotonic()
    wait_until(lambda: shares(staying) == [4], "all partitions with the other")
    assert time.monotonic() - left < 2 + 1, "it tells once a second"
    assert leaving.logged("state", state="draining")
    p.produce(range(2000, 3000))
    p.await_progress(3000)
    wait_until(lambda: leaving.committed_events() + staying.committed_events() == 3000, "what each did in its log")
    p.verify(range(3000))
    assert staying.stop() == 0


def test_a_second_sigterm_ends_at_once_and_leaves_nothing_half_done(project) -> None:
    p = project(partitions=1)
    text = p.pipeline.read_text()
    (p.folder / "slow.py").write_text(NAP)
    nap = "  - call: {function: slow:nap, adds: {napped: double}}\n"
    p.pipeline.write_text(text.replace("  - transform:", nap + "  - transform:"))
    p.produce(range(100))
    worker = p.start()
    wait_until(lambda: p.committed_offsets() == {0: 0}, "the start committed, the first batch about to be read")
    time.sleep(1)
    worker.send(signal.SIGTERM)
    time.sleep(1)
    assert worker.alive, "the first one lets it finish the batch in hand"
    assert worker.stop(timeout_s=2) == ExitCode.FATAL
    assert p.progress() == 0
    p.pipeline.write_text(text)
    assert p.drain()["events"] == 100
    p.verify(range(100))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_of_two_processes_with_one_name_one_ends_and_says_why(project, protocol) -> None:
    p = project(protocol=protocol)
    p.produce(range(100))
    workers = [p.start()]
    workers[0].wait_for("committed")
    workers.append(p.start())
    workers[1].wait_for("started")
    produced, deadline = 100, time.monotonic() + 90
    while all(worker.alive for worker in workers):
        assert time.monotonic() < deadline, "both still run"
        p.produce(range(produced, produced + 100))
        produced += 100
        time.sleep(0.1)
    (loser,) = [worker for worker in workers if not worker.alive]
    assert loser.wait() == ExitCode.FATAL
    last = loser.tail(1)
    assert last.startswith("error: ")
    assert "another process runs with the same STREAM_INSTANCE and slot" in last
    p.await_progress(produced)
    p.verify(range(produced))


def test_a_worker_that_is_fenced_once_by_its_static_member_id_goes_on_with_a_new_consumer(project) -> None:
    """So does one whose own attempt to join was answered to nobody: there is no other process, only its id."""
    p = project()
    p.produce(range(100))
    worker = p.start()
    p.await_progress(100)
    member = {"group.id": p.name, "group.instance.id": f"{p.name}-one-0"}
    strategy = {"partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": False}
    ghost = Consumer({"bootstrap.servers": p.io.bootstrap, **member, **strategy})
    ghost.subscribe([p.input])

    def fenced() -> list[dict[str, Any]]:
        ghost.poll(0.1)
        return [line for line in worker.lines() if line["message"].startswith("making a new consumer")]

    wait_until(fenced, "the worker to be fenced", standing=worker.tail)
    ghost.close()  # a static member does not leave: its seat stays taken
    p.produce(range(100, 200))
    p.await_progress(200)
    p.verify(range(200))
    assert worker.stop() == 0
    assert worker.committed_events() == 200


def test_a_missing_topic_is_a_mistake_with_its_cure(project) -> None:
    p = project(partitions=0)
    p.io.create_topics(dict.fromkeys((p.input, *p.outputs), 1))
    worker = p.start()
    assert worker.wait() == ExitCode.CONFIGURATION
    (line,) = [line["message"] for line in worker.lines() if line["message"].startswith("error:")]
    assert line.startswith(f"error: dead letter topic {p.dead_letters} does not exist")
    assert "--apply" in line


def test_a_kafka_that_is_not_there_is_told_in_one_line(project) -> None:
    p = project(partitions=0)
    asked = time.monotonic()
    worker = p.start(STREAM_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert worker.wait() == ExitCode.UNREACHABLE
    assert time.monotonic() - asked < 30
    (line,) = [line["message"] for line in worker.lines() if line["message"].startswith("error:")]
    assert "127.0.0.1:9" in line
    assert "Traceback" not in worker.log.read_text()


def test_client_settings_that_contradict_each_other_are_a_mistake_told_in_one_line(project) -> None:
    p = project(partitions=1)
    worker = p.start(STREAM_KAFKA_SOCKET_TIMEOUT_MS="60000")
    assert worker.wait() == ExitCode.CONFIGURATION
    (line,) = [line["message"] for line in worker.lines() if line["message"].startswith("error:")]
    assert "socket.timeout.ms" in line
    assert "Traceback" not in worker.log.read_text()
