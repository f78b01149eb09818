"""The events of a run: valid Avro where they must be, and read back from the bytes that topics hold."""

import io
import json

import fastavro
import numpy as np
import pytest

from stream.batch import Messages
from stream.chaos import events
from stream.chaos.events import Fate, Place
from stream.chaos.following import newest_ms, still_there
from stream.chaos.project import PACKAGED, Project
from stream.chaos.records import NO_ID, none, read

PREFIX = b"\x00\x00\x00\x00\x07"
READING = fastavro.parse_schema(json.loads((PACKAGED / "reading.avsc").read_text()))
SCORE = fastavro.parse_schema(json.loads((PACKAGED / "score.avsc").read_text()))
COUNT = 3000
ALL = dict(enumerate(events.pairs(0, COUNT, PREFIX)))
FATES = events.fates(np.arange(COUNT)).tolist()


def test_every_fate_and_every_place_occurs() -> None:
    assert set(FATES) == set(Fate)
    assert set(events.places(np.arange(COUNT)).tolist()) == set(Place)
    assert FATES.count(Fate.PLAIN) > 0.95 * COUNT


@pytest.mark.parametrize("number", [0, 1, 63, 64, 8191, 8192, 2**31, 2**40 + 77])
def test_a_long_is_written_as_avro_has_it(number) -> None:
    data = io.BytesIO()
    fastavro.schemaless_writer(data, "long", number)
    assert events.zigzag(number) == data.getvalue()


def test_events_are_avro_but_for_those_that_must_not_be() -> None:
    for number, (_, value) in ALL.items():
        data = io.BytesIO(value[5:])
        fate = FATES[number]
        if fate == Fate.CUT_SHORT:
            with pytest.raises(EOFError):
                fastavro.schemaless_reader(data, READING)
            continue
        assert fastavro.schemaless_reader(data, READING)["id"] == number
        assert len(data.read()) == (2 if fate == Fate.TO_SPARE else 0)


def test_ids_and_keys_of_all_events_are_read_from_their_bytes() -> None:
    found = read(Messages.of([v for _, v in ALL.values()], [k for k, _ in ALL.values()]), scored=False)
    assert found.ids.tolist() == list(range(COUNT))
    assert (found.keys == events.keys(np.arange(COUNT))).all()


def test_results_are_read_from_what_an_avro_library_wrote() -> None:
    values = []
    for number in (0, 5, 100_000, 2**33):
        data = io.BytesIO()
        fastavro.schemaless_writer(data, SCORE, {"id": number, "y": number / 3, "half": 1.0, "model": "line/1"})
        values.append(PREFIX + data.getvalue())
    found = read(Messages.of(values), scored=True)
    assert found.ids.tolist() == [0, 5, 100_000, 2**33]
    assert found.y.tolist() == [np.float32(n / 3) for n in (0, 5, 100_000, 2**33)]


@pytest.mark.parametrize("value", [b"", PREFIX, PREFIX + b"\xff", PREFIX + b"\x80" * 12, None])
def test_a_value_without_an_id_is_none_and_no_crash(value) -> None:
    found = read(Messages.of([value, PREFIX + events.zigzag(9)], [b"short", None]), scored=True)
    assert found.ids.tolist() == [NO_ID, 9]
    assert found.keys.tolist() == [-1, -1]
    assert np.isnan(found.y).all()


def test_the_newest_timestamp_of_each_partition() -> None:
    assert newest_ms(Messages.of([b"a", b"b"], timestamp_ms=77)) == {0: 77}


def test_what_is_left_in_a_tier_is_at_or_behind_the_groups_offset() -> None:
    records = read(Messages.of([ALL[n][1] for n in range(5)], [ALL[n][0] for n in range(5)]), scored=False)
    assert still_there(records, {0: 3}).ids.tolist() == [3, 4]
    assert still_there(records, {1: 3}).ids.tolist() == [0, 1, 2, 3, 4], "nothing of this partition was taken"
    assert len(still_there(none(), {0: 3})) == 0


def test_a_swapped_model_differs_and_comes_back(tmp_path) -> None:
    project = Project.copied(tmp_path / "project", "classic")
    right = project.model.read_bytes()
    project.swap_model()
    assert project.model.read_bytes() != right
    project.restore_model()
    assert project.model.read_bytes() == right
    assert project.schema_text(1) != project.schema_text(2)
