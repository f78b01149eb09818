"""The calls of one batch: so many at a time, at the rate, within the batch's time, until the breaker opens.

Rows are worked on in order, so what the time was not enough for is at the end of the batch. A group of
events that is refused as a whole is halved until the guilty events are found.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from stream.errors import PoisonError, SystemicError
from stream.http.breaker import Breaker
from stream.http.pace import Pace
from stream.http.verdict import OUT_OF_TIME, Kind, Request, Verdict, poison

ANSWERED: Final = "answered"
CREDENTIALS_REFUSED: Final = "credentials"
GIVEN_UP: Final = "given_up"
"""Outcomes of a call that are no reason of a verdict."""
MAX_ANSWERS_BYTES: Final = 33_554_432
"""Read answers stay in memory until their batch is done: a small event may be answered with a large text."""
Rows = tuple[int, ...]
"""Rows of the batch that one call is made for."""


class Service(Protocol):
    async def call(self, request: Request, timeout_s: float) -> Verdict: ...


class Task(Protocol):
    """What is to be called, and what an answer says of each event."""

    def request(self, rows: Rows) -> Request: ...

    def split(self, body: Any, rows: Rows) -> Sequence[Any]:
        """The part of an answer for each of the rows. Raises PoisonError when there is none for each."""
        ...


class Watcher(Protocol):
    """Told of each call; never asked anything."""

    def began(self) -> None: ...
    def ended(self, outcome: str, seconds: float) -> None: ...
    def breaker(self, *, is_open: bool) -> None: ...


class Nobody:
    """A Watcher of whom nobody asks."""

    def began(self) -> None: ...
    def ended(self, outcome: str, seconds: float) -> None: ...
    def breaker(self, *, is_open: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """timeout_s: of a call. budget_s: of a batch. wait_s: the longest Retry-After that is honoured at once.

    answers_bytes: of a batch; beyond it no further call is made, what is left is read again with the next batch.
    """

    timeout_s: float = 10.0
    budget_s: float = 30.0
    concurrency: int = 8
    wait_s: float = 30.0
    answers_bytes: int = MAX_ANSWERS_BYTES


@dataclass(slots=True)
class Caller:
    """Makes the calls of a stage; the breaker and the pace last over batches. label names it in messages."""

    label: str
    service: Service
    breaker: Breaker
    pace: Pace
    limits: Limits
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    watcher: Watcher = field(default_factory=Nobody)
    hurried: bool = False
    """No further call is made; set from a signal handler."""

    async def run(self, groups: Sequence[Rows], task: Task) -> dict[int, Verdict]:
        """A verdict for each row. Raises SystemicError("service") when the service is down."""
        try:
            return await self._found(groups, task)
        finally:
            self.watcher.breaker(is_open=self.breaker.open)

    async def _found(self, groups: Sequence[Rows], task: Task) -> dict[int, Verdict]:
        deadline = self.clock() + self.limits.budget_s
        found: dict[int, Verdict] = {}
        if self.breaker.open:
            found = await self._probe(groups, task, deadline)
            groups = [rows for group in groups if (rows := tuple(row for row in group if row not in found))]
        await _Run(self, task, deadline, deque(groups), found).work_through()
        if len(found) >= self.breaker.limit and _all_failed(found.values()):
            self.breaker.trip(self.breaker.last)
            raise self.down()
        return found

    def down(self) -> SystemicError:
        return SystemicError("service", f"{self.label}: {self.breaker}")

    async def _probe(self, groups: Sequence[Rows], task: Task, deadline: float) -> dict[int, Verdict]:
        """Half-open: one event alone shows whether the service works again."""
        rows = [row for group in groups for row in group]
        run = _Run(self, task, deadline, deque([(rows[self.breaker.probe(len(rows))],)]))
        await run.work_through()
        if self.breaker.open:
            raise self.down()
        return run.found


@dataclass(slots=True)
class _Run:
    """What is left to be called for, and what came of the rest."""

    caller: Caller
    task: Task
    deadline: float
    queue: deque[Rows]
    found: dict[int, Verdict] = field(default_factory=dict)
    answered_bytes: int = 0

    async def work_through(self) -> None:
        """Raises SystemicError as soon as the breaker opens; calls under way are given up."""
        down: SystemicError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self.caller.limits.concurrency, len(self.queue))):
                    tasks.create_task(self._work())
        except* SystemicError:  # nothing can be raised from here but a group
            down = self.caller.down()
        if down is not None:
            raise down

    async def _work(self) -> None:
        while self.queue:
            rows = self.queue.popleft()
            verdict = await self._verdict(rows)
            if verdict.kind is Kind.POISON and len(rows) > 1:
                half = len(rows) // 2
                self.queue.extendleft([rows[half:], rows[:half]])
            else:
                self._take(rows, verdict)

    def _take(self, rows: Rows, verdict: Verdict) -> None:
        parts = verdict.body if verdict.kind is Kind.ANSWERED else [None] * len(rows)
        for row, part in zip(rows, parts, strict=True):
            self.found[row] = replace(verdict, body=part)

    async def _verdict(self, rows: Rows) -> Verdict:
        """Of the call, or of a second one on the spot where that is worth it."""
        verdict = await self._attempt(rows)
        if verdict.again and (verdict.wait_s or 0.0) <= self.caller.limits.wait_s:
            second = await self._attempt(rows)
            verdict = verdict if second.kind is Kind.UNTRIED else second
        self._note(verdict)
        return verdict

    def _note(self, verdict: Verdict) -> None:
        breaker = self.caller.breaker
        if verdict.kind is Kind.SYSTEMIC:
            breaker.trip(verdict.detail)
        elif verdict.kind is Kind.TRANSIENT:
            breaker.failed(verdict.detail)
        elif verdict.kind is not Kind.UNTRIED:
            breaker.answered()
        if breaker.open and verdict.kind is not Kind.UNTRIED:
            raise self.caller.down()

    async def _attempt(self, rows: Rows) -> Verdict:
        caller = self.caller
        if not await self._turn():
            return OUT_OF_TIME
        left = self.deadline - caller.clock()
        timeout_s = min(caller.limits.timeout_s, left)
        verdict = await self._called(self.task.request(rows), timeout_s)
        if verdict.wait_s is not None:
            caller.pace.close(min(verdict.wait_s, caller.limits.wait_s))
        if verdict.kind is not Kind.ANSWERED:
            return verdict
        self.answered_bytes += len(verdict.body)
        return self._split(verdict, rows)

    async def _called(self, request: Request, timeout_s: float) -> Verdict:
        caller = self.caller
        caller.watcher.began()
        outcome, began = GIVEN_UP, caller.clock()
        try:
            verdict = await caller.service.call(request, timeout_s)
            if verdict.reason == "timeout" and timeout_s < caller.limits.timeout_s:
                verdict = OUT_OF_TIME  # it had less than its time
            outcome = CREDENTIALS_REFUSED if verdict.kind is Kind.SYSTEMIC else verdict.reason or ANSWERED
            return verdict
        finally:
            caller.watcher.ended(outcome, caller.clock() - began)

    def _split(self, verdict: Verdict, rows: Rows) -> Verdict:
        try:
            return replace(verdict, body=self.task.split(verdict.body, rows))
        except PoisonError as error:
            return poison(error.reason, error.detail)

    async def _turn(self) -> bool:
        """Wait until a call may be made; False when that is too late, or too much, for this batch."""
        pace = self.caller.pace
        if self.answered_bytes >= self.caller.limits.answers_bytes:
            return False
        while not self.caller.hurried and (wait_s := pace.reserve(self.deadline)) is not None:
            if wait_s <= 0:
                return True
            await self.caller.sleep(wait_s)
            if not pace.closed:  # by another call's answer, meanwhile
                return True
        return False


def _all_failed(verdicts: Iterable[Verdict]) -> bool:
    """Of the events that were called for, the service answered none."""
    called = [v for v in verdicts if v.kind is not Kind.UNTRIED]
    return bool(called) and all(v.kind is Kind.TRANSIENT for v in called)
