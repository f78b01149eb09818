"""Named places in the loop where a test can make the process die, as a power cut would, or stand still.

`STREAM_FAILPOINT=before_commit:3` kills the process with SIGKILL the third time it gets there;
`before_commit:3:stop` stops it (SIGSTOP) until somebody lets it go on: a zombie.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

FAILPOINTS = ("after_poll", "after_process", "mid_produce", "before_send_offsets", "before_commit", "after_commit")
_SETTING = re.compile(rf"({'|'.join(FAILPOINTS)})(?::([1-9][0-9]*))?(:stop)?")


def failpoint(setting: str, kill: Callable[[int, int], None] = os.kill) -> Callable[[str], None]:
    """The function to call at each place; an empty setting never kills. Raises ValueError for a wrong one."""
    if not setting:
        return lambda _name: None
    found = _SETTING.fullmatch(setting)
    if found is None:
        raise ValueError(f"{setting!r} is not name:count or name:count:stop; names are {', '.join(FAILPOINTS)}")
    wanted, left, number = found[1], int(found[2] or "1"), signal.SIGSTOP if found[3] else signal.SIGKILL

    def hit(name: str) -> None:
        nonlocal left
        left -= name == wanted
        if name == wanted and left == 0:
            kill(os.getpid(), number)

    return hit
