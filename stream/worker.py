"""The loop: poll, process, commit; and what happens when one of them fails.

One worker is one process with one consumer, one transactional producer and one thread that owns both.

    event failed     it is in the outcome already: a dead letter of the same transaction
    attempt failed   recover: new producer, back to the committed offsets, read again
    systemic         pause: nothing is committed, the group is kept, try again with growing waits
    process done     ProcessError leaves run(), and with it the process
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from stream.batch import Messages, Outcome, RecordList
from stream.errors import AttemptError, ProcessError, SystemicError
from stream.failures.limit import DeadLetterLimit
from stream.failures.retry import FailureRouter, Routed
from stream.failures.strict import Hold
from stream.pipeline import Pipeline
from stream.quarantine.watch import Part, Quarantine
from stream.summary import Summary
from stream.timed import Timed

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STOP_SEEN_S: Final = 0.2
"""How late a stop may be seen while paused."""

Positions = Mapping[tuple[str, int], int]


class Session(Protocol):
    """What the loop needs of `stream.kafka.Session`."""

    @property
    def waited_s(self) -> float: ...
    def poll(self) -> Messages | None: ...
    def begin_commit(self, outcome: Outcome, records: RecordList) -> None: ...
    def finish_commit(self) -> float | None: ...
    def recover(self) -> Positions: ...
    def hold(self, where: tuple[str, int], offset: int, until_ms: int) -> None: ...
    def idle(self, seconds: float) -> None: ...
    def caught_up(self) -> bool: ...
    def standing_by(self) -> bool: ...
    def close(self) -> None: ...


class Observer(Protocol):
    """Told of everything an operator may want to know; never asked anything."""

    def beat(self) -> None: ...
    def spent(self, activity: str, seconds: float) -> None: ...
    def read(self, messages: Messages) -> None: ...
    def running(self) -> None: ...
    def paused(self, error: SystemicError) -> None: ...
    def draining(self) -> None: ...
    def committed(self, outcome: Outcome, retried: frozenset[int], transaction_s: float) -> None: ...
    def holding(self, hold: Hold) -> None: ...
    def failed(self, error: AttemptError) -> None: ...


class Refusals(Protocol):
    """Whether Kafka still lets this user do what the pipeline needs (`stream.kafka.refusal`)."""

    def suspects(self, error: AttemptError) -> bool: ...
    def missing(self) -> str: ...


@dataclass(slots=True)
class Worker:
    """Runs one pipeline until told to stop. stop() may be called from a signal handler."""

    pipeline: Pipeline
    session: Session
    router: FailureRouter
    limit: DeadLetterLimit
    observer: Observer
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    cpu_clock: Callable[[], float] = time.process_time
    random: Callable[[], float] = random.random
    failpoint: Callable[[str], None] = lambda _name: None
    between_batches: Callable[[], None] = lambda: None
    overlap: bool = True
    """Process the next batch while this one commits."""
    quarantine: Quarantine | None = None
    """Finds events that kill the process."""
    refusals: Refusals | None = None
    """Asked before an attempt is made again that failed for want of a right."""
    summary: Summary = field(default_factory=Summary)
    _stopping: bool = False
    _suspicion: bool = False
    _in_flight: tuple[Outcome, frozenset[int]] | None = None
    _pauses: int = 0

    def stop(self) -> None:
        """Finish the batch in hand, commit it, and leave."""
        self._stopping = True
        self.pipeline.hurry()

    def run(self, *, until_caught_up: bool = False) -> Summary:
        """Raises ProcessError; the session is closed in every case."""
        try:
            self._recover()
            while not self._stopping and not (until_caught_up and self._done()):
                self._turn()
                self.observer.beat()
                self.between_batches()
            self.observer.draining()
            self._attempt(self._finish)
        finally:
            self.session.close()
        return self.summary

    def _done(self) -> bool:
        return self._in_flight is None and self.session.caught_up()

    def _turn(self) -> None:
        """One batch, or one quiet moment. An attempt that fails is made again from the committed offsets."""
        if not self._attempt(self._advance):
            self._recover()

    def _attempt(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except AttemptError as error:
            self.observer.failed(error)
            self._suspect(error)
            if isinstance(error, SystemicError):
                self._pause(error)
            return False
        return True

    def _advance(self) -> None:
        """Process a batch while the one before commits: at most one is ahead, and only sending waits."""
        with self._timed("read") as timed:
            messages = self.session.poll()
            timed.activity = "idle" if messages is None else "read"
            timed.idle_s = self.session.waited_s
        if messages is None:
            self._finish()
        else:
            self._handle(messages)
        if messages is not None or self.session.caught_up() or self.session.standing_by():
            self._pauses = 0
            self.observer.running()

    def _handle(self, messages: Messages) -> None:
        self.summary.began(self.clock(), self.cpu_clock())
        self.observer.read(messages)
        self.failpoint("after_poll")
        if self.quarantine is None or self.quarantine.trusts(messages):
            self._process(Part(messages))
        else:
            self._carefully(messages, self.quarantine)

    def _carefully(self, messages: Messages, quarantine: Quarantine) -> None:
        """What may hold an event that killed its last owner: in parts, and each is committed before the next."""
        self._finish()
        cut = quarantine.parts(messages, self._stay)
        held: set[tuple[str, int]] = set()
        for part in cut.parts:
            if held.isdisjoint(part.messages.next_offsets):
                held.update(hold.where for hold in self._process(part).holds)
                self._finish()
        if cut.again:
            self._recover()

    def _process(self, part: Part) -> Routed:
        with self._timed("process"):
            outcome = part.outcome() if part.verdict else self.pipeline.process(part.messages)
        self.failpoint("after_process")
        self._finish()
        routed = self.router.route(outcome, int(self.wall_clock() * 1000))
        self.limit.check(routed.outcome, routed.retried)
        self._send(routed)
        if not self.overlap:
            self._finish()
        return routed

    def _stay(self, seconds: float) -> bool:
        """Wait without reading, and stay in the group; False when it is time to stop."""
        self.session.idle(seconds)
        self.observer.beat()
        return not self._stopping

    def _send(self, routed: Routed) -> None:
        for hold in routed.holds:
            self.session.hold(hold.where, hold.offset, hold.until_ms)
            self.router.holding(hold)
            self.observer.holding(hold)
        if len(routed.outcome.messages):
            self._in_flight = (routed.outcome, routed.retried)
            self.session.begin_commit(routed.outcome, routed.records)

    def _finish(self) -> None:
        """Wait for the commit under way and count its batch."""
        with self._timed("commit"):
            seconds = self.session.finish_commit()
        if seconds is not None and self._in_flight is not None:
            self._committed(*self._in_flight, seconds)

    def _committed(self, outcome: Outcome, retried: frozenset[int], transaction_s: float) -> None:
        self._in_flight = None
        if self.quarantine is not None:
            self.quarantine.committed(outcome.messages.next_offsets)
        self.limit.committed(outcome, retried)
        self.summary.add(outcome, retried, transaction_s, self.clock(), self.cpu_clock())
        self.observer.committed(outcome, retried, transaction_s)

    def _recover(self) -> None:
        """Until it works: with Kafka away this is a pause, and Kafka coming back ends it."""
        self._attempt(self._finish)
        while not self._stopping:
            try:
                with self._timed("recover"):
                    self._require_rights()
                    committed = self.session.recover()
            except AttemptError as error:
                self._suspect(error)
                reason = "refused" if self._suspicion else "broker"
                self._pause(error if isinstance(error, SystemicError) else SystemicError(reason, str(error)))
            else:
                self.summary.recoveries += 1
                self._settle(committed)
                return

    def _suspect(self, error: AttemptError) -> None:
        self._suspicion = self._suspicion or (self.refusals is not None and self.refusals.suspects(error))

    def _require_rights(self) -> None:
        """Raises SystemicError while rights are missing; asks only when an error looked like it."""
        if not self._suspicion or self.refusals is None:
            return
        try:
            missing = self.refusals.missing()
        except ProcessError as error:
            raise SystemicError("broker", str(error)) from error
        if missing:
            raise SystemicError("refused", missing)
        self._suspicion = False

    def _settle(self, committed: Positions) -> None:
        """A commit whose answer was lost may have been made after all: the committed offsets say so."""
        in_flight, self._in_flight = self._in_flight, None
        if in_flight is None:
            return
        outcome, retried = in_flight
        owned = {p: offset for p, offset in outcome.messages.next_offsets.items() if p in committed}
        if owned and all(committed[p] >= offset for p, offset in owned.items()):
            self._committed(outcome, retried, 0.0)

    def _pause(self, error: SystemicError) -> None:
        """Keep the group and commit nothing, each time longer, up to a bound (with jitter)."""
        self.observer.paused(error)
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._pauses)
        self._pauses = min(self._pauses + 1, 16)
        until = self.clock() + longest * (0.5 + self.random() / 2)
        while not self._stopping and (left := until - self.clock()) > 0:
            with self._timed("pause"):
                self._stay(min(left, STOP_SEEN_S))

    def _timed(self, activity: str) -> Timed:
        return Timed(self.observer.spent, self.clock, activity)
