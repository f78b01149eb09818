"""A loop that stands still is ended from outside of it (R10)."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream.watchdog import Watchdog


@dataclass
class Time:
    now: float = 0.0
    expired: list[float] = field(default_factory=list)


def test_a_loop_that_beats_in_time_is_left_alone() -> None:
    time = Time()
    watchdog = Watchdog(10.0, lambda: time.now, time.expired.append)
    watchdog.beat()
    for _ in range(5):
        time.now += 9.9
        assert not watchdog.look()
        watchdog.beat()
    assert time.expired == []


def test_a_loop_that_stands_still_for_longer_is_ended() -> None:
    time = Time()
    watchdog = Watchdog(10.0, lambda: time.now, time.expired.append)
    watchdog.beat()
    time.now = 10.1
    assert watchdog.look()
    assert time.expired == [10.1]
