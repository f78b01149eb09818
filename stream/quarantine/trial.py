"""The suspects before a process of their own: who kills it alone, and again alone, is guilty.

Ranges first, then the events of a range that did not come back, one by one; each death costs a new process.
A worker that is killed from outside takes its trial with it, and no verdict is left; so nothing but the events
themselves can be found guilty.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from stream.batch import Messages
from stream.errors import SystemicError
from stream.quarantine.child import BEGIN, DONE, END, MEMORY, READY, Job

RANGES: Final = 32
"""Parts in which the suspects are tried first."""
DEATHS_ALONE: Final = 2
"""Of a process that had nothing but this event in hand, before it is guilty."""
MAX_DEATHS: Final = 30
"""In one trial: with so many the events are not to blame."""
MAX_FALSE_STARTS: Final = 3
"""Processes that end before they had an event in hand; then there is no verdict."""
LOOK_EVERY_S: Final = 0.1

Range = tuple[int, int]
Stay = Callable[[float], bool]
"""Waits so many seconds, in the group; False when the worker is to stop."""


class Child(Protocol):
    """A process with one job."""

    def lines(self) -> list[str]:
        """What it has said since."""
        ...

    def ended(self) -> str | None:
        """How it died, None while it lives; "" when it ended well."""
        ...

    def end(self) -> None:
        """It is no more afterwards, whatever it did."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """guilty: message row -> how it kills. part: so many events at a time came through."""

    guilty: Mapping[int, str]
    part: int
    held: bool = True
    """False when there could be no trial."""


@dataclass(slots=True)
class Trial:
    """start gives a process its job. limit_s: a range that takes longer counts as a death. Clock in seconds."""

    start: Callable[[Job], Child]
    limit_s: float
    clock: Callable[[], float] = time.monotonic

    def hold(self, messages: Messages, stay: Stay) -> Verdict | None:
        """None when the worker is to stop. Raises SystemicError when nearly everything kills."""
        part = max(1, -(-len(messages) // RANGES))
        todo = deque((first, min(first + part, len(messages))) for first in range(0, len(messages), part))
        return _Hearing(self, replace(messages, group_metadata=None), todo, part).run(stay)


@dataclass(slots=True)
class _Hearing:
    """One trial under way: todo are the ranges not come through yet."""

    trial: Trial
    messages: Messages
    todo: deque[Range]
    part: int
    apart: list[Range] = field(default_factory=list)
    """Ranges that did not come back."""
    guilty: dict[int, str] = field(default_factory=dict)
    alone: Counter[int] = field(default_factory=Counter)
    deaths: int = 0
    false_starts: int = 0

    def run(self, stay: Stay) -> Verdict | None:
        while self.todo:
            died = self._try(stay)
            if died is None:
                return None
            if self.false_starts >= MAX_FALSE_STARTS:
                return Verdict(self.guilty, self.part, held=False)
            if self.deaths > MAX_DEATHS:
                text = f"more than {MAX_DEATHS} processes ended with events of one batch: it is not one of them"
                raise SystemicError("quarantine", text)
        return Verdict(self.guilty, self.part if all(map(self._explained, self.apart)) else 1)

    def _explained(self, dead: Range) -> bool:
        """Whether one event killed it, rather than the range as a whole."""
        return any(dead[0] <= row < dead[1] for row in self.guilty)

    def _try(self, stay: Stay) -> str | None:
        """One process, until it ends: how it died, "" when all came through, None when the worker is to stop."""
        child = self.trial.start(Job(self.messages, tuple(self.todo)))
        current: Range | None = None
        since = self.trial.clock()
        try:
            while True:
                how = child.ended()  # asked first: what it said last is not missed
                for line in child.lines():
                    current, since = self._heard(line, current), self.trial.clock()
                if how is None and self.trial.clock() - since > self.trial.limit_s:
                    how = f"no answer within {self.trial.limit_s:.0f} s"
                if how is not None:
                    break
                if not stay(LOOK_EVERY_S):
                    return None
        finally:
            child.end()
        if self.todo:
            self._died(current, how)
        return how

    def _heard(self, line: str, current: Range | None) -> Range | None:
        """The range in process after this line."""
        word, *numbers = line.split()
        if word == BEGIN:
            return int(numbers[0]), int(numbers[1])
        if word == END and self.todo:
            self.todo.popleft()
        return None if word in (END, READY, DONE) else current

    def _died(self, current: Range | None, how: str) -> None:
        """A range is taken apart; an event that did it twice is guilty."""
        if current is None:
            self.false_starts += 1
            return
        self.deaths += 1
        first, end = current
        if end - first > 1:
            self.todo.popleft()
            self.todo.extendleft((row, row + 1) for row in reversed(range(first, end)))
            self.apart.append(current)
            return
        self.alone[first] += 1
        if self.alone[first] >= DEATHS_ALONE:
            self.guilty[first] = how or "exit status 0"
            self.todo.popleft()


@dataclass(slots=True)
class ChildProcess:
    """`stream.quarantine.child` as a process; its standard error is this one's."""

    popen: subprocess.Popen[bytes]
    _rest: bytes = b""

    @classmethod
    def starter(cls, pipeline: Path, environ: Mapping[str, str]) -> Callable[[Job], ChildProcess]:
        command = [sys.executable, "-m", "stream.quarantine.child", str(pipeline)]
        return lambda job: cls.start(command, environ, job)

    @classmethod
    def start(cls, command: Sequence[str], environ: Mapping[str, str], job: Job) -> ChildProcess:
        # in a session of its own: what a terminal sends to the worker is not for it
        popen = subprocess.Popen(
            command, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert popen.stdout is not None
        os.set_blocking(popen.stdout.fileno(), False)
        # by a thread: the process may take a while to read, or never do. The pipe stays open: see child.py
        threading.Thread(target=_give, args=(job, popen.stdin), name="trial", daemon=True).start()
        return cls(popen)

    def lines(self) -> list[str]:
        assert self.popen.stdout is not None
        while arrived := self.popen.stdout.read(65_536):
            self._rest += arrived
        *whole, self._rest = self._rest.split(b"\n")
        return [line.decode() for line in whole if line]

    def ended(self) -> str | None:
        code = self.popen.poll()
        if code is None:
            return None
        if code == MEMORY:
            return "more memory than there is"
        return "" if code == 0 else f"signal {_signal(-code)}" if code < 0 else f"exit status {code}"

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it did not read is still there to be written
                    pipe.close()


def _give(job: Job, to: Any) -> None:
    with contextlib.suppress(OSError, ValueError):  # it is dead already
        job.dump(to)
        to.flush()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
