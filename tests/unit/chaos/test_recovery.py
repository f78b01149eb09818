"""Recovery times and silences from what was seen, at moments that the test chooses."""

import pytest

from stream.chaos.faults import Fault, Kind
from stream.chaos.recovery import Pulse

KILL = Fault(3.0, Kind.KILL, 1, 0.0)


def test_a_wound_is_closed_when_an_event_from_after_the_fault_came_out_of_every_partition_it_hit() -> None:
    pulse = Pulse()
    pulse.hurt(KILL, 100.0, frozenset({1, 2}))
    pulse.seen(100.5, {1: 99_900, 2: 100_000, 3: 100_400})
    assert not pulse.healed(), "what was produced before says nothing"
    pulse.seen(101.0, {1: 100_700})
    pulse.seen(104.0, {3: 103_000})
    assert not pulse.healed()
    pulse.seen(105.5, {2: 100_001})
    assert pulse.healed()
    assert pulse.wounds[0].recovered_s == pytest.approx(5.5)


def test_two_wounds_of_one_partition_close_each_in_its_time() -> None:
    pulse = Pulse()
    pulse.hurt(KILL, 100.0, frozenset({1}))
    pulse.hurt(KILL, 103.0, frozenset({1}))
    pulse.seen(104.0, {1: 102_000})
    pulse.seen(106.0, {1: 105_000})
    pulse.hurt(KILL, 107.0, frozenset({1}))
    pulse.seen(108.0, {1: 107_500})
    assert [wound.recovered_s for wound in pulse.wounds] == [pytest.approx(4.0), pytest.approx(3.0), pytest.approx(1.0)]
    assert [wound.alone for wound in pulse.wounds] == [False, False, True]


def test_the_longest_silence_of_a_partition_counts_from_the_begin_and_to_the_end() -> None:
    pulse = Pulse()
    pulse.seen(50.0, {0: 1})  # before it begins: not counted
    pulse.begin(2, 100.0)
    pulse.seen(103.0, {0: 1, 1: 1})
    pulse.seen(104.0, {0: 1})
    assert (pulse.longest_silence_s, pulse.silent_since_s) == (3.0, 100.0)
    pulse.end(110.0)
    assert (pulse.longest_silence_s, pulse.silent_partition) == (7.0, 1)
    pulse.seen(200.0, {0: 1})
    assert pulse.longest_silence_s == 7.0


def test_a_silence_counts_as_healthy_only_while_no_wound_is_open() -> None:
    pulse = Pulse()
    pulse.begin(1, 100.0)
    pulse.seen(101.0, {0: 100_500})
    pulse.hurt(KILL, 103.0, frozenset({0}))
    assert pulse.longest_healthy_silence_s == pytest.approx(2.0), "from the last result to the fault"
    pulse.seen(120.0, {0: 119_000})
    pulse.seen(121.0, {0: 120_500})
    assert pulse.longest_silence_s == pytest.approx(19.0)
    assert pulse.longest_healthy_silence_s == pytest.approx(2.0)
    pulse.end(125.0)
    assert pulse.longest_healthy_silence_s == pytest.approx(4.0)
