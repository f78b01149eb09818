"""The proven table: which expectation, on which kind of column, with which arguments, is a compiled check.

Whatever is not here is asked of Great Expectations. What GX could only fail at, or what can never hold, is a
mistake in the suite and raised as such.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from stream.errors import ConfigurationError
from stream.validation import kernels, texts
from stream.validation.arguments import is_well_formed, to_date, to_moment
from stream.validation.columns import plain_type
from stream.validation.gx import is_replaced
from stream.validation.kernels import Kernel, Range
from stream.validation.kinds import ColumnKind, kind_of
from stream.validation.patterns import MAX_PYTHON_CHARACTERS, Pattern, compile_pattern
from stream.validation.suite import Expectation

EXACT_IN_FLOAT: Final = 2**53
"""Whole numbers below this are exact as 64-bit floats."""

MAX_SUMMED: Final = 7
"""numpy adds up to so many floats of a row from left to right, more of them pairwise."""


class Compiled(NamedTuple):
    """A check and what a person should know of it."""

    kernel: Kernel
    notes: tuple[str, ...] = ()


Rule = Callable[[Expectation, Sequence[pa.Field]], Compiled | str]
"""A compiled check, or why there is none; raises ConfigurationError when the expectation makes no sense."""


def compile_rule(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    """fields: those of the columns that the expectation names, in the order of its arguments."""
    if expectation.type not in RULES:
        return "there is no compiled check for this kind of expectation"
    if expectation.arguments.get("row_condition") is not None:
        return "row conditions are not compiled"
    if not is_well_formed(expectation.type, expectation.arguments):
        return "its arguments are not plain ones: Great Expectations reads them"
    if is_replaced(expectation.type):
        return "a custom class has taken the name of this kind of expectation"
    return RULES[expectation.type](expectation, fields)


def _not_null(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled:
    return Compiled(kernels.not_null(fields[0].name))


def _null(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled:
    return Compiled(kernels.null(fields[0].name))


def _between(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    range_ = _range(expectation)
    match kind_of(field.type):
        case ColumnKind.TIMESTAMP:
            return _between_moments(expectation, field, range_)
        case ColumnKind.DATE:
            return _between_dates(expectation, field, range_)
        case ColumnKind.TEXT:
            raise _mistake(expectation, f"'{field.name}' is text, which has no order in Great Expectations", "column")
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
            raise _mistake(expectation, f"'{field.name}' is {field.type}: {argument} must be a number", argument)
    low = None if range_.low is None else float(range_.low)
    high = None if range_.high is None else float(range_.high)
    return range_._replace(low=low, high=high)


def _between_moments(expectation: Expectation, field: pa.Field, range_: Range) -> Compiled | str:
    """Whole units since the epoch; a bound without time or with the wrong zone makes GX fail on every batch."""
    type_ = plain_type(field.type)
    bounds = [
        None if bound is None else _microseconds(expectation, field, argument, bound)
        for argument, bound in (("min_value", range_.low), ("max_value", range_.high))
    ]
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[type_.unit]
    exact = range_._replace(low=bounds[0], high=bounds[1]).of_integers(per_second, 10**6)
    return Compiled(kernels.between_integers(field.name, exact))


def _microseconds(expectation: Expectation, field: pa.Field, argument: str, bound: Any) -> int:
    aware = plain_type(field.type).tz is not None
    example = "2024-06-01T00:00:00" + ("+00:00" if aware else "")
    moment = to_moment(bound) if isinstance(bound, str) else None
    if moment is None:
        raise _mistake(
            expectation,
            f"'{field.name}' is {field.type}: {argument} must be a date with its time, for example {example}",
            argument,
        )
    if (moment.tzinfo is not None) != aware:
        message = f"'{field.name}' is {field.type}: {argument} must be {'with' if aware else 'without'} a time zone"
        raise _mistake(expectation, f"{message}, for example {example}", argument)
    value = pa.scalar(moment, pa.timestamp("us", "UTC" if aware else None)).value
    return int(value)


def _between_dates(expectation: Expectation, field: pa.Field, range_: Range) -> Compiled | str:
    days = []
    for argument, bound in (("min_value", range_.low), ("max_value", range_.high)):
        date = to_date(bound) if isinstance(bound, str) else None
        if bound is not None and date is None:
            message = f"'{field.name}' is a date: {argument} must be one, for example 2024-06-01"
            raise _mistake(expectation, message, argument)
        days.append(None if date is None else pa.scalar(date, pa.date32()).value)
    return Compiled(kernels.between_integers(field.name, range_._replace(low=days[0], high=days[1]).of_integers()))


def _range(expectation: Expectation) -> Range:
    get = expectation.arguments.get
    low, high = get("min_value"), get("max_value")
    comparable = isinstance(low, str) == isinstance(high, str)
    if low is not None and high is not None and comparable and low > high:
        raise _mistake(expectation, "min_value is above max_value: nothing can meet this", "min_value")
    return Range(low, high, bool(get("strict_min")), bool(get("strict_max")))


def _in_set(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    members: list[Any] = expectation.arguments["value_set"]
    negate = expectation.type == "expect_column_values_to_not_be_in_set"
    kind = kind_of(field.type)
    if members and not any(_may_equal(member, kind, negate) for member in members):
        raise _mistake(
            expectation, f"'{field.name}' is {field.type}: no value of it can equal one of value_set", "value_set"
        )
    path = field.name
    if kind is ColumnKind.TEXT and all(isinstance(member, str) for member in members):
        return Compiled(texts.in_texts(path, members, negate))
    if kind is ColumnKind.BOOLEAN and all(isinstance(member, bool) for member in members):
        return Compiled(kernels.in_numbers(path, members, np.bool_, negate))
    numbers = all(isinstance(member, int | float) and not isinstance(member, bool) for member in members)
    if kind is ColumnKind.INTEGER and numbers and all(isinstance(m, int) and abs(m) < 2**63 for m in members):
        unsigned = pa.types.is_uint64(field.type)
        return "sets of uint64 are not compiled" if unsigned else _in_numbers(path, members, np.int64, negate)
    if kind is ColumnKind.FLOAT and numbers and all(abs(member) <= EXACT_IN_FLOAT for member in members):
        return _in_numbers(path, members, np.float64, negate)
    return "the members of value_set are of other types than the column"


def _in_numbers(path: str, members: Sequence[Any], dtype: Any, negate: bool) -> Compiled:
    return Compiled(kernels.in_numbers(path, members, dtype, negate))


def _may_equal(member: Any, kind: ColumnKind, negate: bool) -> bool:
    """Whether GX could find a member of a set in a column at all; it reads dates in not_in_set only."""
    if isinstance(member, str):
        return kind in (ColumnKind.TEXT, ColumnKind.OTHER) or (kind is ColumnKind.TIMESTAMP and negate)
    return kind in (ColumnKind.INTEGER, ColumnKind.FLOAT, ColumnKind.BOOLEAN, ColumnKind.OTHER)


def _pattern(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    if kind_of(field.type) is not ColumnKind.TEXT:
        return f"patterns on {field.type} are not compiled"
    arguments = expectation.arguments
    sources = arguments.get("regex_list") or [arguments.get("regex", "(?s).*")]
    how = "none" if "_not_" in expectation.type else arguments.get("match_on", "any")
    patterns = [compile_pattern(source) for source in sources]
    notes = tuple(note for pattern in patterns if (note := _pattern_note(pattern)))
    return Compiled(texts.matches(field.name, patterns, how), notes)


def _pattern_note(pattern: Pattern) -> str:
    """Where Python's `re` has to do the work, which has no bound on time."""
    some = [name for name, holds in (("not ASCII", pattern.not_ascii), ("of several lines", pattern.newline)) if holds]
    if not (pattern.python or some):
        return ""
    which = "all text" if pattern.python else "text that is " + " or ".join(some)
    limit = f"text above {MAX_PYTHON_CHARACTERS} characters misses"
    risk = "; DANGER: a repeat within a repeat can take it exponential time on such text" if pattern.explosive else ""
    return f"pattern {pattern.source!r} runs on Python's re for {which}, {limit}{risk}"


