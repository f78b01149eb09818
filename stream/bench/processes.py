"""Worker processes of a measurement: started, watched by their log, killed, and what they used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stream.bench.threads import Sample, sample
from stream.errors import FatalError
from stream.log_file import LogFile

LOOK_EVERY_S: Final = 0.05
STOP_WITHIN_S: Final = 30.0
MAX_SAMPLES: Final = 100_000
TAIL_LINES: Final = 15
MAXRSS_UNIT: Final = 1 if os.uname().sysname == "Darwin" else 1024
"""Bytes of one unit of ru_maxrss (getrusage(2))."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time of a process and of those it waited for, and the peak resident size of the largest of them.

    Linux lets a child's ru_maxrss begin with the size of the process that started it, so where /proc tells the
    size (VmHWM, proc_pid_status(5)) that is taken, as last seen before the end.
    """

    cpu_s: float
    peak_rss_bytes: int


@dataclass(slots=True)
class Process:
    """A command with its standard output and its log in files of their own. clock and sleep in seconds."""

    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    code: int | None = None
    """The exit status once it has ended, negative for a signal."""
    usage: Usage | None = None
    started_s: float = 0.0
    ended_s: float = 0.0
    _popen: subprocess.Popen[bytes] = field(init=False)
    _lines: LogFile = field(init=False)
    _peak_bytes: int = 0
    samples: list[Sample] = field(default_factory=list)
    """CPU time by thread, at most MAX_SAMPLES of them; each is of a moment when ended() was asked."""
    _committed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lines = LogFile(self.log)
        with self.log.open("wb") as errors, self.output.open("wb") as output:
            self.started_s = self.clock()
            self._popen = subprocess.Popen(
                list(self.command),
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def output(self) -> Path:
        return self.log.with_suffix(".out")

    def ended(self) -> bool:
        """Whether it has ended; its status and usage are known then."""
        if self.code is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.ended_s = self.clock()
                self.code = self._popen.returncode = os.waitstatus_to_exitcode(status)
                peak = self._peak_bytes or used.ru_maxrss * MAXRSS_UNIT
                self.usage = Usage(used.ru_utime + used.ru_stime, peak)
            else:
                self._peak_bytes = max(self._peak_bytes, *map(_peak_bytes, (self.pid, *_children(self.pid))))
                self._sample()
        return self.code is not None

    def _sample(self) -> None:
        if len(self.samples) < MAX_SAMPLES and (found := sample(self.pid, self.clock())):
            self.samples.append(found)

    def wait(self, within_s: float) -> bool:
        """Whether it has ended after at most within_s."""
        deadline = self.clock() + within_s
        while not self.ended() and self.clock() < deadline:
            self.sleep(LOOK_EVERY_S)
        return self.ended()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            self.wait(STOP_WITHIN_S)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes too long."""
        if not self.ended():
            os.kill(self.pid, signal.SIGTERM)
            if not self.wait(STOP_WITHIN_S):
                self.kill()

    def check(self) -> None:
        """Raises FatalError, with the last lines of its log, when it has ended."""
        if self.ended():
            raise FatalError(f"the worker ended with {self.code}; its last lines:\n{self.tail()}")

    def told(self) -> dict[str, Any]:
        """The last line of its standard output, which is JSON. Raises FatalError when it is not."""
        try:
            facts: dict[str, Any] = json.loads(self.output.read_text("utf-8").splitlines()[-1])
        except (ValueError, IndexError) as error:
            raise FatalError(f"the worker told nothing in the end; its last lines:\n{self.tail()}") from error
        return facts

    def tail(self) -> str:
        return self._lines.tail(TAIL_LINES)

    def committed(self) -> Counter[str]:
        """`events` and `filtered` of the batches that the log says are committed so far; only what is new is read."""
        for line in _parsed(self._lines.new_lines()):
            if line.get("message") == "committed":
                self._committed.update({name: int(line[name]) for name in ("events", "filtered")})
        return self._committed

    def logged(self, message: str) -> dict[str, Any] | None:
        """The first line with this message, None while there is none."""
        lines = _parsed(self.log.read_bytes().rpartition(b"\n")[0].splitlines())
        return next((line for line in lines if line.get("message") == message), None)

    def cpu_s(self) -> float | None:
        """CPU time so far, of the process alone, where the system tells it (proc_pid_stat(5), to 10 ms)."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    """Processes that it started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except OSError:
        return []


def _peak_bytes(pid: int) -> int:
    """0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def _parsed(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The lines that are JSON objects; a traceback, for example, is not."""
    found = []
    for line in lines:
        try:
            parsed = json.loads(line)
        except ValueError:
            continue
        if isinstance(parsed, dict):
            found.append(parsed)
    return found
