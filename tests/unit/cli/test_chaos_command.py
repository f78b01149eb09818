"""What `stream chaos` says in the end, and what it tells a user to type for the same faults again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unit.chaos.test_verdict import HELD, lost

from stream.chaos.faults import Chosen, Kind
from stream.chaos.plan import Plan
from stream.cli.chaos import EVERY_S, PROTOCOL, RATE, _tell, again_command

DEFAULT = Plan(7, 120.0, Chosen(tuple(Kind), {}), [], 3, 3, RATE, PROTOCOL)


def test_the_same_faults_again_need_the_seed_alone_when_all_else_was_the_default() -> None:
    assert again_command(DEFAULT, EVERY_S) == "stream chaos --seed 7"
    without_disk = Chosen(tuple(kind for kind in Kind if kind is not Kind.DISK), {Kind.DISK: "not root"})
    assert again_command(replace(DEFAULT, chosen=without_disk), EVERY_S) == "stream chaos --seed 7", "it is as here"


def test_what_was_chosen_is_told_too_since_the_faults_follow_from_all_of_it() -> None:
    chosen = Chosen((Kind.KILL,), {Kind.BROKER_KILL: "a single one is never stopped"})
    plan = replace(DEFAULT, seconds=45.0, chosen=chosen, workers=2, brokers=1, rate=50.0, protocol="consumer")
    assert again_command(plan, 1.5) == (
        "stream chaos --seed 7 --minutes 0.75 --faults kill,broker-kill --workers 2 --brokers 1 --every 1.5 --rate 50"
        " --protocol consumer"
    )


def test_in_the_end_stands_the_verdict_and_how_much_it_proves(capsys: pytest.CaptureFixture[str]) -> None:
    _tell(DEFAULT, HELD, Path("here"), "stream chaos --seed 7")
    *_, verdict, proof, again = capsys.readouterr().out.splitlines()
    assert verdict == "HELD: 9 faults, 4,000 events, each in exactly one place, the right one."
    assert "95 % confidence: fewer than 0.075 % of events" in proof
    assert again.endswith("stream chaos --seed 7")


def test_a_broken_promise_is_told_with_the_logs_and_the_way_to_make_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _tell(DEFAULT, lost(), Path("here"), "stream chaos --seed 7")
    *_, broken, problem, where = capsys.readouterr().out.splitlines()
    assert (broken, "1 events lost" in problem) == ("BROKEN:", True)
    assert "here/logs" in where
    assert "stream chaos --seed 7" in where
