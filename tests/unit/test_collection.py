"""Python's cycle collector is off in the loop, runs now and then, and is as before afterwards."""

import gc

from stream.collection import COLLECT_EVERY_S, QuietCollector


class Cycle:
    alive = 0

    def __init__(self) -> None:
        Cycle.alive += 1
        self.me = self

    def __del__(self) -> None:
        Cycle.alive -= 1


def test_cycles_are_collected_between_batches_when_it_is_time_and_not_before() -> None:
    now = [0.0]
    assert gc.isenabled()
    with QuietCollector(lambda: now[0]) as collector:
        assert not gc.isenabled()
        Cycle()
        collector.between_batches()
        assert Cycle.alive == 1
        now[0] += COLLECT_EVERY_S
        collector.between_batches()
        assert Cycle.alive == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
