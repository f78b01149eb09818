"""The loop's decisions, against a session that fails on demand."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stream.batch import Messages, Outcome, Record, Rows, failures_of
from stream.errors import AttemptError, FatalError, SystemicError, TransactionError
from stream.failures.dead_letter import DeadLetters
from stream.failures.limit import DeadLetterLimit
from stream.failures.retry import FailureRouter
from stream.failures.strict import Hold
from stream.worker import LONGEST_PAUSE_S, Worker

OVERLAP = True


@dataclass
class Log:
    """One partition; commit takes a list of errors to raise, one a call, None for none."""

    values: list[bytes]
    errors: list[Exception | None] = field(default_factory=list)
    recover_errors: list[Exception | None] = field(default_factory=list)
    commit_anyway: bool = False
    position: int = 0
    committed: int = 0
    records: list[Record] = field(default_factory=list)
    outputs: list[bytes] = field(default_factory=list)
    idle_s: list[float] = field(default_factory=list)
    closed: bool = False
    under_way: tuple[Outcome, Sequence[Record]] | None = None
    now: float = 0.0
    waited_s: float = 0.0

    def poll(self) -> Messages | None:
        if self.position >= len(self.values):
            return None
        batch = Messages.of(self.values[self.position : self.position + 2], first_offset=self.position)
        self.position += len(batch)
        return batch

    def begin_commit(self, outcome: Outcome, records: Sequence[Record]) -> None:
        assert self.under_way is None, "one transaction at a time"
        self.under_way = (outcome, records)

    def finish_commit(self) -> float | None:
        """What was begun happens only now: the latest moment it can."""
        under_way, self.under_way = self.under_way, None
        if under_way is None:
            return None
        self.commit(*under_way)
        return 0.001

    def commit(self, outcome: Outcome, records: Sequence[Record]) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is None or self.commit_anyway:
            self.records += records
            self.outputs += [outcome.messages.value(r) or b"" for rows in outcome.outputs for r in rows.rows.tolist()]
            self.committed = outcome.messages.next_offsets["input", 0]
        if error is not None:
            raise error

    def recover(self) -> dict[tuple[str, int], int]:
        assert self.under_way is None, "finished before"
        error = self.recover_errors.pop(0) if self.recover_errors else None
        if error is not None:
            raise error
        self.position = self.committed
        return {("input", 0): self.committed}

    def hold(self, where: tuple[str, int], offset: int, until_ms: int) -> None:
        raise AssertionError("not in these tests")

    def idle(self, seconds: float) -> None:
        self.idle_s.append(seconds)
        self.now += seconds

    def caught_up(self) -> bool:
        return self.position >= len(self.values)

    def standing_by(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


@dataclass
class Notes:
    states: list[str] = field(default_factory=list)
    counted: int = 0
    spent_s: Counter[str] = field(default_factory=Counter)

    def beat(self) -> None: ...
    def spent(self, activity: str, seconds: float) -> None:
        self.spent_s[activity] += seconds

    def read(self, messages: Messages) -> None: ...
    def running(self) -> None:
        self.states.append("running")

    def paused(self, error: SystemicError) -> None:
        self.states.append(f"paused {error.reason}")

    def draining(self) -> None:
        self.states.append("draining")

    def committed(self, outcome: Outcome, retried: frozenset[int], transaction_s: float) -> None:
        self.counted += len(outcome.messages)

    def holding(self, hold: Hold) -> None:
        self.states.append(f"holds {hold.where} at {hold.offset}")

    def failed(self, error: AttemptError) -> None:
        self.states.append("failed")


class Copy:
    """Passes everything but b"bad"."""

    hurried = False

    def hurry(self) -> None:
        self.hurried = True

    def process(self, messages: Messages) -> Outcome:
        values = [messages.value(i) for i in range(len(messages))]
        bad = [i for i, v in enumerate(values) if v == b"bad"]
        rows = np.array([i for i in range(len(values)) if i not in bad], np.int64)
        outputs = [Rows("out", rows, b"", np.zeros(len(rows) + 1, np.int64))] if len(rows) else []
        return Outcome(messages, outputs, failures_of(bad, "decode", "not_avro"))


@pytest.fixture(params=[True, False], ids=["overlapped", "one by one"], autouse=True)
def overlap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of the loop holds in both modes."""
    monkeypatch.setitem(globals(), "OVERLAP", request.param)


