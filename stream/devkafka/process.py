"""Processes that outlive the command that started them, and are still never taken for another.

A pid alone is not an identity: after a process has ended, or the machine was started again, the number
belongs to somebody else. So a pid is kept together with the time its process started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KILL_TIMEOUT_S: Final = 10.0
POLL_INTERVAL_S: Final = 0.02
SHUTDOWN: Final = signal.SIGTERM
KILL: Final = signal.SIGKILL
DEFAULT_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)
"""Given back their default action in what we start, whatever our own parent has set."""


@dataclass(frozen=True, slots=True)
class Process:
    """pid, and when it started in the words of the operating system (opaque, compared only)."""

    pid: int
    started: str


def spawn(command: Sequence[str], output: Path, environ: Mapping[str, str]) -> Process:
    """Start a command in a session of its own, so that Ctrl-C in our terminal does not reach it.

    stdout and stderr are appended to the file `output`. No handle of it is kept here: the process is
    meant to go on after this one has ended. Raises OSError when the command cannot be started.
    """
    null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    out = (os.POSIX_SPAWN_OPEN, 1, str(output), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    err = (os.POSIX_SPAWN_DUP2, 1, 2)
    pid = os.posix_spawn(
        command[0],
        list(command),
        dict(environ),
        file_actions=[null, out, err],
        setsid=True,
        setsigmask=(),
        setsigdef=DEFAULT_SIGNALS,
    )
    _, started = _status(pid) or ("", "")
    return Process(pid, started)


def is_alive(process: Process) -> bool:
    """Whether this very process runs; an ended one that nobody has waited for yet does not."""
    status = _status(process.pid)
    if status is None or status[1] != process.started:
        return False
    if status[0] in ("Z", "X"):
        _reap(process.pid)
        return False
    return True


def send(process: Process, number: signal.Signals) -> bool:
    """Signal the process if it is still the one that was started; False when it is gone."""
    if not is_alive(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def end(
    processes: Iterable[Process],
    grace_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Process]:
    """SIGTERM to all, SIGKILL to those still there after grace_s. Returns those that had to be killed.

    Raises TimeoutError if one survives even that for KILL_TIMEOUT_S.
    """
    told = [process for process in processes if send(process, SHUTDOWN)]
    late = await_end(told, grace_s, clock=clock, sleep=sleep)
    kill(late, clock=clock, sleep=sleep)
    return late


def kill(
    processes: Iterable[Process],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """SIGKILL to all, and wait until they are gone. Raises TimeoutError."""
    told = [process for process in processes if send(process, KILL)]
    if left := await_end(told, KILL_TIMEOUT_S, clock=clock, sleep=sleep):
        raise TimeoutError(f"still there {KILL_TIMEOUT_S:.0f} s after SIGKILL: {[p.pid for p in left]}")


def await_end(
    processes: Sequence[Process],
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Process]:
    """Those of the processes that are still alive after at most timeout_s."""
    deadline = clock() + timeout_s
    while (alive := [p for p in processes if is_alive(p)]) and clock() < deadline:
        sleep(POLL_INTERVAL_S)
    return alive


def resident_bytes(process: Process) -> int | None:
    """Resident set size, where the operating system tells it in /proc."""
    try:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _reap(pid: int) -> None:
    """Take the exit status of an ended child, else it stays behind as a zombie; others' children are theirs."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _status(pid: int) -> tuple[str, str] | None:
    """State letter and start of a process, None when there is no such process."""
    return _status_proc(pid) if sys.platform == "linux" else _status_ps(pid)


def _status_proc(pid: int) -> tuple[str, str] | None:
    """proc_pid_stat(5): the name in parentheses may hold anything; after it field 3 is state, 22 starttime."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], f"{boot}/{fields[19]}"


def _status_ps(pid: int) -> tuple[str, str] | None:
    ps = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = ps.stdout.strip().partition(" ")
    return (state[0], started.strip()) if state else None
