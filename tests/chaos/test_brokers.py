"""All brokers away at once; single ones that die under load are in test_proof.py."""

from __future__ import annotations

import os
import signal

import pytest
from acceptance.running import Project


@pytest.mark.timeout(300)
def test_with_every_broker_away_a_worker_waits_says_so_and_goes_on_by_itself(project3, kafka3) -> None:
    p: Project = project3(events=100, transaction="5s", environ={"STREAM_KAFKA_SESSION_TIMEOUT_MS": "6000"})
    worker = p.start()
    p.produce(range(10_000))
    p.await_progress(1000)
    for pid in kafka3.pids.values():
        os.kill(pid, signal.SIGKILL)
    for number in (1, 2, 3):
        kafka3.kill(number)  # gone already: noted
    paused = worker.wait_for("state", state="paused", timeout_s=60)
    assert paused["reason"].startswith("broker: ")
    ready = worker.ready()
    assert (ready["status"], ready["state"]) == (503, "paused")
    assert worker.page("/livez")[0] == 200, "a restart would not help"
    # as long as the session, so that the partitions are lost while it waits
    worker.wait_for("rebalance", kind="lost", timeout_s=30)
    kafka3.start()
    kafka3.await_in_sync()
    p.await_progress(10_000, timeout_s=120)
    assert worker.alive
    assert worker.ready()["status"] == 200
    assert worker.stop() == 0
    p.verify(range(10_000))
