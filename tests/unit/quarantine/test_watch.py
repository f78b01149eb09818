"""Deaths counted, suspects found, batches cut; and whole lives of workers that die, against a log in memory."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from unit.quarantine.test_trial import Pretended, any_of

from stream.batch import Messages, Outcome, Record, Rows, pack
from stream.errors import AttemptError, SystemicError, TransactionError
from stream.failures.dead_letter import DeadLetters
from stream.failures.limit import DeadLetterLimit
from stream.failures.retry import FailureRouter
from stream.failures.strict import Hold
from stream.kafka.gather import next_offsets
from stream.kafka.positions import Mark
from stream.quarantine.child import Job
from stream.quarantine.trial import Trial, Verdict
from stream.quarantine.watch import Part, Quarantine, deaths_of
from stream.worker import Worker

TOPIC = "in"


def batch(*events: tuple[int, int]) -> Messages:
    """Messages of (partition, offset)."""
    partition = np.array([p for p, _ in events], np.int32)
    offset = np.array([o for _, o in events], np.int64)
    values = Messages.of([b"%d/%d" % event for event in events], topic=TOPIC)
    ends = next_offsets((TOPIC,), values.topic, partition, offset)
    return replace(values, partition=partition, offset=offset, next_offsets=ends)


def places(messages: Messages) -> list[tuple[int, int]]:
    return [(p, o) for _, p, o in (messages.origin(row) for row in range(len(messages)))]


@dataclass
class Group:
    """Committed offsets with their texts."""

    committed: dict[tuple[str, int], Mark] = field(default_factory=dict)
    lost: int = 0
    asked: int = 0
    marked: int = 0

    def marks(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Mark]:
        self.asked += 1
        return {p: self.committed.get(p, Mark(0)) for p in partitions}

    def mark(self, marks: Mapping[tuple[str, int], Mark]) -> None:
        self.marked += 1
        self.committed |= marks

    def losses(self) -> int:
        return self.lost


def no_trial(_messages: Messages, _stay: object) -> Verdict | None:
    raise AssertionError("not in this test")


def stay(_seconds: float) -> bool:
    return True


def quarantine(group: Group, trial: Callable = no_trial, **settings: int) -> Quarantine:
    return Quarantine(group, trial, **settings)


class TestMarks:
    def test_only_the_first_batch_of_a_partition_costs_anything(self) -> None:
        group = Group()
        found = quarantine(group)
        first = batch((0, 0), (1, 0))
        assert not found.trusts(first)
        assert found.parts(first, stay).parts == [Part(first)]
        assert group.committed == {(TOPIC, 0): Mark(0, "deaths=1"), (TOPIC, 1): Mark(0, "deaths=1")}
        found.committed(first.next_offsets)
        for offset in range(1, 50):
            assert found.trusts(batch((0, offset), (1, offset)))
        assert (group.asked, group.marked) == (1, 1)

    def test_a_partition_that_was_elsewhere_is_looked_at_again(self) -> None:
        group = Group()
        found = quarantine(group)
        found.parts(batch((0, 0)), stay)
        found.committed({(TOPIC, 0): 1})
        group.lost += 1
        assert not found.trusts(batch((0, 1)))

    def test_each_owner_that_ends_adds_one_and_a_commit_takes_them_away(self) -> None:
        group = Group()
        for deaths in range(3):
            assert group.marks([(TOPIC, 0)])[TOPIC, 0].text in ("", f"deaths={deaths}")
            quarantine(group).parts(batch((0, 5)), stay)
        assert group.committed[TOPIC, 0] == Mark(0, "deaths=3")

    @pytest.mark.parametrize(
        ("text", "deaths"),
        [("", 0), ("deaths=7", 7), ("deaths=", 0), ("deaths=-1", 0), ("AQIDBA==", 0), ("deaths=3x", 0)],
    )
    def test_texts_of_other_programs_count_as_none(self, text: str, deaths: int) -> None:
        assert deaths_of(text) == deaths

    def test_a_partition_without_an_offset_is_not_marked(self) -> None:
        group = Group({(TOPIC, 0): Mark(-1001)})
        found = quarantine(group)
        assert found.parts(batch((0, 0)), stay).parts
        assert group.marked == 0
        found.committed({(TOPIC, 0): 1})
        assert found.trusts(batch((0, 1)))


class TestCuts:
    def test_partitions_where_somebody_died_go_one_by_one_after_the_others(self) -> None:
        group = Group({(TOPIC, 1): Mark(0, "deaths=2"), (TOPIC, 2): Mark(0, "deaths=1")})
        cut = quarantine(group).parts(batch((1, 0), (0, 0), (2, 0), (1, 1), (0, 1)), stay)
        assert [places(part.messages) for part in cut.parts] == [[(0, 0), (0, 1)], [(2, 0)], [(1, 0), (1, 1)]]
        assert [part.messages.next_offsets for part in cut.parts] == [{(TOPIC, 0): 2}, {(TOPIC, 2): 1}, {(TOPIC, 1): 2}]
        assert not cut.again

    def test_suspects_are_tried_and_then_read_again(self) -> None:
        tried = []

        def trial(messages: Messages, _stay: object) -> Verdict:
            tried.append(places(messages))
            return Verdict({2: "signal SIGSEGV"}, part=2)

        group = Group({(TOPIC, 1): Mark(0, "deaths=3")})
        found = quarantine(group, trial)
        given = batch(*((p, o) for o in range(6) for p in (0, 1)))
        assert found.parts(given, stay) == ([], True)
        assert tried == [[(1, o) for o in range(6)]]
        cut = found.parts(given, stay)
        assert [(places(p.messages), p.verdict) for p in cut.parts] == [
            ([(0, o) for o in range(6)], ""),
            ([(1, 0), (1, 1)], ""),
            ([(1, 2)], "signal SIGSEGV"),
            ([(1, 3), (1, 4)], ""),
            ([(1, 5)], ""),
        ]
        assert [p.messages.next_offsets for p in cut.parts][1:] == [{(TOPIC, 1): end} for end in (2, 3, 5, 6)]

    def test_the_guilty_one_is_dead_lettered_without_being_read(self) -> None:
        (failure,) = Part(batch((1, 7)), "signal SIGKILL").outcome().failures
        assert (failure.stage, failure.reason) == ("quarantine", "quarantined")
        assert failure.detail == "it ended every process that had it in hand (signal SIGKILL)"

    def test_what_was_not_tried_is_left_for_another_time(self) -> None:
        group = Group({(TOPIC, 0): Mark(0, "deaths=3")})
        found = quarantine(group, lambda _m, _s: Verdict({}, part=10))
        found.parts(batch((0, 0), (0, 1)), stay)
        cut = found.parts(batch((0, 0), (0, 1), (0, 2)), stay)
        assert [places(part.messages) for part in cut.parts] == [[(0, 0), (0, 1)]]
        assert cut.parts[0].messages.next_offsets == {(TOPIC, 0): 2}
        assert cut.again

    def test_as_long_as_nothing_explains_the_deaths_what_follows_is_tried_too_within_reach(self) -> None:
        trials = []

        def trial(messages: Messages, _stay: object) -> Verdict:
            trials.append(places(messages))
            return Verdict({}, part=10)

        group = Group({(TOPIC, 0): Mark(0, "deaths=3")})
        found = quarantine(group, trial, reach=4)
        for offset in (0, 2):
            for _ in range(2):
                found.parts(batch((0, offset), (0, offset + 1)), stay)
            assert not found.trusts(batch((0, offset)))
            found.committed({(TOPIC, 0): offset + 2})
        assert trials == [[(0, 0), (0, 1)], [(0, 2), (0, 3)]]
        assert found.trusts(batch((0, 4)))

    def test_once_the_guilty_one_is_behind_all_is_as_before(self) -> None:
        group = Group({(TOPIC, 0): Mark(0, "deaths=3")})
        found = quarantine(group, lambda _m, _s: Verdict({0: "x"}, part=10))
        given = batch((0, 0), (0, 1), (0, 2))
        found.parts(given, stay)
        found.parts(given, stay)
        found.committed({(TOPIC, 0): 1})
        assert not found.trusts(batch((0, 1))), "not yet: what follows was tried only with it"
        found.committed({(TOPIC, 0): 3})
        assert found.trusts(batch((0, 3)))

    def test_a_trial_that_could_not_be_held_delays_nobody(self) -> None:
        group = Group({(TOPIC, 0): Mark(0, "deaths=3")})
        found = quarantine(group, lambda _m, _s: Verdict({}, 1, held=False))
        given = batch((0, 0), (0, 1))
        assert found.parts(given, stay).again
        assert found.parts(given, stay).parts == [Part(given)]

    def test_events_of_a_retry_tier_are_found_where_they_were_read_now(self) -> None:
        group = Group({("p.retry.1s", 0): Mark(40, "deaths=3")})
        read = Messages.of([b"a", b"b"], topic="p.retry.1s", first_offset=40)
        given = replace(batch((0, 3), (1, 9)), read=read.places, next_offsets=read.next_offsets)
        found = quarantine(group, lambda _m, _s: Verdict({1: "x"}, part=10))
        found.parts(given, stay)
        cut = found.parts(given, stay)
        assert [(places(p.messages), p.messages.next_offsets, p.verdict) for p in cut.parts] == [
            ([(0, 3)], {("p.retry.1s", 0): 41}, ""),
            ([(1, 9)], {("p.retry.1s", 0): 42}, "x"),
        ]

    def test_a_trial_ends_when_partitions_are_taken_away(self) -> None:
        group = Group({(TOPIC, 0): Mark(0, "deaths=3")})

        def trial(_messages: Messages, stay: Callable[[float], bool]) -> Verdict | None:
            assert stay(0.1)
            group.lost += 1
            assert not stay(0.1)
            return None

        assert quarantine(group, trial).parts(batch((0, 0)), stay).again


class Death(BaseException):
    """The process is no more."""


@dataclass
class Log:
    """Partitions in memory, one process at a time; and what was committed. chance decides what a poll gives."""

    sizes: list[int]
    chance: random.Random
    group: Group = field(default_factory=Group)
    position: dict[int, int] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)
    under_way: tuple[Outcome, Sequence[Record]] | None = None
    flaky: float = 0.0
    waited_s: float = 0.0

    def poll(self) -> Messages | None:
        events = []
        for p in self.chance.sample(range(len(self.sizes)), len(self.sizes)):
            start = self.position[p]
            stop = min(self.sizes[p], start + self.chance.randint(0, 12))
            events += [(p, o) for o in range(start, stop)]
            self.position[p] = stop
        return batch(*events) if events else None

    def begin_commit(self, outcome: Outcome, records: Sequence[Record]) -> None:
        assert self.under_way is None
        self.under_way = (outcome, records)

    def finish_commit(self) -> float | None:
        under_way, self.under_way = self.under_way, None
        if under_way is None:
            return None
        if self.chance.random() < self.flaky:
            raise TransactionError("flaky")
        outcome, records = under_way
        self.ends += [str(bytes(rows.values), "ascii") for rows in outcome.outputs]
        self.ends += ["dead " + (r.value or b"").decode() for r in records]
        self.group.committed |= {p: Mark(o) for p, o in outcome.messages.next_offsets.items()}
        return 0.0

    def recover(self) -> dict[tuple[str, int], int]:
        self.under_way = None
        self.position = {p: self.group.committed.get((TOPIC, p), Mark(0)).offset for p in range(len(self.sizes))}
        return {(TOPIC, p): o for p, o in self.position.items()}

    def hold(self, where: tuple[str, int], offset: int, until_ms: int) -> None:
        raise AssertionError("not in these tests")

    def idle(self, seconds: float) -> None: ...

    def caught_up(self) -> bool:
        return all(self.position[p] == size for p, size in enumerate(self.sizes))

    def standing_by(self) -> bool:
        return False

    def close(self) -> None: ...


@dataclass
class Line:
    """A pipeline in which some events end the process, and chance does too."""

    killers: set[str]
    chance: random.Random
    killed: float
    max_event_bytes: int = 1000

    def process(self, messages: Messages) -> Outcome:
        values = [(messages.value(row) or b"").decode() for row in range(len(messages))]
        if self.killers & set(values) or self.chance.random() < self.killed:
            raise Death
        outputs = []
        for row, value in enumerate(values):
            data, offsets = pack([value.encode()])
            outputs.append(Rows("out", np.array([row]), data, offsets))
        return Outcome(messages, outputs, [])

    def hurry(self) -> None: ...


class Quiet:
    def beat(self) -> None: ...
    def spent(self, activity: str, seconds: float) -> None: ...
    def read(self, messages: Messages) -> None: ...
    def running(self) -> None: ...
    def paused(self, error: SystemicError) -> None: ...
    def draining(self) -> None: ...
    def holding(self, hold: Hold) -> None: ...
    def failed(self, error: AttemptError) -> None: ...
    def committed(self, outcome: Outcome, retried: frozenset[int], transaction_s: float) -> None: ...


def live(log: Log, line: Line, crashes: int) -> bool:
    """One process; False when it died."""

    def start(job: Job) -> Pretended:
        rows = {row for row in range(len(job.messages)) if (job.messages.value(row) or b"").decode() in line.killers}
        return Pretended(job, any_of(rows))

    letters = FailureRouter(DeadLetters("dlq", "p"))
    found = Quarantine(log.group, Trial(start, 60.0).hold, crashes, reach=12 * len(log.sizes))
    worker = Worker(line, log, letters, DeadLetterLimit(ratio=1.0), Quiet(), quarantine=found)  # type: ignore[arg-type]
    worker.random = lambda: 0.0
    try:
        worker.run(until_caught_up=True)
    except Death:
        return False
    return True


@pytest.mark.parametrize("seed", range(60))
def test_whoever_kills_is_found_nobody_else_is_and_each_event_ends_once(seed: int) -> None:
    """Up to three killers in up to four partitions, kills from outside, failing transactions, batches cut by chance."""
    chance = random.Random(seed)
    sizes = [chance.randint(1, 60) for _ in range(chance.randint(1, 4))]
    every = [f"{p}/{o}" for p, size in enumerate(sizes) for o in range(size)]
    killers = set(chance.sample(every, min(len(every), chance.randint(0, 3))))
    log = Log(sizes, chance, flaky=chance.choice([0.0, 0.2]))
    killed = chance.choice([0.0, 0.1, 0.3])
    deaths = 0
    while not live(log, Line(killers, chance, killed), crashes := 3):
        deaths += 1
        log.under_way = None
        assert deaths < 500, "it gets to the end"
    assert Counter(log.ends) == Counter([f"dead {e}" if e in killers else e for e in every])
    if not killed:
        # each of them: the first death and the marked ones; a shorter batch that passes begins the count anew
        assert deaths <= len(killers) * 5 * crashes


def test_kills_from_outside_alone_find_nobody_guilty_however_many() -> None:
    chance = random.Random(1)
    log = Log([40, 40], chance)
    deaths = 0
    while not live(log, Line(set(), chance, 0.75), crashes=1):
        deaths += 1
        log.under_way = None
    assert deaths > 30
    assert not [end for end in log.ends if end.startswith("dead")]
