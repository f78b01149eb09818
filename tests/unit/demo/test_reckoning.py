"""The demonstration's verdict: what it must find, whatever went wrong."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stream.batch import Messages
from stream.demo import watching
from stream.demo.flights import DAMAGED_EVERY, damaged
from stream.demo.watching import Verdict, judge, why


class Topics:
    """Stands for the reader of a topic; keys by topic."""

    keys: dict[str, Sequence[bytes]] = {}  # noqa: RUF012

    def __init__(self, _connection: object, topic: str, _start: object, *, follow: bool) -> None:
        assert not follow
        self.topic = topic

    def read(self) -> list[Messages]:
        keys = list(self.keys[self.topic])
        return [Messages.of([b"v"] * len(keys), keys)]


def verdict(monkeypatch: pytest.MonkeyPatch, outputs: Sequence[bytes], dead: Sequence[bytes], events: int) -> Verdict:
    monkeypatch.setattr(watching, "Tail", Topics)
    Topics.keys = {"out": outputs, "dlq": dead}
    return judge(None, ["out", "dlq"], events)  # type: ignore[arg-type]


def test_each_event_in_exactly_one_place_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verdict(monkeypatch, [b"0", b"2"], [b"1"], 3)
    assert found.holds
    assert found.by_topic == {"out": 2, "dlq": 1}


@pytest.mark.parametrize(
    ("outputs", "dead", "wrong"),
    [
        ([b"0"], [b"1"], "lost"),
        ([b"0", b"2", b"2"], [b"1"], "duplicated"),
        ([b"0", b"2"], [b"1", b"0"], "duplicated"),
        ([b"0", b"2", b"7"], [b"1"], "unexpected"),
        ([], [], "lost"),
    ],
)
def test_anything_else_does_not(
    monkeypatch: pytest.MonkeyPatch, outputs: Sequence[bytes], dead: Sequence[bytes], wrong: str
) -> None:
    found = verdict(monkeypatch, outputs, dead, 3)
    assert not found.holds
    assert getattr(found, wrong) > 0


def test_reasons_name_the_first_expectation() -> None:
    headers = [("stream.reason", b"expectation"), ("stream.expectations", b"a,b")]
    messages = replace(Messages.of([b"v", b"w"]), headers=[headers, None])
    assert why(messages) == {"expectation: a": 1}


def test_every_thousandth_flight_is_damaged_in_turn_in_three_ways() -> None:
    value = b"0123456789"
    changed = [damaged(number, value) for number in range(3 * DAMAGED_EVERY)]
    assert [v for v in changed if v != value] == [b"01234", value + b"\x00\x01", b"flight 2007 was here"]