def worker(log: Log, notes: Notes, limit: DeadLetterLimit | None = None) -> Worker:
    return Worker(
        Copy(),  # type: ignore[arg-type]
        log,
        FailureRouter(DeadLetters("p.dlq", "p")),
        limit or DeadLetterLimit(),
        notes,
        clock=lambda: log.now,
        wall_clock=lambda: 1.0,
        random=lambda: 1.0,
        overlap=OVERLAP,
    )


def drained(log: Log, **settings: DeadLetterLimit) -> tuple[Notes, Worker]:
    notes = Notes()
    w = worker(log, notes, **settings)
    w.run(until_caught_up=True)
    return notes, w


def test_everything_is_committed_once_and_the_session_is_closed() -> None:
    log = Log([b"a", b"b", b"bad", b"c", b"d"])
    notes, w = drained(log)
    assert log.outputs == [b"a", b"b", b"c", b"d"]
    assert [dict(r.headers)["stream.reason"] for r in log.records] == [b"not_avro"]
    assert (notes.counted, w.summary.events, w.summary.dead_letters) == (5, 5, Counter(not_avro=1))
    assert log.closed


@pytest.mark.parametrize("failures", [1, 2, 5])
def test_a_failed_transaction_is_made_again_from_the_committed_offsets(failures: int) -> None:
    log = Log([b"a", b"b", b"c"], errors=[None, *[TransactionError("lost")] * failures])
    notes, _ = drained(log)
    assert log.outputs == [b"a", b"b", b"c"]
    assert notes.counted == 3
    assert notes.states.count("failed") == failures


def test_a_commit_whose_answer_was_lost_is_counted_once_and_not_made_again() -> None:
    log = Log([b"a", b"b", b"c"], errors=[TransactionError("timed out")], commit_anyway=True)
    notes, w = drained(log)
    assert log.outputs == [b"a", b"b", b"c"]
    assert (notes.counted, w.summary.events) == (3, 3)


class Nothing(Copy):
    """No output takes an event."""

    def process(self, messages: Messages) -> Outcome:
        return Outcome(messages, [], [], filtered=len(messages))


def test_a_batch_of_which_nothing_is_left_is_committed_too() -> None:
    log, notes = Log([b"a", b"b", b"c"]), Notes()
    w = worker(log, notes)
    w.pipeline = Nothing()  # type: ignore[assignment]
    w.run(until_caught_up=True)
    assert (log.committed, notes.counted, log.outputs) == (3, 3, [])


def test_with_kafka_away_it_pauses_and_goes_on_when_it_is_back() -> None:
    log = Log([b"a"], recover_errors=[TransactionError("no broker")] * 3)
    notes, _ = drained(log)
    assert notes.states[:3] == ["paused broker"] * 3
    assert log.outputs == [b"a"]


class Rights:
    """Missing for as many questions as there are answers."""

    def __init__(self, *missing: str) -> None:
        self.answers = list(missing)
        self.asked = 0

    def suspects(self, error: AttemptError) -> bool:
        return "AUTHORIZATION_FAILED" in str(error)

    def missing(self) -> str:
        self.asked += 1
        return self.answers.pop(0) if self.answers else ""


def test_after_a_refused_commit_nothing_is_tried_until_the_right_is_back() -> None:
    log = Log([b"a"], errors=[TransactionError("commit: TOPIC_AUTHORIZATION_FAILED")])
    notes, rights = Notes(), Rights("no Write on topic out", "no Write on topic out")
    w = worker(log, notes)
    w.refusals = rights
    w.run(until_caught_up=True)
    assert [state for state in notes.states if state.startswith("paused")] == ["paused refused"] * 2
    assert rights.asked == 3
    assert log.outputs == [b"a"]


