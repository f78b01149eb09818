"""Workers that come and go faster than a group can settle."""

from __future__ import annotations

import random
import time

import pytest
from acceptance import tiny
from acceptance.running import Project, Worker, shares
from confluent_kafka import Producer

NAMES = ("one", "two", "three", "four")
CHANGES = 9


@pytest.mark.timeout(300)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_storm_of_rebalances_loses_nothing_and_doubles_nothing(project, protocol, rng: random.Random) -> None:
    p: Project = project(partitions=6, events=100, protocol=protocol)
    running: dict[str, Worker] = {}
    produced = 0
    for _ in range(CHANGES):
        p.produce(range(produced, produced + 1000))
        produced += 1000
        _change(p, running, rng)
        p.await_progress(produced - 3000)
    if not running:
        running["one"] = p.start(instance="one")
    p.await_progress(produced, timeout_s=90)
    for worker in running.values():
        worker.wait_for("started")  # an interpreter that is not up yet ends by the signal itself
    assert [worker.stop() for worker in running.values()] == [0] * len(running)
    p.verify(range(produced))


def _change(p: Project, running: dict[str, Worker], rng: random.Random) -> None:
    """One starts, or one that runs is stopped or killed; never the last one."""
    name = rng.choice(NAMES)
    if name not in running:
        running[name] = p.start(instance=name)
    elif len(running) > 1:
        worker = running.pop(name)
        if rng.random() < 0.3:
            worker.kill()
        else:
            worker.wait_for("started")
            assert worker.stop() == 0, worker.tail()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_what_is_revoked_while_a_batch_fills_is_left_to_its_new_owner(project, protocol) -> None:
    """Batches that take a second to fill, so that every rebalance comes into the middle of one."""
    p: Project = project(partitions=4, events=5000, wait="1s", protocol=protocol)
    workers = [p.start(instance="one")]
    trickle = Producer({"bootstrap.servers": p.io.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
    produced = 0
    while len(workers) < 3 or shares(*workers) != [1, 1, 2]:
        assert produced < 40_000, "the group does not settle"
        for number in range(produced, produced + 20):
            trickle.produce(p.input, tiny.plain(number), tiny.key(number))
        produced += 20
        time.sleep(0.02)
        if produced % 1500 == 0 and len(workers) < 3:
            workers.append(p.start(instance=f"worker-{len(workers)}"))
    assert trickle.flush(30) == 0
    p.await_progress(produced)
    p.verify(range(produced))
    assert [worker.stop() for worker in workers] == [0, 0, 0]
