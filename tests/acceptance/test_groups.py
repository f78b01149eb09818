"""Members come and go: nothing is lost, nothing comes twice, whichever group protocol."""

from __future__ import annotations

import pytest
from acceptance.running import Worker, shares, wait_until


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_third_joins_one_leaves_and_one_is_killed(project, protocol) -> None:
    p = project(partitions=6, protocol=protocol, events=100)

    def settle(expected: list[int], *workers: Worker) -> None:
        wait_until(lambda: shares(*workers) == expected, f"members with {expected} partitions")

    def work(produced: list[int] = [0]) -> None:  # noqa: B006
        """A thousand more events while the group changes, half of them seen through."""
        p.produce(range(produced[0], produced[0] + 1000))
        produced[0] += 1000
        p.await_progress(produced[0] - 500)

    first, second = p.start(instance="first"), p.start(instance="second")
    settle([3, 3], first, second)
    work()
    third = p.start(instance="third")
    work()
    settle([2, 2, 2], first, second, third)
    work()
    assert first.stop() == 0
    work()
    settle([3, 3], second, third)
    work()
    second.kill()
    p.produce(range(5000, 6000))
    p.await_progress(6000)  # once its session has ended, or its partitions come with the next one of its name
    second = p.start(instance="second")
    settle([3, 3], second, third)
    p.produce(range(6000, 7000))
    p.await_progress(7000)
    p.verify(range(7000))
    assert second.committed_events() > 0
    assert third.stop() == 0
    assert second.stop() == 0


def test_a_member_without_partitions_stands_by_and_takes_over(project) -> None:
    p = project(partitions=1)
    active, standby = p.start(instance="active"), p.start(instance="standby")
    wait_until(lambda: shares(active, standby) == [0, 1], "one with the partition, one without")
    p.produce(range(100))
    p.await_progress(100)
    idle, busy = sorted((active, standby), key=lambda w: w.metric("stream_consumer_assigned_partitions"))
    wait_until(lambda: busy.ready()["status"] == 200, "the one at work ready")
    facts = wait_until(lambda: (f := idle.ready())["state"] == "running" and f, "the other one running")
    assert (facts["status"], facts["assigned_partitions"]) == (503, 0)
    assert "more workers than partitions" in facts["reason"]
    busy.kill()
    p.produce(range(100, 200))
    p.await_progress(200)
    assert idle.stop() == 0
    p.verify(range(200))