def _lengths(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    if kind_of(field.type) is not ColumnKind.TEXT:
        return f"lengths of {field.type} are not compiled"
    if "value" in expectation.arguments:
        exactly = expectation.arguments["value"]
        return Compiled(texts.lengths_between(field.name, Range(exactly, exactly, False, False)))
    return Compiled(texts.lengths_between(field.name, _range(expectation)))


def _json(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    if kind_of(field.type) is not ColumnKind.TEXT:
        raise _mistake(expectation, f"'{field.name}' is {field.type}; JSON is read from text", "column")
    if "json_schema" not in expectation.arguments:
        return Compiled(texts.json_parseable(field.name))
    schema = expectation.arguments["json_schema"]
    mistake = texts.schema_mistake(schema)
    if mistake:
        raise _mistake(expectation, mistake, "json_schema")
    return Compiled(texts.json_schema(field.name, schema))


def _pair(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    a, b = fields
    arguments = expectation.arguments
    ignore = arguments.get("ignore_row_if", "both_values_are_missing")
    equal = expectation.type == "expect_column_pair_values_to_be_equal"
    notes = () if "ignore_row_if" in arguments or not (a.nullable or b.nullable) else (_ONE_NULL,)
    kinds = {kind_of(a.type), kind_of(b.type)}
    if equal and kinds == {ColumnKind.TEXT}:
        return Compiled(texts.equal_texts(a.name, b.name, ignore), notes)
    same = plain_type(a.type) == plain_type(b.type)
    numbers = kinds in ({ColumnKind.INTEGER}, {ColumnKind.FLOAT}) and not _has_uint64(fields)
    if numbers or (same and kinds == {ColumnKind.TIMESTAMP}):
        meets = operator.eq if equal else operator.ge if arguments.get("or_equal") else operator.gt
        return Compiled(kernels.compare_pair(a.name, b.name, meets, ignore), notes)
    return f"comparing {a.type} with {b.type} is not compiled"


_ONE_NULL: Final = "a row with one null misses; say so, or otherwise, with ignore_row_if"


def _sum(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    if len(fields) > MAX_SUMMED or not all(pa.types.is_float64(field.type) for field in fields):
        return f"only sums of up to {MAX_SUMMED} columns of 64-bit floats are compiled"
    ignore = expectation.arguments.get("ignore_row_if", "all_values_are_missing")
    explicit = "ignore_row_if" in expectation.arguments or not any(field.nullable for field in fields)
    total = float(expectation.arguments["sum_total"])
    paths = [field.name for field in fields]
    return Compiled(kernels.sum_equals(paths, total, ignore), () if explicit else (_ONE_NULL,))


def _has_uint64(fields: Sequence[pa.Field]) -> bool:
    return any(pa.types.is_uint64(field.type) for field in fields)


def _mistake(expectation: Expectation, message: str, argument: str) -> ConfigurationError:
    return ConfigurationError([expectation.problem(message, argument)])


RULES: Final[Mapping[str, Rule]] = {
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _in_set,
    "expect_column_values_to_match_regex": _pattern,
    "expect_column_values_to_not_match_regex": _pattern,
    "expect_column_values_to_match_regex_list": _pattern,
    "expect_column_values_to_not_match_regex_list": _pattern,
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _lengths,
    "expect_column_values_to_be_json_parseable": _json,
    "expect_column_values_to_match_json_schema": _json,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair,
    "expect_column_pair_values_to_be_equal": _pair,
    "expect_multicolumn_sum_to_equal": _sum,
}
