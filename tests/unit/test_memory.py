"""The allocator is told once, where it can be, and never against the user."""

import platform
import subprocess
import sys

import pytest

from stream.memory import limit_arenas

SCRIPT = """
import ctypes, sys, threading
from stream.memory import limit_arenas
assert limit_arenas({}, 1)
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
threads = [threading.Thread(target=lambda: ctypes.create_string_buffer(64)) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD"])
def test_a_user_who_chose_an_allocator_keeps_it(name: str) -> None:
    assert not limit_arenas({name: "4"})


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_all_threads_share_the_arenas_there_are() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.count("<heap nr=") == 1
