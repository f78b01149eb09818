"""What `stream chaos` tells a user to type for the same faults again."""

from __future__ import annotations

from dataclasses import replace

from stream.chaos.faults import Chosen, Kind
from stream.chaos.plan import Plan
from stream.cli.chaos import EVERY_S, PROTOCOL, RATE, again_command

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
