"""A worker that is stopped past its session, and comes back when others have its partitions."""

from __future__ import annotations

import signal
import subprocess

import pytest
from acceptance.running import Project, Worker, shares, wait_until

PLACES = {"after_process": 1, "before_send_offsets": 4, "before_commit": 4}
"""Where a zombie stops, and at which batch: the first has no transaction under way when it is processed."""


def stopped(worker: Worker) -> bool:
    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(worker.popen.pid)], capture_output=True, text=True, check=False)
    return ps.stdout.startswith("T")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_zombies_commit_nothing_stale(project, protocol) -> None:
    """One stands still with a processed batch in hand, one inside a transaction, one with its offsets already sent.

    All wake when a healthy worker has done their work, and work again themselves.
    """
    p: Project = project(partitions=8, events=100, protocol=protocol)
    p.produce(range(800))
    p.drain()  # the start positions are committed: from now on every transaction holds events
    zombies = [p.start(instance=place, STREAM_FAILPOINT=f"{place}:{n}:stop") for place, n in PLACES.items()]
    wait_until(lambda: shares(*zombies) == [2, 3, 3], "three members")
    p.produce(range(800, 8000))
    wait_until(lambda: all(map(stopped, zombies)), "all three stopped")
    stalled = p.progress()
    assert stalled < 8000
    healthy = p.start(instance="healthy")
    p.await_progress(8000)
    wait_until(lambda: shares(healthy) == [8], "the healthy one with all partitions")
    before = p.committed_offsets()

    for zombie in zombies:
        zombie.send(signal.SIGCONT)
    wait_until(lambda: shares(healthy, *zombies) == [2, 2, 2, 2], "four members: they join again")
    assert p.committed_offsets() == before, "what they had in hand was refused"
    seen = [zombie.committed_events() for zombie in zombies]
    p.produce(range(8000, 16_000))
    p.await_progress(16_000)
    p.verify(range(16_000))
    assert all(zombie.committed_events() > earlier for zombie, earlier in zip(zombies, seen, strict=True))
    for zombie in zombies:
        assert zombie.logged("attempt failed: reading again from the committed offsets")
    assert [worker.stop() for worker in (*zombies, healthy)] == [0] * 4
