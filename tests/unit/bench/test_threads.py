"""CPU time by thread, between two moments."""

import os
import sys

import pytest

from stream.bench.threads import CLIENT, LOOP, OTHERS, Sample, _name, between, sample

SAMPLES = [
    Sample(1.0, {LOOP: 5.0}),
    Sample(2.0, {LOOP: 6.0, OTHERS: 0.5}),
    Sample(3.0, {LOOP: 6.5, OTHERS: 2.5, f"{CLIENT}, rdk:main": 0.0}),
    Sample(4.0, {LOOP: 9.0, OTHERS: 3.0}),
]


def test_what_was_spent_between_two_moments_is_told_by_the_samples_before_them() -> None:
    assert between(SAMPLES, 2.1, 3.9) == {OTHERS: 2.0, LOOP: 0.5}
    assert between(SAMPLES, 0.0, 9.0) == {LOOP: 4.0, OTHERS: 3.0}


def test_one_sample_says_nothing() -> None:
    assert between(SAMPLES[:1], 0.0, 9.0) == {}


@pytest.mark.parametrize(
    ("thread", "comm", "name"),
    [
        (7, "python", LOOP),
        (8, "python", OTHERS),
        (8, "rdk:broker1", f"{CLIENT}, rdk:broker"),
        (8, "rdk:broker-1", f"{CLIENT}, rdk:broker"),
        (8, "rdk:main", f"{CLIENT}, rdk:main"),
    ],
)
def test_threads_have_names_that_say_whose_they_are(thread: int, comm: str, name: str) -> None:
    assert _name(7, thread, comm) == name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_this_process_has_a_loop_and_an_ended_one_nothing() -> None:
    found = sample(os.getpid(), 1.0)
    assert found is not None
    assert found.cpu_s[LOOP] > 0
    assert sample(2**22 + 1, 1.0) is None, "above the largest process id"
