"""Failures held as groups read as the list of them would."""

import numpy as np
import pytest

from stream.batch import Failure, FailureClass, FailureGroup, Failures, failures_of, grouped

POISON = FailureClass.POISON
BAD = FailureGroup(np.array([2, 7]), "validate", POISON, "expectation", "1 of 2", {"suite": "s"})
WORSE = FailureGroup(np.array([0, 5]), "decode", POISON, "truncated")
LISTED = [
    Failure(0, "decode", POISON, "truncated"),
    Failure(2, "validate", POISON, "expectation", "1 of 2", {"suite": "s"}),
    Failure(5, "decode", POISON, "truncated"),
    Failure(7, "validate", POISON, "expectation", "1 of 2", {"suite": "s"}),
]


def test_they_are_a_sequence_by_row() -> None:
    failures = Failures([BAD, WORSE])
    assert len(failures) == 4
    assert list(failures) == LISTED
    assert failures == LISTED
    assert failures != LISTED[:3]
    assert [failures[i] for i in (0, 1, -1)] == [LISTED[0], LISTED[1], LISTED[3]]
    with pytest.raises(IndexError):
        failures[4]


def test_none_are_an_empty_sequence() -> None:
    assert Failures() == []
    assert [array.tolist() for array in Failures().places()] == [[], []]
    assert not Failures().count(lambda group: group.stage)


def test_a_list_becomes_groups_and_groups_stay_as_they_are() -> None:
    failures = grouped(LISTED[::-1])
    assert failures == LISTED
    assert sorted(group.rows.tolist() for group in failures.groups) == [[0, 5], [2, 7]]
    assert grouped(failures) is failures


def test_what_differs_in_anything_but_the_row_is_another_group() -> None:
    first = Failure(0, "infer", POISON, "model", "x", {"model": "m/1"})
    kinds = [
        first,
        Failure(1, "infer-2", POISON, "model", "x", {"model": "m/1"}),
        Failure(2, "infer", FailureClass.TRANSIENT, "model", "x", {"model": "m/1"}),
        Failure(3, "infer", POISON, "null", "x", {"model": "m/1"}),
        Failure(4, "infer", POISON, "model", "y", {"model": "m/1"}),
        Failure(5, "infer", POISON, "model", "x", {"model": "m/2"}),
        Failure(6, "infer", POISON, "model", "x"),
    ]
    assert len(grouped(kinds).groups) == 7
    assert grouped(kinds) == kinds


def test_they_are_counted_by_any_key() -> None:
    assert Failures([BAD, WORSE, *grouped(failures_of([9], "decode", "trailing_bytes")).groups]).count(
        lambda group: group.stage
    ) == {"validate": 2, "decode": 3}


def test_some_rows_are_split_off() -> None:
    some, others = Failures([BAD, WORSE]).split(frozenset({7, 0, 3}))
    assert [f.row for f in some] == [0, 7]
    assert [f.row for f in others] == [2, 5]
    none, everything = Failures([BAD]).split(frozenset())
    assert none == []
    assert everything == [LISTED[1], LISTED[3]]
    assert Failures([BAD]).split({2, 7})[1].groups == []
