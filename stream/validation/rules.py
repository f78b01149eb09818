"""The proven table: which expectation, on which kind of column, with which arguments, is a compiled check.

Whatever is not here is asked of Great Expectations. What GX could only fail at, or what can never hold, is a
mistake in the suite and raised as such.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from stream.validation import kernels, texts
from stream.validation.arguments import is_well_formed, to_moment
from stream.validation.gx import is_replaced
from stream.validation.kernels import Compiled, Range
from stream.validation.kinds import ColumnKind, kind_of
from stream.validation.patterns import MAX_PYTHON_CHARACTERS, Pattern, compile_pattern
from stream.validation.ranges import EXACT_IN_FLOAT, between, in_order, microseconds, range_of, units_per_second
from stream.validation.suite import Expectation

MAX_SUMMED: Final = 7
"""numpy adds up to so many floats of a row from left to right, more of them pairwise."""


Rule = Callable[[Expectation, Sequence[pa.Field]], Compiled | str]
"""A compiled check, or why there is none; raises ConfigurationError when the expectation makes no sense.

The fields have plain types and stand in the order of the arguments that name them.
"""


def compile_rule(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
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


def _in_set(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    members: list[Any] = expectation.arguments["value_set"]
    negate = expectation.type == "expect_column_values_to_not_be_in_set"
    kind = kind_of(field.type)
    if members and not any(_may_equal(member, kind, negate) for member in members):
        raise expectation.mistake(
            f"'{field.name}' is {field.type}: no value of it can equal one of value_set", "value_set"
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
    moments = [to_moment(member) for member in members if isinstance(member, str)]
    if kind is ColumnKind.TIMESTAMP and len(moments) == len(members) and None not in moments:
        return _not_in_moments(expectation, field, members)
    return "the members of value_set are of other types than the column"


def _not_in_moments(expectation: Expectation, field: pa.Field, members: Sequence[str]) -> Compiled | str:
    """Whole units since the epoch; a member between two units equals no value."""
    per_second, micros = units_per_second(field), [microseconds(expectation, field, "value_set", m) for m in members]
    if any(abs(micro) * per_second >= 2**63 * 10**6 for micro in micros):
        return f"value_set has a time beyond those of {field.type}"
    units = [micro * per_second // 10**6 for micro in micros if micro * per_second % 10**6 == 0]
    return Compiled(kernels.in_numbers(field.name, units, np.int64, negate=True))


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
    return Compiled(texts.lengths_between(field.name, in_order(expectation, range_of(expectation))))


def _json(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    if kind_of(field.type) is not ColumnKind.TEXT:
        raise expectation.mistake(f"'{field.name}' is {field.type}; JSON is read from text", "column")
    if "json_schema" not in expectation.arguments:
        return Compiled(texts.json_parseable(field.name))
    schema = expectation.arguments["json_schema"]
    mistake = texts.schema_mistake(schema)
    if mistake:
        raise expectation.mistake(mistake, "json_schema")
    return Compiled(texts.json_schema(field.name, schema))


def _dates(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    (field,) = fields
    if kind_of(field.type) is not ColumnKind.TEXT:
        raise expectation.mistake(f"'{field.name}' is {field.type}; dates are read from text", "column")
    if "strftime_format" in expectation.arguments:
        return Compiled(texts.match_format(field.name, expectation.arguments["strftime_format"]))
    return Compiled(texts.dateutil_parseable(field.name), (_TODAY,))


_TODAY: Final = "the verdict on a date without its year (29 February) depends on the day on which it is read"


def _pair(expectation: Expectation, fields: Sequence[pa.Field]) -> Compiled | str:
    a, b = fields
    arguments = expectation.arguments
    ignore = arguments.get("ignore_row_if", "both_values_are_missing")
    equal = expectation.type == "expect_column_pair_values_to_be_equal"
    notes = () if "ignore_row_if" in arguments or not (a.nullable or b.nullable) else (_ONE_NULL,)
    kinds = {kind_of(a.type), kind_of(b.type)}
    if equal and kinds == {ColumnKind.TEXT}:
        return Compiled(texts.equal_texts(a.name, b.name, ignore), notes)
    same = a.type == b.type
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


RULES: Final[Mapping[str, Rule]] = {
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_be_between": between,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _in_set,
    "expect_column_values_to_match_regex": _pattern,
    "expect_column_values_to_not_match_regex": _pattern,
    "expect_column_values_to_match_regex_list": _pattern,
    "expect_column_values_to_not_match_regex_list": _pattern,
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _lengths,
    "expect_column_values_to_match_strftime_format": _dates,
    "expect_column_values_to_be_dateutil_parseable": _dates,
    "expect_column_values_to_be_json_parseable": _json,
    "expect_column_values_to_match_json_schema": _json,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair,
    "expect_column_pair_values_to_be_equal": _pair,
    "expect_multicolumn_sum_to_equal": _sum,
}
