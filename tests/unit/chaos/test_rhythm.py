"""How events come: as many as were asked for, in bursts that the seed makes again."""

from itertools import pairwise

import pytest

from stream.chaos.rhythm import BURST_S, EVERY, PAUSE_S, Rhythm, due, of_seed

HUNDREDTHS = [i / 100 for i in range(60_000)]


@pytest.mark.parametrize("rhythm", Rhythm)
def test_over_a_long_time_it_is_the_rate_and_never_less_than_before(rhythm) -> None:
    amount = due(rhythm, 500, 3)
    counts = [amount(at) for at in HUNDREDTHS]
    assert counts == sorted(counts)
    assert abs(counts[-1] - 500 * 600) <= 500 * (BURST_S[1] + PAUSE_S[1])


def test_in_bursts_nothing_comes_for_seconds_and_then_much() -> None:
    amount = due(Rhythm.BURSTS, 500, 3)
    counts = [amount(at) for at in HUNDREDTHS]
    quiet = sum(a == b for a, b in pairwise(counts))
    assert 0.5 < quiet / len(counts) < 0.95


def test_the_same_seed_gives_the_same_bursts_and_another_one_others() -> None:
    one, again, other = (due(Rhythm.BURSTS, 500, seed) for seed in (3, 3, 4))
    assert all(one(at) == again(at) for at in HUNDREDTHS)
    assert any(due(Rhythm.BURSTS, 500, 3)(at) != other(at) for at in (5.0, 6.0, 7.0))


def test_one_seed_in_three_has_bursts() -> None:
    assert [seed for seed in range(7) if of_seed(seed) is Rhythm.BURSTS] == [0, EVERY, 2 * EVERY]
