"""The process of a trial: a real one, and its parts."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.batch import Messages
from stream.quarantine.child import Job, carry_out, read_job
from stream.quarantine.memory import available_bytes
from stream.quarantine.trial import ChildProcess

MESSAGES = Messages.of([b"a", b"b", None], [b"k", None, None], first_offset=7)


def test_a_job_comes_over_a_pipe_as_it_was() -> None:
    pipe = io.BytesIO()
    Job(MESSAGES, ((0, 2), (2, 3))).dump(pipe)
    pipe.seek(0)
    job = read_job(pipe)
    assert job.ranges == ((0, 2), (2, 3))
    assert [job.messages.value(row) for row in range(3)] == [b"a", b"b", None]
    assert job.messages.origin(2) == MESSAGES.origin(2)


def test_each_range_is_told_before_and_after_and_an_exception_is_no_death() -> None:
    said, seen = [], []

    def process(part: Messages) -> None:
        seen.append([part.value(row) for row in range(len(part))])
        raise ValueError

    carry_out(Job(MESSAGES, ((0, 2), (2, 3))), process, said.append)
    assert said == ["begin 0 2", "end 0 2", "begin 2 3", "end 2 3", "done"]
    assert seen == [[b"a", b"b"], [None]]


SCRIPT = """
import sys, os, signal
from stream.quarantine.child import carry_out, read_job
lines = os.fdopen(os.dup(1), "w", buffering=1)
job = read_job(sys.stdin.buffer)
{0}
carry_out(job, process, lambda text: lines.write(text + "\\n"))
"""
FATES = {
    "def process(part): pass": "",
    "def process(part): os.kill(os.getpid(), signal.SIGSEGV)": "signal SIGSEGV",
    "def process(part): raise MemoryError": "more memory than there is",
    "def process(part): os._exit(9)": "exit status 9",
}


def started(script: str) -> ChildProcess:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    return ChildProcess.start([sys.executable, "-c", script], environ, Job(MESSAGES, ((0, 3),)))


@pytest.fixture
def children() -> Iterator[list[ChildProcess]]:
    found: list[ChildProcess] = []
    yield found
    for child in found:
        child.end()


@pytest.mark.parametrize(("process", "how"), FATES.items())
def test_how_a_process_ended_is_told(process: str, how: str, children: list[ChildProcess]) -> None:
    child = started(SCRIPT.format(process))
    children.append(child)
    child.popen.wait(30)
    assert child.ended() == how
    assert child.lines()[0] == "begin 0 3"


def test_a_process_that_reads_nothing_keeps_nobody_waiting(children: list[ChildProcess]) -> None:
    large = Messages.of([b"x" * 1_000_000])
    child = ChildProcess.start([sys.executable, "-c", "import time; time.sleep(60)"], os.environ, Job(large, ((0, 1),)))
    children.append(child)
    started_at = time.monotonic()
    assert (child.ended(), child.lines()) == (None, [])
    child.end()
    assert time.monotonic() - started_at < 10
    assert child.ended() == "signal SIGKILL"


ASLEEP = """from stream.quarantine.child import end_with_parent
end_with_parent()
def process(part):
    import time
    time.sleep(60)
"""


def test_the_process_ends_with_its_parent(children: list[ChildProcess]) -> None:
    child = started(SCRIPT.format(ASLEEP))
    children.append(child)
    assert child.popen.stdout is not None
    os.set_blocking(child.popen.stdout.fileno(), True)
    assert child.popen.stdout.readline() == b"begin 0 3\n"
    assert child.popen.stdin is not None
    child.popen.stdin.close()  # as when the parent dies
    assert child.popen.wait(30) == 1


class TestMemory:
    def files(self, root: Path, **texts: str) -> Path:
        names = {"meminfo": "proc/meminfo", "most": "sys/fs/cgroup/memory.max", "used": "sys/fs/cgroup/memory.current"}
        for name, text in texts.items():
            path = root / names[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    def test_the_limit_of_the_container_counts_where_it_is_lower(self, tmp_path: Path) -> None:
        root = self.files(
            tmp_path, meminfo="MemTotal: 9 kB\nMemAvailable:    8000 kB\n", most="3000000\n", used="1000000\n"
        )
        assert available_bytes(root) == 2_000_000

    def test_without_a_limit_the_machine_counts(self, tmp_path: Path) -> None:
        assert available_bytes(self.files(tmp_path, meminfo="MemAvailable: 8 kB\n", most="max\n", used="5")) == 8192
        assert available_bytes(tmp_path / "nowhere") is None

    def test_a_bounded_process_gets_a_memory_error_instead_of_a_kill(self, tmp_path: Path) -> None:
        root = self.files(tmp_path, meminfo=f"MemAvailable: {256 * 1024} kB\n")
        (root / "proc/self").mkdir()
        (root / "proc/self/status").write_text(Path("/proc/self/status").read_text())
        script = (
            "from pathlib import Path; from stream.quarantine.memory import bound\n"
            f"print(bound(Path({str(root)!r})))\n"
            "kept = bytearray(50 << 20)\n"
            "try:\n    bytearray(4 << 30)\nexcept MemoryError:\n    print('refused')\n"
        )
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(int(256 * 1024 * 1024 * 0.75)), "refused"]
