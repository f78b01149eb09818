"""The faults of a seed: the same each time, all kinds, none that overlap."""

from itertools import pairwise

import pytest

from stream.chaos.faults import ON_BROKERS, ON_NETWORK, TRAITS, Fault, Kind, choose
from stream.chaos.schedule import BROKER_REST_S, schedule
from stream.errors import ConfigurationError
from stream.failpoints import FAILPOINTS, failpoint

ALL = tuple(Kind)


def planned(seed=1, seconds=600.0, kinds=ALL, *, every_s=2.0) -> tuple[Fault, ...]:
    return schedule(seed, seconds, kinds, workers=3, brokers=3, every_s=every_s)


def test_a_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


def test_a_longer_run_begins_as_the_shorter_one() -> None:
    short = planned(7, 60.0)
    assert planned(7, 300.0)[: len(short)] == short


@pytest.mark.parametrize("seed", range(20))
def test_each_kind_comes_before_any_comes_often_and_all_within_the_time(seed) -> None:
    faults = planned(seed, 120.0, every_s=4.0)
    assert {fault.kind for fault in faults} == set(Kind)
    assert all(0 < a.at_s <= b.at_s < 120 for a, b in pairwise(faults))


@pytest.mark.parametrize("seed", range(20))
def test_a_broker_is_back_and_in_sync_before_the_next_one_is_hit(seed) -> None:
    hits = [fault for fault in planned(seed) if fault.kind in ON_BROKERS]
    assert len(hits) > 10
    assert all(a.at_s + a.lasts_s + BROKER_REST_S <= b.at_s for a, b in pairwise(hits))


def test_kinds_that_must_rest_alone_do_not_keep_the_schedule_from_ending() -> None:
    kinds = (Kind.BROKER_KILL, Kind.MODEL)
    assert {fault.kind for fault in planned(kinds=kinds, every_s=0.5)} == set(kinds)
    assert len(planned(kinds=(Kind.BROKER_KILL,), every_s=0.5)) > 20


def test_targets_and_times_are_within_their_bounds() -> None:
    for fault in planned():
        low, high = TRAITS[fault.kind].lasts_s
        assert low <= fault.lasts_s <= high
        assert 1 <= fault.target <= 3
        if fault.kind is Kind.FAILPOINT:
            failpoint(fault.detail)
        assert bool(fault.detail) is (fault.kind in {*ON_NETWORK, Kind.FAILPOINT})


def test_every_failpoint_is_drawn() -> None:
    drawn = {fault.detail.partition(":")[0] for fault in planned(kinds=(Kind.FAILPOINT,))}
    assert drawn == set(FAILPOINTS)


def test_kills_come_as_often_as_is_asked() -> None:
    kills = planned(kinds=(Kind.KILL,), every_s=2.0)
    assert len(kills) == pytest.approx(300, rel=0.1)


def test_a_single_broker_is_never_stopped_and_the_reason_is_told() -> None:
    chosen = choose([], brokers=1, workers=3, disk="")
    assert not ON_BROKERS.intersection(chosen.kinds)
    assert all("--brokers 3" in chosen.left_out[kind] for kind in ON_BROKERS)


def test_a_disk_that_cannot_be_made_here_is_left_out_with_the_reason() -> None:
    chosen = choose([], brokers=3, workers=3, disk="one must be root")
    assert chosen.left_out == {Kind.DISK: "one must be root"}


@pytest.mark.parametrize(
    ("wanted", "told"), [(["kil"], "did you mean"), (["disk"], "not possible"), (["nothing", "kill"], "no such fault")]
)
def test_faults_that_are_none_or_impossible_are_refused(wanted, told) -> None:
    with pytest.raises(ConfigurationError, match=f"(?i){told}"):
        choose(wanted, brokers=3, workers=3, disk="no")
