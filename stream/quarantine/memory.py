"""How much memory is left, and a bound below it: a process that asks for more dies alone.

Without the bound the kernel would choose whom to kill, and in a container with a limit it kills all.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Final

SHARE: Final = 0.75
"""Of what is left, for the process of a trial."""
LEAST_BYTES: Final = 128 * 1024 * 1024
_PAIRS: Final = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""(limit, usage) of the container: cgroups of version 2 and 1."""


def available_bytes(root: Path = Path("/")) -> int | None:
    """What this machine, or the container's limit, leaves; None where neither says so."""
    return min(_left(root), default=None)


def bound(root: Path = Path("/")) -> int | None:
    """Let this process have SHARE of what is left, and no more; gives that in bytes, None for no bound.

    RLIMIT_DATA counts private memory that can be written to, and not what is only reserved.
    """
    available, used = available_bytes(root), _number(root / "proc/self/status", r"VmData:\s*(\d+) kB")
    if available is None or used is None:
        return None
    room = max(LEAST_BYTES, int(available * SHARE))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = used * 1024 + room
    resource.setrlimit(resource.RLIMIT_DATA, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    return room


def _left(root: Path) -> Iterable[int]:
    machine = _number(root / "proc/meminfo", r"MemAvailable:\s*(\d+) kB")
    if machine is not None:
        yield machine * 1024
    for limit, usage in _PAIRS:
        most, used = _number(root / limit, r"(\d+)"), _number(root / usage, r"(\d+)")
        if most is not None and used is not None:
            yield max(0, most - used)


def _number(path: Path, pattern: str) -> int | None:
    """The first number of this pattern; None where there is no such file, or it says "max"."""
    try:
        found = re.search(pattern, path.read_text())
    except OSError:
        return None
    return int(found[1]) if found else None
