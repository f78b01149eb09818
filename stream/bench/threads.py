"""CPU time by thread: what is the loop's own, and what the Kafka client's."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOP: Final = "loop"
OTHERS: Final = "commit and pages"
CLIENT: Final = "Kafka client"
"""Threads of librdkafka have names that begin with rdk: (rdk:main, rdk:broker1, ...)."""
_NUMBER: Final = re.compile(r"-?\d*$")


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU seconds so far of each thread, by name, at a moment of the monotonic clock."""

    at_s: float
    cpu_s: Mapping[str, float]


def sample(pid: int, at_s: float) -> Sample | None:
    """None where the system does not tell (proc_pid_task(5)), or the process has ended."""
    spent: defaultdict[str, float] = defaultdict(float)
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            comm, seconds = _stat(task)
            spent[_name(pid, int(task.name), comm)] += seconds
        whole_s = _stat(Path(f"/proc/{pid}"))[1]
    except OSError:
        return None
    # a transaction has a thread of its own, which is gone when it has ended: only the whole still holds its time
    spent[OTHERS] = max(0.0, whole_s - sum(seconds for name, seconds in spent.items() if name != OTHERS))
    return Sample(at_s, spent)


def between(samples: Sequence[Sample], first_s: float, last_s: float) -> dict[str, float]:
    """CPU seconds of each thread from first_s to last_s, by the last samples before them; nothing without two.

    Not by those after: threads of a client that was closed are gone with their time.
    """
    within = [s for s in samples if s.at_s <= last_s]
    if len(within) < 2:
        return {}
    before = max((s for s in within if s.at_s <= first_s), key=lambda s: s.at_s, default=within[0])
    after = within[-1]
    spent = {name: after.cpu_s[name] - before.cpu_s.get(name, 0.0) for name in after.cpu_s}
    return {name: seconds for name, seconds in sorted(spent.items(), key=lambda item: -item[1]) if seconds > 0}


def _stat(folder: Path) -> tuple[str, float]:
    """Name and CPU seconds of a thread or a process."""
    head, _, tail = (folder / "stat").read_text("utf-8", errors="replace").rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _name(pid: int, thread: int, comm: str) -> str:
    if thread == pid:
        return LOOP
    return f"{CLIENT}, {_NUMBER.sub('', comm)}" if comm.startswith("rdk:") else OTHERS
