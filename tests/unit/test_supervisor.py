"""Children that end, die and are told to stop; they are real processes, the waits are not."""

import os
import sys
from pathlib import Path

import pytest

from stream.errors import ExitCode
from stream.supervisor import MAX_RESTARTS_IN_A_ROW, Member, Supervisor

WAITS = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\ntime.sleep(60)"


def member(code: str, *arguments: str) -> Member:
    return Member("worker", [sys.executable, "-c", code, *arguments], os.environ)


def supervisor(*members: Member, capture: bool = False) -> tuple[Supervisor, list[str]]:
    said: list[str] = []
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    return Supervisor(members, capture=capture, clock=clock, say=said.append), said


def test_members_that_end_with_zero_are_not_started_again_and_their_output_is_kept() -> None:
    s, said = supervisor(member("print('a')"), member("print('b')"), capture=True)
    assert s.run() == 0
    assert sorted(s.captured) == [b"a\n", b"b\n"]
    assert not said


def test_a_member_that_dies_is_started_again(tmp_path: Path) -> None:
    die_twice = (
        "import os, signal, sys\n"
        "open(sys.argv[1], 'a').write('x')\n"
        "if len(open(sys.argv[1]).read()) < 3: os.kill(os.getpid(), signal.SIGKILL)"
    )
    s, said = supervisor(member(die_twice, str(tmp_path / "starts")))
    assert s.run() == 0
    assert (tmp_path / "starts").read_text() == "xxx"
    assert len(said) == 2


def test_a_wrong_configuration_ends_the_command_and_the_other_members() -> None:
    s, said = supervisor(member("raise SystemExit(2)"), member(WAITS))
    assert s.run() == ExitCode.CONFIGURATION
    assert "not started again" in said[0]


def test_restarts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.supervisor.MAX_RESTARTS_IN_A_ROW", 2)
    s, said = supervisor(member("raise SystemExit(4)"))
    assert s.run() == ExitCode.FATAL
    assert [text.count("starting it again") for text in said] == [1, 1, 0]
    assert MAX_RESTARTS_IN_A_ROW >= 2


def test_stop_reaches_every_member() -> None:
    s, _ = supervisor(member(WAITS), member(WAITS))
    rounds = [0]

    def stop_soon(seconds: float) -> None:
        import time

        time.sleep(seconds)
        rounds[0] += 1
        if rounds[0] == 10:
            s.stop()

    s.sleep = stop_soon
    assert s.run() == 0
