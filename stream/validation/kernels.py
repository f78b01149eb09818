"""Compiled checks of numbers, dates and times, and of nulls: each returns the rows that do not meet it.

Every kernel gives GX's verdict (its pandas engine) bit for bit; the combinations for which that is proven are
in `rules.py`. None instead of a mask means that every row meets the expectation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.arrow import Bools
from stream.validation.columns import Column, Columns

Kernel = Callable[[Columns], Bools | None]

FEW_MEMBERS: Final = 8
"""Up to so many members of a set are compared one by one, which is faster than a search."""

_INT64: Final = np.iinfo(np.int64)


class Compiled(NamedTuple):
    """A check and what a person should know of it."""

    kernel: Kernel
    notes: tuple[str, ...] = ()


def not_null(path: str) -> Kernel:
    return lambda columns: columns[path].absent()


def null(path: str) -> Kernel:
    def check(columns: Columns) -> Bools:
        absent = columns[path].absent()
        return np.ones(len(columns), np.bool_) if absent is None else ~absent

    return check


class Range(NamedTuple):
    """Bounds; strict: the bound itself is outside. None: no bound on that side."""

    low: Any
    high: Any
    strict_low: bool
    strict_high: bool

    def outside(self, values: npt.NDArray[np.generic]) -> Bools:
        """Values outside; NaN is not."""
        below = operator.le if self.strict_low else operator.lt
        above = operator.ge if self.strict_high else operator.gt
        if self.low is None:
            return np.asarray(above(values, self.high))
        outside = np.asarray(below(values, self.low))
        return outside if self.high is None else outside | above(values, self.high)

    def of_integers(self, scale: int = 1, per: int = 1) -> Range:
        """The same range for whole numbers of another unit: a bound b becomes b * scale / per, exactly."""
        low, high = self.low, self.high
        if low is not None:
            low = _exact(low) * scale
            low = math.floor(low / per) + 1 if self.strict_low else math.ceil(low / per)
        if high is not None:
            high = _exact(high) * scale
            high = math.ceil(high / per) - 1 if self.strict_high else math.floor(high / per)
        return Range(low, high, False, False)


def between_floats(path: str, range_: Range) -> Kernel:
    """Bounds are 64-bit floats, also beside 32-bit values: numpy must not narrow them."""
    bounds = Range(
        None if range_.low is None else np.float64(range_.low),
        None if range_.high is None else np.float64(range_.high),
        range_.strict_low,
        range_.strict_high,
    )
    return lambda columns: settle(columns[path], bounds.outside(columns[path].numbers()))


def between_integers(path: str, range_: Range) -> Kernel:
    """A range of whole numbers; a bound beyond 64 bits lies beyond every value."""
    low, high = range_.low, range_.high
    if (low is not None and low > _INT64.max) or (high is not None and high < _INT64.min):
        return lambda columns: settle(columns[path], np.ones(len(columns), np.bool_))
    low = None if low is None or low <= _INT64.min else np.int64(low)
    high = None if high is None or high >= _INT64.max else np.int64(high)
    if low is None and high is None:
        return lambda columns: None
    bounds = Range(low, high, False, False)
    return lambda columns: settle(columns[path], bounds.outside(columns[path].numbers()))


def in_numbers(path: str, members: Sequence[Any], dtype: npt.DTypeLike, negate: bool) -> Kernel:
    """Membership of numbers or booleans; dtype is the one both sides are compared in. -0.0 equals 0.0."""
    wanted = np.unique(np.array(members, dtype))

    def check(columns: Columns) -> Bools | None:
        values = columns[path].numbers().astype(dtype, copy=False)
        found = _is_one_of(values, wanted)
        return settle(columns[path], found if negate else ~found)

    return check


def compare_pair(a: str, b: str, meets: Callable[[Any, Any], Any], ignore: str) -> Kernel:
    """Two columns of the same kind; a row with one value absent does not meet any comparison.

    ignore: which rows count for nothing ("both_values_are_missing", "either_value_is_missing", "neither").
    """

    def check(columns: Columns) -> Bools | None:
        misses = ~np.asarray(meets(columns[a].numbers(), columns[b].numbers()))
        return settle_pair(misses, columns[a].absent(), columns[b].absent(), ignore)

    return check


def settle_pair(misses: Bools, absent_a: Bools | None, absent_b: Bools | None, ignore: str) -> Bools:
    """Rows that miss a comparison, given the verdict on the values and which of them are absent."""
    if absent_a is None and absent_b is None:
        return misses
    none = np.zeros(len(misses), np.bool_)
    a = none if absent_a is None else absent_a
    b = none if absent_b is None else absent_b
    if ignore == "either_value_is_missing":
        return misses & ~(a | b)
    misses = misses | a | b
    return misses & ~(a & b) if ignore == "both_values_are_missing" else misses


def sum_equals(paths: Sequence[str], total: float, ignore: str) -> Kernel:
    """Sum of 64-bit floats from left to right, compared exactly; an absent value makes the sum absent.

    ignore: "all_values_are_missing", "any_value_is_missing", "never".
    """

    def check(columns: Columns) -> Bools:
        with np.errstate(over="ignore", invalid="ignore"):
            values = [_with_nan(columns[path]) for path in paths]
            misses = np.asarray(sum(values[1:], values[0]) != total)
        if ignore == "never":
            return misses
        reduce = np.logical_and.reduce if ignore == "all_values_are_missing" else np.logical_or.reduce
        ignored: Bools = reduce([np.isnan(v) for v in values])
        return misses & ~ignored

    return check


def settle(column: Column, misses: Bools) -> Bools | None:
    """Without the rows that hold no value: they never miss."""
    if not misses.any():
        return None
    absent = column.absent()
    return misses if absent is None else misses & ~absent


def _is_one_of(values: npt.NDArray[np.generic], members: npt.NDArray[np.generic]) -> Bools:
    if len(members) > FEW_MEMBERS:
        return np.isin(values, members)
    found = np.zeros(len(values), np.bool_)
    for member in members:
        found |= values == member
    return found


def _with_nan(column: Column) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = column.numbers().astype(np.float64, copy=False)
    absent = column.absent()
    return values if absent is None else np.where(absent, np.nan, values)


def _exact(value: float) -> Any:
    from fractions import Fraction

    return Fraction(value)
