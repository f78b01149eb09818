"""Trials with processes that are pretended: who is found guilty, and when there is no verdict."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pytest

from stream.batch import Messages
from stream.errors import SystemicError
from stream.quarantine.child import Job
from stream.quarantine.trial import MAX_DEATHS, MAX_FALSE_STARTS, Range, Trial, Verdict

ALIVE = object()


@dataclass
class Pretended:
    """kills(range) says whether a range ends the process. One line is said a look."""

    job: Job
    kills: Callable[[Range], bool]
    false_start: bool = False
    hangs: bool = False
    said: list[str] = field(default_factory=list)
    how: str | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        if self.false_start:
            self.how = "exit status 2"
            return
        self.said = ["ready"]
        for first, end in self.job.ranges:
            self.said.append(f"begin {first} {end}")
            if self.kills((first, end)):
                self.how = None if self.hangs else "signal SIGSEGV"
                return
            self.said.append(f"end {first} {end}")
        self.said.append("done")
        self.how = ""

    def lines(self) -> list[str]:
        said, self.said = self.said, []
        return said

    def ended(self) -> str | None:
        return self.how

    def end(self) -> None:
        self.closed = True


@dataclass
class Court:
    """Starts pretended processes and counts them. now is in seconds."""

    kills: Callable[[Range], bool]
    false_starts: int = 0
    hangs: bool = False
    started: list[Pretended] = field(default_factory=list)
    now: float = 0.0

    def start(self, job: Job) -> Pretended:
        self.started.append(Pretended(job, self.kills, len(self.started) < self.false_starts, self.hangs))
        return self.started[-1]

    def stay(self, seconds: float) -> bool:
        self.now += seconds
        return True

    def hold(self, events: int, stay: Callable[[float], bool] | None = None) -> Verdict | None:
        trial = Trial(self.start, limit_s=60.0, clock=lambda: self.now)
        verdict = trial.hold(Messages.of([b"%d" % n for n in range(events)]), stay or self.stay)
        assert all(child.closed for child in self.started), "nobody stays behind"
        return verdict


def any_of(killers: Collection[int]) -> Callable[[Range], bool]:
    return lambda r: any(r[0] <= killer < r[1] for killer in killers)


@pytest.mark.parametrize("seed", range(40))
def test_exactly_those_that_kill_are_guilty(seed: int) -> None:
    chance = random.Random(seed)
    events = chance.choice([1, 2, 31, 32, 33, 200, 10_000])
    killers = sorted(chance.sample(range(events), min(events, chance.randint(0, 8))))
    court = Court(any_of(killers))
    verdict = court.hold(events)
    assert verdict is not None
    assert sorted(verdict.guilty) == killers
    assert len(court.started) <= 1 + 3 * len(killers), "a range, and each of them alone twice"


def test_an_event_is_guilty_only_if_it_kills_alone_and_again() -> None:
    deaths: list[Range] = []

    def once_alone(r: Range) -> bool:
        kills = r[0] <= 5 < r[1] and len(deaths) < 2
        deaths.extend([r] if kills else [])
        return kills

    court = Court(once_alone)
    verdict = court.hold(64)
    assert deaths == [(4, 6), (5, 6)]
    assert verdict == Verdict({}, 1), "chance; but from then on one at a time"


def test_events_that_kill_only_together_are_let_through_one_at_a_time() -> None:
    verdict = Court(lambda r: r[0] <= 5 < r[1] and r[1] - r[0] > 1).hold(64)
    assert verdict == Verdict({}, 1)


def test_how_it_kills_is_told_and_the_others_go_in_the_parts_that_came_through() -> None:
    verdict = Court(any_of([100])).hold(320)
    assert verdict == Verdict({100: "signal SIGSEGV"}, 10)


def test_a_range_that_never_comes_back_is_a_death_too() -> None:
    verdict = Court(any_of([3]), hangs=True).hold(8)
    assert verdict is not None
    assert verdict.guilty == {3: "no answer within 60 s"}


def test_events_that_nearly_all_kill_are_not_to_blame() -> None:
    court = Court(lambda _r: True)
    with pytest.raises(SystemicError, match="it is not one of them"):
        court.hold(1000)
    assert len(court.started) == MAX_DEATHS + 1


def test_a_process_that_ends_before_it_began_says_nothing() -> None:
    assert Court(any_of([3]), false_starts=MAX_FALSE_STARTS - 1).hold(8) == Verdict({3: "signal SIGSEGV"}, 1)
    never = Court(any_of([3]), false_starts=99).hold(8)
    assert never is not None
    assert (never.held, never.guilty) == (False, {})


def test_a_stop_ends_the_trial_without_a_verdict() -> None:
    court = Court(any_of([3]), hangs=True)
    assert court.hold(8, stay=lambda _s: False) is None
    assert len(court.started) == 1


def test_what_a_process_says_last_is_heard() -> None:
    """It is asked whether it has ended before its lines are read, never after."""

    class Late(Pretended):
        def ended(self) -> str | None:
            return self.how

    verdict = Trial(lambda job: Late(job, any_of([])), 60.0).hold(Messages.of([b"a"]), lambda _s: True)
    assert verdict == Verdict({}, 1)
