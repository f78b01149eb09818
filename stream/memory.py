"""The C library's allocator, told before the first thread starts that few threads share much here.

What one thread allocates another frees, for each event: messages that the loop reads, results that it queues. glibc
gives each thread an arena of its own; then each of them keeps what its thread once needed at most (50 MiB of a
worker), and freeing across them costs a fifth of a call to produce.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Final

ARENAS: Final = 2
"""One for the thread that started the process, one for all others."""
_M_ARENA_MAX: Final = -8
"""mallopt(3), malloc.h."""
_USERS: Final = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Who sets one of these has an allocator, or settings, of their own."""


def limit_arenas(environ: Mapping[str, str], arenas: int = ARENAS) -> bool:
    """Whether it was done: not where the user chose, and only glibc has it. Threads keep the arena they began with."""
    if any(name in environ for name in _USERS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, arenas))
