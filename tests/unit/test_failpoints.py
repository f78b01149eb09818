"""Failpoints kill at the named place, the wanted time, and only when asked."""

import os
import signal

import pytest

from stream.failpoints import failpoint


def hits(setting: str, *places: str) -> list[tuple[int, int]]:
    killed: list[tuple[int, int]] = []
    hit = failpoint(setting, lambda pid, number: killed.append((pid, number)))
    for place in places:
        hit(place)
    return killed


def test_it_kills_the_process_the_third_time_it_gets_there_and_once() -> None:
    assert hits("before_commit:3", *["before_commit"] * 2, "after_commit") == []
    assert hits("before_commit:3", *["before_commit"] * 5) == [(os.getpid(), signal.SIGKILL)]


def test_it_stops_a_process_that_shall_become_a_zombie() -> None:
    assert hits("after_poll:1:stop", "after_poll") == [(os.getpid(), signal.SIGSTOP)]


def test_without_a_setting_nothing_happens() -> None:
    assert hits("", "before_commit") == []


@pytest.mark.parametrize("wrong", ["commit", "before_commit:x", "before_commit:0", "before_commit:1:pause"])
def test_a_wrong_setting_is_told_with_the_names_there_are(wrong: str) -> None:
    with pytest.raises(ValueError, match="before_commit"):
        failpoint(wrong)
