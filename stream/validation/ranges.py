"""Ranges as compiled checks: bounds of numbers, timestamps and dates, brought to the unit of the column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from stream.validation import kernels
from stream.validation.arguments import to_date, to_moment
from stream.validation.kernels import Compiled, Range
from stream.validation.kinds import ColumnKind, kind_of
from stream.validation.suite import Expectation

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()

EXACT_IN_FLOAT: Final = 2**53
"""Whole numbers below this are exact as 64-bit floats."""


def between(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    range_ = range_of(expectation)
    match kind_of(field.type):
        case ColumnKind.TIMESTAMP:
            return _between_moments(expectation, field, range_)
        case ColumnKind.DATE:
            return _between_dates(expectation, field, range_)
        case ColumnKind.TEXT:
            raise expectation.mistake(f"'{field.name}' is text, which has no order in Great Expectations", "column")
        case ColumnKind.INTEGER | ColumnKind.FLOAT as kind:
            bounds = _numbers(expectation, field, range_)
            return _between_numbers(field, kind, bounds)
        case _:
            return f"a range of {field.type} is not compiled"


def _between_numbers(field: pa.Field, kind: ColumnKind, bounds: Range) -> Compiled | str:
    if kind is ColumnKind.FLOAT:
        return Compiled(kernels.between_floats(field.name, bounds))
    if pa.types.is_uint64(field.type):
        return "a range of uint64 is not compiled"
    beyond = any(bound is not None and abs(bound) >= EXACT_IN_FLOAT for bound in bounds[:2])
    if beyond and pa.types.is_int64(field.type) and not field.nullable:
        return "Great Expectations compares a column without nulls with bounds beyond 2^53 in floating point"
    return Compiled(kernels.between_integers(field.name, bounds.of_integers()))


def _numbers(expectation: Expectation, field: pa.Field, range_: Range) -> Range:
    for argument, bound in (("min_value", range_.low), ("max_value", range_.high)):
        if isinstance(bound, str):
            raise expectation.mistake(f"'{field.name}' is {field.type}: {argument} must be a number", argument)
    low = None if range_.low is None else float(range_.low)
    high = None if range_.high is None else float(range_.high)
    return in_order(expectation, range_._replace(low=low, high=high))


def _between_moments(expectation: Expectation, field: pa.Field, range_: Range) -> Compiled | str:
    """Whole units since the epoch; a bound without time or with the wrong zone makes GX fail on every batch."""
    bounds = [
        None if bound is None else microseconds(expectation, field, argument, bound)
        for argument, bound in (("min_value", range_.low), ("max_value", range_.high))
    ]
    ordered = in_order(expectation, range_._replace(low=bounds[0], high=bounds[1]))
    return Compiled(kernels.between_integers(field.name, ordered.of_integers(units_per_second(field), 10**6)))


def units_per_second(field: pa.Field) -> int:
    """Units of a timestamp's type in a second."""
    return {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[field.type.unit]


def microseconds(expectation: Expectation, field: pa.Field, argument: str, bound: Any) -> int:
    aware = field.type.tz is not None
    example = "2024-06-01T00:00:00" + ("+00:00" if aware else "")
    moment = to_moment(bound) if isinstance(bound, str) else None
    if moment is None:
        raise expectation.mistake(
            f"'{field.name}' is {field.type}: {argument} must be a date with its time, for example {example}",
            argument,
        )
    if (moment.tzinfo is not None) != aware:
        message = f"'{field.name}' is {field.type}: {argument} must be {'with' if aware else 'without'} a time zone"
        raise expectation.mistake(f"{message}, for example {example}", argument)
    epoch = datetime(1970, 1, 1, tzinfo=UTC if aware else None)
    return (moment - epoch) // timedelta(microseconds=1)


def _between_dates(expectation: Expectation, field: pa.Field, range_: Range) -> Compiled | str:
    days = []
    for argument, bound in (("min_value", range_.low), ("max_value", range_.high)):
        day = to_date(bound) if isinstance(bound, str) else None
        if bound is not None and day is None:
            message = f"'{field.name}' is a date: {argument} must be one, for example 2024-06-01"
            raise expectation.mistake(message, argument)
        days.append(None if day is None else day.toordinal() - _EPOCH_DAY)
    ordered = in_order(expectation, range_._replace(low=days[0], high=days[1]))
    return Compiled(kernels.between_integers(field.name, ordered.of_integers()))


def range_of(expectation: Expectation) -> Range:
    get = expectation.arguments.get
    return Range(get("min_value"), get("max_value"), bool(get("strict_min")), bool(get("strict_max")))


def in_order(expectation: Expectation, range_: Range) -> Range:
    """The range, when something can lie in it; GX would fail on every batch."""
    if range_.low is not None and range_.high is not None and range_.low > range_.high:
        raise expectation.mistake("min_value is above max_value: nothing can meet this", "min_value")
    return range_
