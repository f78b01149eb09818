"""Brokers that die under load. Three of them: a single node can itself lose commits it has acknowledged."""

from __future__ import annotations

import os
import signal
import time

import pytest
from acceptance.running import Project

EVENTS = 18_000
KILLS = 2


@pytest.mark.timeout(420)
def test_brokers_killed_under_load_cost_time_and_no_event(project3, kafka3, rng) -> None:
    p: Project = project3(events=200, transaction="5s", environ={})
    workers = [p.start(instance=name) for name in ("one", "two")]
    share = EVENTS // (KILLS + 1)
    for kill in range(KILLS):
        p.produce(range(kill * share, (kill + 1) * share))
        p.await_progress(kill * share + rng.randrange(share // 2), timeout_s=120)
        number = rng.choice((1, 2, 3))
        kafka3.kill(number)
        killed = time.monotonic()
        p.await_progress((kill + 1) * share, timeout_s=120)
        print(f"broker {number} killed: all work done {time.monotonic() - killed:.1f} s later, by the other two")
        kafka3.restart(number)
        kafka3.await_in_sync()
    p.produce(range(KILLS * share, EVENTS))
    p.await_progress(EVENTS, timeout_s=120)
    assert all(worker.alive for worker in workers), "no broker's death ends a worker"
    assert [worker.stop() for worker in workers] == [0, 0]
    p.verify(range(EVENTS))
    failed = [len(worker.logged("attempt failed: reading again from the committed offsets")) for worker in workers]
    print(f"recoveries of the two workers: {failed}")


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
    assert "kafka" in paused["reason"]
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
