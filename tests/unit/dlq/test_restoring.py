"""A dead letter back to its event."""

from dataclasses import replace

import pytest

from stream.batch import ANY_PARTITION, Messages, Origin, Record
from stream.dlq.columns import Letters
from stream.dlq.restoring import Input, Restorer, Stays

INPUTS = {"in": Input(partitions=4, max_bytes=1000)}


def letter(value: bytes | None = b"v", key: bytes | None = b"k", **headers: bytes | None) -> Letters:
    """headers: of the product, without prefix; None leaves one out."""
    given = {"topic": b"in", "partition": b"2", "offset": b"9", "pipeline": b"p", "reason": b"r", **headers}
    prefix = {"topic": "__streams.errors.", "partition": "__streams.errors.", "offset": "__streams.errors."}
    found = [(prefix.get(name, "stream.") + name, held) for name, held in given.items() if held is not None]
    messages = Messages.of([value], [key], topic="p.dlq", timestamp_ms=5000)
    return Letters.of(replace(messages, headers=[[("own", b"1"), *found]]))


def test_an_event_is_as_it_was() -> None:
    assert Restorer("p", INPUTS).restore(letter(), 0) == Record(
        "in", b"k", b"v", [("own", b"1"), ("stream.replays", b"1")], 5000, 2
    )


def test_the_counter_rises_and_the_events_own_timestamp_goes_before_that_of_the_record() -> None:
    found = Restorer("p", INPUTS).restore(letter(replays=b"1", timestamp=b"77"), 0)
    assert isinstance(found, Record)
    assert (found.headers[-1], found.timestamp) == (("stream.replays", b"2"), 77)


def test_a_null_key_and_a_null_value_stay_null() -> None:
    found = Restorer("p", INPUTS).restore(letter(value=None, key=None), 0)
    assert isinstance(found, Record)
    assert (found.key, found.value) == (None, None)


def test_a_partition_that_is_not_there_any_more_is_left_to_the_key() -> None:
    found = Restorer("p", INPUTS).restore(letter(partition=b"4"), 0)
    assert isinstance(found, Record)
    assert found.partition == ANY_PARTITION


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"topic": b"elsewhere"}, Stays.NOT_AN_INPUT),
        ({"pipeline": b"q"}, Stays.OF_ANOTHER),
        ({"offset": None}, Stays.NO_ORIGIN),
        ({"replays": b"3"}, Stays.PARKED),
        ({"topic": b"elsewhere", "replays": b"3"}, Stays.NOT_AN_INPUT),
    ],
)
def test_it_stays_and_says_why(headers: dict[str, bytes | None], why: Stays) -> None:
    assert Restorer("p", INPUTS).restore(letter(**headers), 0) is why


def test_more_replays_may_be_allowed() -> None:
    assert isinstance(Restorer("p", INPUTS, max_replays=4).restore(letter(replays=b"3"), 0), Record)


def test_what_does_not_fit_into_its_topic_stays_and_costs_no_other() -> None:
    assert Restorer("p", INPUTS).restore(letter(value=b"v" * 1000), 0) is Stays.TOO_LARGE


class TestPointers:
    def original(self, key: bytes = b"k", stamp: int = 5000) -> Messages:
        messages = Messages.of([b"large"], [key], topic="in", timestamp_ms=stamp, first_offset=9)
        return replace(messages, headers=[[("own", b"all of it")]])

    def restore(self, found: Messages | None) -> Record | Stays:
        asked = []

        def fetch(origin: Origin) -> Messages | None:
            asked.append(origin)
            return found

        restored = Restorer("p", INPUTS, fetch=fetch).restore(letter(value=None, pointer=b"true"), 0)
        assert asked == [Origin("in", 2, 9)]
        return restored

    def test_the_event_is_read_at_its_origin(self) -> None:
        found = self.restore(self.original())
        assert isinstance(found, Record)
        assert (found.value, found.headers) == (b"large", [("own", b"all of it"), ("stream.replays", b"1")])

    def test_one_that_is_gone_or_replaced_by_another_stays(self) -> None:
        assert self.restore(None) is Stays.GONE
        assert self.restore(self.original(key=b"another")) is Stays.GONE
        assert self.restore(self.original(stamp=5001)) is Stays.GONE

    def test_a_dry_run_reads_nothing(self) -> None:
        assert isinstance(Restorer("p", INPUTS).restore(letter(value=None, pointer=b"true"), 0), Record)
