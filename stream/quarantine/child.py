"""The process of a trial: builds the line, sends events down it range by range, and tells before and after each.

`python -m stream.quarantine.child PIPELINE` reads one job from its standard input, then nothing; when that
ends its parent is no more, and it ends too. Lines on its standard output:

    ready          the line is built
    begin I J      events I to J are in process
    end I J        it survived them
    done           and all others
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from stream.batch import Messages

MEMORY: Final = 77
"""Exit status: a range asked for more memory than there is."""
PR_SET_PDEATHSIG: Final = 1
READY, BEGIN, END, DONE = "ready", "begin", "end", "done"


class Job(NamedTuple):
    """ranges: (first, end) message rows, in the order in which they are tried. messages have no group metadata."""

    messages: Messages
    ranges: tuple[tuple[int, int], ...]

    def dump(self, to: BinaryIO) -> None:
        pickle.dump(self, to)


def read_job(source: BinaryIO) -> Job:
    """From the parent, over a pipe that nobody else has."""
    job: Job = pickle.load(source)
    return job


def carry_out(job: Job, process: Callable[[Messages], object], say: Callable[[str], None]) -> None:
    """Try the ranges. An exception is no death: the worker meets it itself, with its own consequences."""
    import numpy as np

    for first, end in job.ranges:
        keep = np.zeros(len(job.messages), np.bool_)
        keep[first:end] = True
        part = job.messages.take(keep, {})
        say(f"{BEGIN} {first} {end}")
        try:
            process(part)
        except MemoryError:
            os._exit(MEMORY)
        except Exception:
            pass
        say(f"{END} {first} {end}")
    say(DONE)


def main() -> None:
    # what a hook prints must not be taken for a line of ours
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(text: str) -> None:
        lines.write(text + "\n")

    job = read_job(sys.stdin.buffer)
    end_with_parent()
    from stream.assembly import open_pipeline
    from stream.quarantine.memory import bound

    _, pipeline = open_pipeline(Path(sys.argv[1]), os.environ)
    say(READY)
    bound()
    carry_out(job, pipeline.process, say)
    os._exit(0)  # threads of a hook are not waited for


def end_with_parent() -> None:
    """A thread sees the pipe end; on Linux the kernel helps where a hook does not let it run."""
    threading.Thread(target=_watch_pipe, daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch_pipe() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
