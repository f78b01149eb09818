"""Named places in the loop where a test can make the process die, as a power cut would.

`STREAM_FAILPOINT=before_commit:3` kills the process with SIGKILL the third time it gets there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

FAILPOINTS = ("after_poll", "after_process", "mid_produce", "before_send_offsets", "before_commit", "after_commit")


def failpoint(setting: str, kill: Callable[[int, int], None] = os.kill) -> Callable[[str], None]:
    """The function to call at each place; an empty setting never kills. Raises ValueError for a wrong one."""
    if not setting:
        return lambda _name: None
    wanted, _, count = setting.partition(":")
    if wanted not in FAILPOINTS or not (count or "1").isdigit():
        raise ValueError(f"{setting!r} is not name:count; names are {', '.join(FAILPOINTS)}")
    left = int(count or "1")

    def hit(name: str) -> None:
        nonlocal left
        left -= name == wanted
        if name == wanted and left == 0:
            kill(os.getpid(), signal.SIGKILL)

    return hit
