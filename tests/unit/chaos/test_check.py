"""The checker sees each way in which a run can go wrong, and nothing in one that went right."""

import numpy as np
import pytest
from unit.chaos.finding import found, records, source, with_again, without

from stream.chaos.check import check, same
from stream.chaos.events import Fate, Place, fates
from stream.chaos.records import joined, none

COUNT = 2000


def wrong(places, origin=None) -> dict[str, tuple[int, ...]]:
    findings = check(origin if origin is not None else source(COUNT), places)
    return {name: finding.ids for name, finding in findings.wrong.items()}


def test_a_run_that_went_right_has_no_findings() -> None:
    findings = check(source(COUNT), found(COUNT))
    assert findings.wrong == {}
    assert findings.events == COUNT == sum(findings.by_place.values())
    assert min(findings.by_place.values()) > 0, "every place is used"


@pytest.mark.parametrize("place", list(Place))
def test_an_event_that_is_nowhere_is_lost(place) -> None:
    places = found(COUNT)
    missing = int(places[place].ids[1])
    places[place] = without(places[place], 1)
    assert wrong(places) == {"lost": (missing,)}


@pytest.mark.parametrize("place", list(Place))
def test_an_event_that_is_twice_in_a_place_is_doubled(place) -> None:
    places = found(COUNT)
    twice = int(places[place].ids[0])
    places[place] = with_again(places[place], 0)
    assert wrong(places)["doubled"] == (twice,)


@pytest.mark.parametrize("second", [Place.LOW, Place.DEAD, Place.WAITING])
def test_an_event_in_two_places_is_found_though_each_has_it_once(second) -> None:
    places = found(COUNT)
    number = int(places[Place.HIGH].ids[7])
    places[second] = joined([places[second], records(np.array([number]), scored=True)])
    assert wrong(places)["in_two_places"] == (number,)


def test_one_that_waits_and_is_lost_by_it_is_no_excuse_for_another() -> None:
    places = found(COUNT)
    places[Place.WAITING] = none()
    assert wrong(places)["lost"] == (277, 1277)


def test_an_event_that_nobody_sent_is_unexpected() -> None:
    places = found(COUNT)
    places[Place.DEAD] = joined([places[Place.DEAD], records(np.array([COUNT + 5, -1]))])
    assert wrong(places)["unexpected"] == (-1, COUNT + 5)


def test_an_event_in_the_wrong_place_is_misplaced_though_it_is_there_once() -> None:
    places = found(COUNT)
    ids = places[Place.DEAD].ids[:2]
    places[Place.DEAD] = places[Place.DEAD].take(np.arange(len(places[Place.DEAD])) >= 2)
    places[Place.LOW] = joined([places[Place.LOW], records(ids, scored=True)])
    assert wrong(places)["misplaced"] == tuple(ids.tolist())


def test_a_result_that_is_not_the_models_is_wrong() -> None:
    places = found(COUNT)
    places[Place.HIGH].y[3] += 1
    places[Place.LOW].y[4] = np.nan
    assert set(wrong(places)["wrong_result"]) == {int(places[Place.HIGH].ids[3]), int(places[Place.LOW].ids[4])}


def test_two_events_of_a_key_that_changed_places_are_out_of_order() -> None:
    places = found(COUNT)
    high = places[Place.HIGH]
    plain = fates(high.ids) == Fate.PLAIN
    pair = np.flatnonzero(plain & (high.keys == high.keys[plain][0]))[:2]
    high.offsets[pair] = high.offsets[pair[::-1]]
    assert wrong(places) == {"out_of_order": (int(high.ids[pair[0]]),)}


def test_an_event_that_was_tried_again_may_be_overtaken() -> None:
    places = found(COUNT)
    high = places[Place.HIGH]
    again = np.flatnonzero(fates(high.ids) == Fate.LATER)
    assert len(again) > 0
    high.offsets[again] += COUNT
    assert wrong(places) == {}


def test_another_partition_or_key_than_in_the_input_is_moved() -> None:
    places = found(COUNT)
    places[Place.LOW].partitions[5] = (places[Place.LOW].partitions[5] + 1) % 6
    places[Place.DEAD].keys[2] += 1
    assert set(wrong(places)["moved"]) == {int(places[Place.LOW].ids[5]), int(places[Place.DEAD].ids[2])}


def test_an_event_that_its_producer_sent_twice_must_be_found_twice() -> None:
    origin = with_again(source(COUNT), 3)
    assert wrong(found(COUNT), origin) == {"lost": (3,)}, "one of the two"
    places = found(COUNT)
    place = next(p for p, records in places.items() if 3 in records.ids)
    places[place] = with_again(places[place], int(np.flatnonzero(places[place].ids == 3)[0]))
    findings = check(origin, places)
    assert findings.wrong == {}
    assert findings.input_doubled.ids == (3,)
    places[place] = with_again(places[place], int(np.flatnonzero(places[place].ids == 3)[0]))
    assert wrong(places, origin) == {"doubled": (3,)}, "not three times"


def test_findings_count_all_and_name_a_few() -> None:
    places = found(COUNT)
    places[Place.HIGH] = none()
    lost = check(source(COUNT), places).lost
    assert lost.count > 500
    assert len(lost.ids) == 5


def test_nothing_at_all_is_no_finding_here_and_no_crash() -> None:
    findings = check(none(), {place: none() for place in Place})
    assert (findings.events, findings.wrong) == (0, {})


def test_two_readers_agree_whatever_the_order_in_which_they_saw() -> None:
    one = source(50)
    shuffled = one.take(np.random.default_rng(1).permutation(50))
    assert same(one, shuffled)
    assert not same(one, without(shuffled, 9))
    assert not same(one, joined([without(one, 9), records(np.array([9 + 211]))])), "another event in its stead"
