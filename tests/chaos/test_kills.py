"""SIGKILL at random moments, twenty times over 300,000 events: the headline of the product."""

from __future__ import annotations

import random
import time

import pytest
from acceptance.running import Project, Worker, wait_until

EVENTS = 300_000
KILLS = 20


@pytest.mark.timeout(600)
def test_twenty_kills_over_300_000_events_and_two_workers_lose_nothing_and_double_nothing(
    project, rng: random.Random
) -> None:
    p: Project = project(events=500, environ={})
    workers = {name: p.start(instance=name) for name in ("one", "two")}
    produced = in_the_middle = 0
    for kill in range(1, KILLS + 1):
        name = rng.choice(sorted(workers))
        at_work(workers[name])
        before, produced = produced, EVENTS * kill // (KILLS + 1)
        p.produce(range(before, produced))
        # a point somewhere in this share: each kill has new events to hit
        p.await_progress(before + rng.randrange(produced - before))
        time.sleep(rng.uniform(0, 0.1))
        workers[name].kill()
        at = p.progress()
        in_the_middle += at < produced
        workers[name] = p.start(instance=name)
        print(f"kill {kill}: {name} at {at} of {produced}")
    p.produce(range(produced, EVENTS))
    p.await_progress(EVENTS, timeout_s=120)
    assert in_the_middle > KILLS / 2, "kills came while there was work"
    assert [worker.stop() for worker in workers.values()] == [0, 0]
    found = p.verify(range(EVENTS))
    ends = {topic: sum(p.io.end_offsets(topic).values()) for topic in p.ends}
    more = sum(ends.values()) - sum(map(len, found.values()))
    print(f"{KILLS} kills, {EVENTS} events: 0 lost, 0 duplicated; {more} offsets of markers and aborted results")


def at_work(worker: Worker) -> None:
    """It is in the group and has partitions, so a kill later hits more than a start."""

    def assigned() -> bool:
        return any(line["partitions"] for line in worker.logged("rebalance", kind="assigned"))

    wait_until(assigned, "partitions for the one to be killed", standing=worker.tail)
