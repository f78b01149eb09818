"""Where a group would go on: held to what is there, and how many offsets that skips or reads again."""

from __future__ import annotations

import pytest

from stream.errors import ConfigurationError
from stream.kafka.connection import Connection
from stream.kafka.moving import Group, Move, Standing
from stream.kafka.tailing import Start

STANDING = Standing("t", 0, committed=40, first=10, end=100)


def target(text: str, standing: Standing = STANDING) -> Move:
    (move,) = Group(Connection({}), "g").moves([standing], Start.parse(text, "--to"))
    return move


@pytest.mark.parametrize(
    ("text", "to"),
    [("earliest", 10), ("latest", 100), ("50", 50), ("3", 10), ("1000", 100), ("-20", 80), ("-1000", 10), ("0", 10)],
)
def test_a_position_is_held_to_what_is_there(text: str, to: int) -> None:
    assert target(text).to == to


@pytest.mark.parametrize(("text", "by"), [("latest", 60), ("earliest", -30), ("40", 0)])
def test_forward_skips_and_backward_reads_again(text: str, by: int) -> None:
    assert target(text).by == by


def test_a_group_without_a_position_counts_from_the_first_event_there_is() -> None:
    fresh = Standing("t", 0, committed=None, first=10, end=100)
    assert fresh.unread == 90
    assert target("latest", fresh).by == 90
    assert target("earliest", fresh).by == 0


def test_what_was_deleted_unread_is_no_longer_unread() -> None:
    assert Standing("t", 0, committed=3, first=10, end=100).unread == 90
    assert target("earliest", Standing("t", 0, committed=3, first=10, end=100)).by == 7


def test_what_is_no_position_is_told_with_the_option_it_was_given_as() -> None:
    with pytest.raises(ConfigurationError, match="--to lates: must be earliest"):
        Start.parse("lates", "--to")
