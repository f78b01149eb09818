"""The verdict bites: on each broken promise, and on a run that passes only because nothing moved."""

from dataclasses import replace

import pytest
from unit.chaos.finding import found, source, without

from stream.chaos.check import check
from stream.chaos.events import Place
from stream.chaos.faults import Fault, Kind
from stream.chaos.recovery import Memory, Wound
from stream.chaos.verdict import STEEPEST_SLOPE, Counters, Progress, Seen, broken
from stream.chaos.workers import Ended

COUNT = 4000
KILL = Fault(3.0, Kind.KILL, 1, 0.0)
HELD = Seen(
    findings=check(source(COUNT), found(COUNT)),
    readers_agree=True,
    acknowledged=COUNT,
    failed_to_send=0,
    progress=Progress(60.0, 3000, 2900),
    planned=10,
    missed=1,
    done={Kind.KILL: 8, Kind.MODEL: 1},
    failpoints={},
    wounds=(Wound(KILL, 100.0, frozenset({1}), set(), 2.0),),
    longest_silence_s=4.0,
    longest_healthy_silence_s=0.5,
    counters=Counters(3800, 3900, 60, 70, interrupted=8, pages=500, logs=500),
    ended=(Ended(1, 2, "it refused a model file with another hash", ""),),
    exit_codes=(0, 0, 0),
    wrong=(),
    refusals=1,
    new_consumers=0,
    died_of_full_disk=0,
    held=0,
    starts=12,
    recoveries=5,
    memories=(),
    seconds=70.0,
)


def test_a_run_in_which_all_held_breaks_nothing() -> None:
    assert broken(HELD) == []


def lost() -> Seen:
    places = found(COUNT)
    places[Place.HIGH] = without(places[Place.HIGH], 3)
    return replace(HELD, findings=check(source(COUNT), places))


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (lost(), "1 events lost"),
        (replace(HELD, acknowledged=COUNT + 1), "Kafka lost some"),
        (replace(HELD, readers_agree=False), "saw other records"),
        (replace(HELD, counters=replace(HELD.counters, told_outputs=3901)), "told of 3901 outputs, 3900 are there"),
        (replace(HELD, counters=Counters(3800, 3900, 70, 70, 0, 500, 500)), "over 0 interruptions"),
        (replace(HELD, counters=replace(HELD.counters, told_failed=71)), "told of 71 dead letters"),
        (replace(HELD, counters=replace(HELD.counters, pages=499)), "metrics of the last workers"),
        (replace(HELD, wrong=("a worker took a model file with another hash",)), "took a model file"),
        (replace(HELD, refusals=0), "no worker refused"),
        (replace(HELD, ended=(Ended(1, 4, "", "Traceback"),)), "ended by itself with 4"),
        (replace(HELD, exit_codes=(0, 4, 0)), "ended with 4 when"),
    ],
)
def test_each_broken_promise_is_a_sentence(seen, told) -> None:
    assert len(problems := broken(seen)) == 1
    assert told in problems[0]


@pytest.mark.parametrize("ended", [0, 280])
def test_standing_still_while_faults_go_on_does_not_pass_though_all_events_end_later(ended) -> None:
    assert "no progress" in broken(replace(HELD, progress=Progress(60.0, 3000, ended)))[0]


def test_a_run_without_events_does_not_pass() -> None:
    nothing = replace(HELD, findings=check(source(0), found(0)), acknowledged=0, progress=Progress(60.0, 0, 0))
    assert "no progress" in broken(nothing)[0]


def test_a_run_that_did_few_of_its_faults_does_not_pass() -> None:
    assert "only 4 of 10" in broken(replace(HELD, done={Kind.KILL: 4}))[0]


def test_partitions_that_never_flow_again_are_named() -> None:
    wound = Wound(KILL, 100.0, frozenset({1, 4}), {4})
    problem = broken(replace(HELD, wounds=(*HELD.wounds, wound)))[0]
    assert "kill worker 1" in problem
    assert "partitions [4]" in problem


def test_memory_that_grows_without_end_is_told_and_one_that_fills_its_caches_is_not() -> None:
    def growing(per_s: float) -> Memory:
        return Memory(tuple((float(t), int(200e6 + per_s * t)) for t in range(200)))

    assert broken(replace(HELD, memories=(growing(STEEPEST_SLOPE / 60 * 0.5),))) == []
    assert "memory grew" in broken(replace(HELD, memories=(growing(STEEPEST_SLOPE / 60 * 2),)))[0]


def test_a_worker_that_did_not_live_long_says_nothing_of_memory() -> None:
    assert Memory(((0.0, 1), (31.0, 10**9), (50.0, 10**10))).slope(30.0, 60.0) is None
