"""Arguments that Great Expectations is known to accept as they are, without asking it.

Only kinds that this package can check by itself stand here, and only in the strict JSON types: "5" for a
number is left to GX, which coerces it. A differential test compares every entry with GX.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

Accepts = Callable[[Any], bool]

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})?")
"""Bounds in the forms in which GX writes dates and times (ISO 8601)."""

MAX_NUMBER: Final = 1e300
"""GX keeps bounds as 64-bit floats; a whole number that none can hold is left to it."""


def to_date(text: str) -> datetime.date | None:
    """A date-only bound, None when the text is not one."""
    try:
        return datetime.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def to_moment(text: str) -> datetime.datetime | None:
    """A bound with date and time, None when the text is not one."""
    try:
        return datetime.datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        return None


class Signature(NamedTuple):
    """The arguments of a kind of expectation."""

    required: Mapping[str, Accepts]
    optional: Mapping[str, Accepts]
    of_rows: bool = True

    def accepts(self, arguments: Mapping[str, Any]) -> bool:
        known = {**self.required, **self.optional, **(_OF_ROWS if self.of_rows else {})}
        return self.required.keys() <= arguments.keys() and all(
            name in known and known[name](value) for name, value in arguments.items()
        )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _ratio(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _bound(value: Any) -> bool:
    if isinstance(value, str):
        return to_date(value) is not None or to_moment(value) is not None
    return value is None or (_number(value) and math.isfinite(value))


def _date_format(value: Any) -> bool:
    """A format that can be read back; GX tries the same with the current time."""
    moment = datetime.datetime(2024, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    try:
        return isinstance(value, str) and bool(datetime.datetime.strptime(moment.strftime(value), value))  # noqa: DTZ007
    except (ValueError, re.error):
        return False


def _name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _nothing(value: Any) -> bool:
    return value is None


def _texts(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(item, str) for item in value)


def _names(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(map(_name, value)) and len(set(value)) == len(value)


def _scalars(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str | int | float) for item in value)


def _json_object(value: Any) -> bool:
    return isinstance(value, dict)


def _one_of(*values: str) -> Accepts:
    return lambda value: isinstance(value, str) and value in values


def _or_nothing(accepts: Accepts) -> Accepts:
    return lambda value: value is None or accepts(value)


_OF_ROWS: Final[Mapping[str, Accepts]] = {"mostly": _ratio, "row_condition": _nothing, "condition_parser": _nothing}
_COLUMN: Final[Mapping[str, Accepts]] = {"column": _name}
_PAIR: Final[Mapping[str, Accepts]] = {"column_A": _name, "column_B": _name}
_IGNORE_PAIR: Final = _one_of("both_values_are_missing", "either_value_is_missing", "neither")
_IGNORE_LIST: Final = _one_of("all_values_are_missing", "any_value_is_missing", "never")

SIGNATURES: Final[Mapping[str, Signature]] = {
    "expect_column_values_to_not_be_null": Signature(_COLUMN, {}),
    "expect_column_values_to_be_null": Signature(_COLUMN, {}),
    "expect_column_values_to_be_between": Signature(
        _COLUMN, {"min_value": _bound, "max_value": _bound, "strict_min": _flag, "strict_max": _flag}
    ),
    "expect_column_values_to_be_in_set": Signature({**_COLUMN, "value_set": _scalars}, {}),
    "expect_column_values_to_not_be_in_set": Signature({**_COLUMN, "value_set": _scalars}, {}),
    "expect_column_values_to_match_regex": Signature({**_COLUMN, "regex": _text}, {}),
    "expect_column_values_to_not_match_regex": Signature({**_COLUMN, "regex": _text}, {}),
    "expect_column_values_to_match_regex_list": Signature(
        {**_COLUMN, "regex_list": _texts}, {"match_on": _one_of("any", "all")}
    ),
    "expect_column_values_to_not_match_regex_list": Signature({**_COLUMN, "regex_list": _texts}, {}),
    "expect_column_value_lengths_to_be_between": Signature(
        _COLUMN,
        {
            "min_value": _or_nothing(_whole),
            "max_value": _or_nothing(_whole),
            "strict_min": _flag,
            "strict_max": _flag,
        },
    ),
    "expect_column_value_lengths_to_equal": Signature({**_COLUMN, "value": _whole}, {}),
    "expect_column_values_to_match_strftime_format": Signature({**_COLUMN, "strftime_format": _date_format}, {}),
    "expect_column_values_to_be_dateutil_parseable": Signature(_COLUMN, {}),
    "expect_column_values_to_be_json_parseable": Signature(_COLUMN, {}),
    "expect_column_values_to_match_json_schema": Signature({**_COLUMN, "json_schema": _json_object}, {}),
    "expect_column_pair_values_a_to_be_greater_than_b": Signature(
        _PAIR, {"or_equal": _or_nothing(_flag), "ignore_row_if": _IGNORE_PAIR}
    ),
    "expect_column_pair_values_to_be_equal": Signature(_PAIR, {"ignore_row_if": _IGNORE_PAIR}),
    "expect_multicolumn_sum_to_equal": Signature(
        {"column_list": _names, "sum_total": _number}, {"ignore_row_if": _IGNORE_LIST}
    ),
    "expect_column_values_to_be_of_type": Signature({**_COLUMN, "type_": _text}, {}),
    "expect_column_values_to_be_in_type_list": Signature({**_COLUMN, "type_list": _texts}, {}),
    "expect_column_type_to_be": Signature({**_COLUMN, "type_": _text}, {}, of_rows=False),
    "expect_column_to_exist": Signature(_COLUMN, {}, of_rows=False),
}


def is_well_formed(type_: str, arguments: Mapping[str, Any]) -> bool:
    """Whether GX accepts these arguments for certain; False means: ask it."""
    if type_ not in SIGNATURES or not SIGNATURES[type_].accepts(arguments):
        return False
    if type_ in _TWO_BOUNDS:
        return arguments.get("min_value") is not None or arguments.get("max_value") is not None
    return True


_TWO_BOUNDS: Final = ("expect_column_values_to_be_between", "expect_column_value_lengths_to_be_between")
