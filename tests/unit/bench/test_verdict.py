"""Each event in exactly one place: what the verdict must find, whatever went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.avro import Schema, parse_schema
from stream.batch import Messages, Outcome, Rows
from stream.bench.events import Events, read_events
from stream.bench.verdict import BY_EVENT, BY_KEY, Reckoning, Verdict, filtered_among, filtered_rows
from stream.errors import ConfigurationError


def verdict(
    events: Events, total: int, found: Sequence[bytes], filtered: int = 0, waiting: Sequence[bytes] = ()
) -> Verdict:
    reckoning = Reckoning(events, total)
    reckoning.add(Messages.of([b"v"] * len(found), list(found)))
    return reckoning.close(filtered, [Messages.of([b"v"] * len(waiting), list(waiting))] if waiting else [])


NUMBERED = Events([b"x", b"y"])
KEYED = Events([b"x", b"y", b"z"], [b"a", b"b", b"b"])


def test_each_event_once_holds() -> None:
    found = verdict(NUMBERED, 5, [b"0", b"4", b"2", b"1", b"3"])
    assert found.holds
    assert (found.check, found.found, found.events) == (BY_EVENT, 5, 5)


@pytest.mark.parametrize(
    ("found", "wrong", "number"),
    [
        ([b"0", b"1", b"3"], "lost", 1),
        ([], "lost", 4),
        ([b"0", b"1", b"2", b"3", b"1", b"1"], "doubled", 2),
        ([b"0", b"1", b"2", b"3", b"4"], "unexpected", 1),
        ([b"0", b"1", b"2", b"3", b"nobody's"], "unexpected", 1),
    ],
)
def test_anything_else_does_not(found: Sequence[bytes], wrong: str, number: int) -> None:
    said = verdict(NUMBERED, 4, found)
    assert not said.holds
    assert getattr(said, wrong) == number


def test_one_lost_and_another_doubled_do_not_make_up_for_each_other() -> None:
    said = verdict(NUMBERED, 3, [b"0", b"1", b"1"])
    assert (said.lost, said.doubled) == (1, 1)


def test_events_that_share_a_key_are_counted_by_it() -> None:
    """Rows a, b, b, twice over and one more: three times a, four times b."""
    said = verdict(KEYED, 7, [b"a"] * 3 + [b"b"] * 4)
    assert (said.holds, said.check) == (True, BY_KEY)
    assert verdict(KEYED, 7, [b"a"] * 2 + [b"b"] * 5).lost == 1
    assert verdict(KEYED, 7, [b"a"] * 2 + [b"b"] * 5).doubled == 1


def test_keys_that_are_unique_count_as_each_event_by_its_own() -> None:
    assert verdict(Events([b"x", b"y"], [b"a", None]), 2, [b"a"]).check == BY_EVENT


def test_filtered_events_are_not_lost_but_one_more_is() -> None:
    assert verdict(NUMBERED, 5, [b"0", b"1"], filtered=3).holds
    assert verdict(NUMBERED, 5, [b"0"], filtered=3).lost == 1


def test_events_that_wait_for_a_retry_are_not_lost() -> None:
    said = verdict(NUMBERED, 3, [b"0"], waiting=[b"2", b"1", b"0"])
    assert (said.lost, said.waiting) == (0, 2)
    assert verdict(NUMBERED, 3, [b"0"], waiting=[b"2"]).lost == 1


@dataclass
class Line:
    """Two outputs with conditions; drops every event whose value is of this byte."""

    dropped: bytes
    otherwise: bool = False

    @property
    def outputs(self) -> list[Any]:
        return [type("Output", (), {"when": None if self.otherwise else object()})()]

    def process(self, messages: Messages) -> Outcome:
        kept = [row for row in range(len(messages)) if messages.value(row) != self.dropped]
        rows = Rows("out", np.array(kept, np.int64), b"", np.zeros(len(kept) + 1, np.int64))
        return Outcome(messages, [rows], [], filtered=len(messages) - len(kept))


def test_which_rows_no_output_takes_is_found_by_running_the_stages() -> None:
    events = Events([b"a", b"b", b"a", b"b", b"b"])
    rows = filtered_rows(Line(b"a"), events, "in", 2)  # type: ignore[arg-type]
    assert rows.tolist() == [True, False, True, False, False]
    assert filtered_among(rows, 12) == 5


def test_a_pipeline_whose_last_output_takes_the_rest_filters_nothing() -> None:
    assert not filtered_rows(Line(b"a", otherwise=True), Events([b"a"]), "in", 2).any()  # type: ignore[arg-type]


@pytest.fixture
def schema() -> Schema:
    return parse_schema('{"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]}')


def test_rows_of_a_file_are_repeated_with_keys_of_their_own(tmp_path: Path, schema: Schema) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"n": 1}\n{"n": "no number"}\n{"n": 2}\n')
    events = read_events(file, schema, b"P")
    assert events.refused == 1
    assert list(events.pairs(1, 4)) == [(b"1", b"P\x04"), (b"2", b"P\x02"), (b"3", b"P\x04")]
    assert len(read_events(file, schema, b"P", limit=1).values) == 1


def test_keys_come_from_the_data_without_framing(tmp_path: Path, schema: Schema) -> None:
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    events = read_events(tmp_path / "rows.jsonl", schema, b"P", None, lambda data: [b"k" + d for d in data])
    assert list(events.pairs(0, 3)) == [(b"k\x02", b"P\x02"), (b"k\x04", b"P\x04"), (b"k\x02", b"P\x02")]


def test_a_file_without_an_event_is_refused(tmp_path: Path, schema: Schema) -> None:
    (tmp_path / "rows.jsonl").write_text('{"n": "no number"}\n')
    with pytest.raises(ConfigurationError, match="none of its 1 rows is an event of R"):
        read_events(tmp_path / "rows.jsonl", schema, b"P")