def test_rights_are_asked_for_only_after_an_error_that_looks_like_one() -> None:
    log = Log([b"a"], errors=[TransactionError("timed out")], recover_errors=[TransactionError("no broker")])
    notes, rights = Notes(), Rights("never asked")
    w = worker(log, notes)
    w.refusals = rights
    w.run(until_caught_up=True)
    assert rights.asked == 0
    assert log.outputs == [b"a"]


def test_pauses_grow_to_a_bound() -> None:
    log = Log([b"a"], recover_errors=[TransactionError("no broker")] * 12)
    pauses: list[float] = []
    notes = Notes()
    notes.paused = lambda error: pauses.append(log.now)  # type: ignore[method-assign]
    worker(log, notes).run(until_caught_up=True)
    gaps = np.diff([*pauses, log.now])
    assert gaps[0] == pytest.approx(0.5)
    assert gaps.max() == pytest.approx(LONGEST_PAUSE_S)
    assert (np.diff(gaps) >= -1e-6).all()


def test_over_the_dead_letter_limit_nothing_is_committed_and_it_pauses() -> None:
    log = Log([b"bad"] * 6)
    notes = Notes()
    w = worker(log, notes, DeadLetterLimit(ratio=0.5, window=4, consecutive=3))
    notes.paused = lambda error: (notes.states.append(error.reason), w.stop())  # type: ignore[assignment,method-assign,func-returns-value]
    w.run()
    assert "dead_letter_limit" in notes.states
    assert (log.committed, len(log.records)) == (2, 2)


def test_the_time_of_the_loop_is_told_by_what_it_was_spent_on() -> None:
    log = Log([b"a", b"b", b"c"], recover_errors=[None, TransactionError("no broker")], errors=[TransactionError("x")])
    process, poll, finish = Copy().process, log.poll, log.finish_commit

    def took(seconds: float, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            log.now += seconds
            return call(*arguments)

        return timed

    notes = Notes()
    w = worker(log, notes)
    w.pipeline = SimpleNamespace(process=took(8.0, process))  # type: ignore[assignment]
    log.poll, log.recover = took(1.0, poll), took(2.0, log.recover)  # type: ignore[method-assign]
    log.finish_commit = took(4.0, finish) if not OVERLAP else finish  # type: ignore[method-assign]
    w.run(until_caught_up=True)
    spent = notes.spent_s
    assert sum(spent.values()) == pytest.approx(log.now), "nothing is left out, nothing counted twice"
    batches = 4 if OVERLAP else 3
    assert spent["process"] == pytest.approx(8.0 * batches), "two batches again after the first failed"
    assert spent["recover"] == pytest.approx(2.0 * 3)
    assert spent["pause"] == pytest.approx(0.5)
    assert spent["read"] + spent["idle"] >= 3.0


def test_what_a_poll_waited_for_events_is_no_reading() -> None:
    """A loop that naps between the batches of a light load is idle, not busy."""
    log, notes = Log([b"a", b"b"]), Notes()
    poll = log.poll

    def slow() -> Messages | None:
        log.now, log.waited_s = log.now + 1.0, 0.75
        return poll()

    log.poll = slow  # type: ignore[method-assign]
    worker(log, notes).run(until_caught_up=True)
    assert notes.spent_s["read"] == pytest.approx(0.25)
    assert notes.spent_s["idle"] >= 0.75


def test_a_stop_finishes_the_batch_in_hand() -> None:
    log = Log([b"a", b"b", b"c", b"d"])
    notes = Notes()
    w = worker(log, notes)
    process = w.pipeline.process

    def process_and_stop(messages: Messages) -> Outcome:
        w.stop()
        return process(messages)

    w.pipeline.process = process_and_stop  # type: ignore[method-assign]
    w.run()
    assert (log.outputs, log.closed, notes.states[-1]) == ([b"a", b"b"], True, "draining")
    assert w.pipeline.hurried, "a stage that waits for a service need not be waited for"  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [FatalError("fenced"), RuntimeError("defect")])
def test_what_is_not_an_attempts_failure_ends_the_process(error: Exception) -> None:
    log = Log([b"a"], errors=[error])
    with pytest.raises(type(error)):
        worker(log, Notes()).run(until_caught_up=True)
    assert log.closed
