"""Several workers as child processes of one command: started, watched, restarted, stopped together.

The children do the work and know nothing of each other: Kafka's consumer group divides it. A child that
dies is started again after a growing wait; one that says its configuration is wrong ends the command.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stream.errors import ExitCode

FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 30.0
HEALTHY_AFTER_S: Final = 60.0
"""A child that ran this long starts over with the first wait when it dies."""
LOOK_EVERY_S: Final = 0.1
MAX_RESTARTS_IN_A_ROW: Final = 20


@dataclass(frozen=True, slots=True)
class Member:
    """One child: what it is called in messages and how it is started."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]


@dataclass(slots=True)
class _Child:
    member: Member
    process: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    start_again_at: float | None = None
    exit_code: int | None = None


@dataclass(slots=True)
class Supervisor:
    """Runs members until all have ended by themselves, or stop() was called.

    captured: the standard output of each member that ended with 0, when `capture` is set.
    """

    members: Sequence[Member]
    capture: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: T201
    captured: list[bytes] = field(default_factory=list)
    _stopping: bool = False
    _children: list[_Child] = field(default_factory=list)

    def run(self) -> int:
        """The worst exit code of the members."""
        self._children = [_Child(m, self._start(m), self.clock()) for m in self.members]
        try:
            while any(child.exit_code is None for child in self._children):
                for child in self._children:
                    self._look(child)
                self.sleep(LOOK_EVERY_S)
        finally:
            self._kill()
        return max(child.exit_code or 0 for child in self._children)

    def stop(self) -> None:
        """Ask all to stop; a second call makes them abort what they have in hand. For a signal handler."""
        self._stopping = True
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)

    def _look(self, child: _Child) -> None:
        if child.exit_code is not None:
            return
        if child.start_again_at is not None:
            self._start_again(child)
            return
        code = child.process.poll()
        if code is None:
            return
        self._collect(child)
        if self._stopping and code == -signal.SIGTERM:
            child.exit_code = 0  # told to stop before it could listen: it had not begun
        elif code == 0 or self._stopping:
            child.exit_code = code if code >= 0 else ExitCode.FATAL
        elif code == ExitCode.CONFIGURATION or child.restarts >= MAX_RESTARTS_IN_A_ROW:
            self.say(f"{child.member.name} ended with {code}: not started again")
            child.exit_code = code if code >= 0 else ExitCode.FATAL
            self.stop()
        else:
            self._schedule(child, code)

    def _schedule(self, child: _Child, code: int) -> None:
        healthy = self.clock() - child.started > HEALTHY_AFTER_S
        child.restarts = 0 if healthy else child.restarts + 1
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**child.restarts)
        self.say(f"{child.member.name} ended with {code}: starting it again in {wait:.1f} s")
        child.start_again_at = self.clock() + wait

    def _start_again(self, child: _Child) -> None:
        if self._stopping:
            child.exit_code = 0
        elif child.start_again_at is not None and self.clock() >= child.start_again_at:
            child.process, child.started, child.start_again_at = self._start(child.member), self.clock(), None

    def _start(self, member: Member) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            member.command, env=dict(member.environ), stdout=subprocess.PIPE if self.capture else None
        )

    def _collect(self, child: _Child) -> None:
        if child.process.stdout is not None:
            self.captured.append(child.process.stdout.read())
            child.process.stdout.close()

    def _kill(self) -> None:
        """Only when run() is left early: nobody stays behind."""
        for child in self._children:
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()
