import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import PoisonError, SystemicError
from stream.inference.isolation import run_in_parts


class Refusing:
    """A model that refuses some rows; its answer is the rows it was given."""

    def __init__(self, guilty: set[int]) -> None:
        self.guilty = guilty
        self.calls: list[tuple[int, int]] = []
        self.probes = 0

    def run(self, start: int, stop: int) -> list[int]:
        self.calls.append((start, stop))
        rows = list(range(start, stop))
        if self.guilty.intersection(rows):
            raise PoisonError("model_refused", "Fail")
        return rows

    def probe(self) -> None:
        self.probes += 1


@given(st.integers(0, 300), st.integers(1, 128), st.sets(st.integers(0, 299)))
def test_exactly_the_guilty_rows_are_refused_and_the_others_answered_in_order(n: int, size: int, bad: set[int]) -> None:
    model = Refusing({row for row in bad if row < n})
    parts = run_in_parts(model.run, n, size, model.probe)
    assert [refused.row for refused in parts.refused] == sorted(model.guilty)
    assert [row for answer in parts.answers for row in answer] == [r for r in range(n) if r not in model.guilty]
    assert model.probes == bool(model.guilty)
    assert len(model.calls) <= 1.25 * n + (n / size + 1) * (math.log2(size) + 1)


def test_no_row_means_no_call() -> None:
    model = Refusing(set())
    assert run_in_parts(model.run, 0, 10, model.probe).answers == []
    assert model.calls == []


def test_one_guilty_row_costs_two_calls_a_halving() -> None:
    model = Refusing({2500})
    run_in_parts(model.run, 4096, 4096, model.probe)
    assert len(model.calls) == 1 + 2 * 12


def test_a_batch_of_which_every_row_is_refused_ends_after_a_bounded_number_of_calls() -> None:
    model = Refusing(set(range(4096)))
    parts = run_in_parts(model.run, 4096, 4096, model.probe)
    assert len(parts.refused) == 4096
    assert len(model.calls) <= 1.25 * 4096 + 14


def test_calls_never_hold_more_rows_than_allowed() -> None:
    model = Refusing({7})
    run_in_parts(model.run, 100, 16, model.probe)
    assert max(stop - start for start, stop in model.calls) == 16


def test_a_probe_that_fails_stops_the_search() -> None:
    def broken() -> None:
        raise SystemicError("model", "its golden row is refused")

    model = Refusing({3})
    with pytest.raises(SystemicError):
        run_in_parts(model.run, 8, 8, broken)
    assert len(model.calls) == 1


def test_an_error_that_is_not_the_rows_goes_through() -> None:
    def defect(start: int, stop: int) -> None:
        raise ZeroDivisionError

    nothing: Callable[[], None] = lambda: None  # noqa: E731
    with pytest.raises(ZeroDivisionError):
        run_in_parts(defect, 8, 8, nothing)
