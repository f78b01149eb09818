"""Kinds of columns and of expectations: what is compared with what, and what each is called in GX."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from stream.validation.columns import plain_type


class ColumnKind(enum.Enum):
    """What the checks tell apart."""

    INTEGER = "whole number"
    FLOAT = "floating-point number"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    DATE = "date"
    NESTED = "nested"
    OTHER = "other"


def kind_of(type_: pa.DataType) -> ColumnKind:
    type_ = plain_type(type_)
    for kind, holds in _KINDS.items():
        if any(is_kind(type_) for is_kind in holds):
            return kind
    return ColumnKind.OTHER


_KINDS: Final = {
    ColumnKind.INTEGER: [pa.types.is_integer],
    ColumnKind.FLOAT: [pa.types.is_float32, pa.types.is_float64],
    ColumnKind.BOOLEAN: [pa.types.is_boolean],
    ColumnKind.TEXT: [pa.types.is_string],
    ColumnKind.TIMESTAMP: [pa.types.is_timestamp],
    ColumnKind.DATE: [pa.types.is_date32],
    ColumnKind.NESTED: [pa.types.is_nested],
}


BATCH_METRICS: Final = frozenset(
    {
        "column_values.unique",
        "column_values.increasing",
        "column_values.decreasing",
        "column_values.z_score.under_threshold",
        "column_values.not_outliers",
        "compound_columns.unique",
    }
)
"""Map metrics of GX whose verdict on a row depends on the other rows of the batch."""

_LIKE: Final = "Great Expectations has no pandas implementation of it; use the expectation for a regex"
_SQL: Final = "it asks a database, and there is none here"

UNUSABLE: Final[Mapping[str, str]] = {
    "expect_column_values_to_match_like_pattern": _LIKE,
    "expect_column_values_to_not_match_like_pattern": _LIKE,
    "expect_column_values_to_match_like_pattern_list": _LIKE,
    "expect_column_values_to_not_match_like_pattern_list": _LIKE,
    "expect_query_results_to_match_comparison": _SQL,
    "expect_table_row_count_to_equal_other_table": _SQL,
    "unexpected_rows_expectation": _SQL,
}
"""Expectations that GX itself cannot evaluate on a batch of events, and why."""

SCHEMA_TABLES: Final = frozenset(
    {
        "expect_column_to_exist",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
    }
)
"""Expectations about the columns as such: the schema meets them or not, once and for all."""

TYPE_CHECKS: Final[Mapping[str, str]] = {
    "expect_column_values_to_be_of_type": "type_",
    "expect_column_type_to_be": "type_",
    "expect_column_values_to_be_in_type_list": "type_list",
}
"""Expectations about a column's type, and the argument that names types."""

_OBJECT: Final = ("object", "object_", "O")
_NAIVE: Final = ("datetime64", "datetime64[ms]", "datetime64[us]", "datetime64[ns]")
_TYPE_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "int64": ("int64", "int", "long", "int_", "longlong", "i8"),
    "int32": ("int32", "intc", "i4"),
    "int16": ("int16", "short", "i2"),
    "int8": ("int8", "byte", "i1"),
    "uint64": ("uint64", "u8"),
    "uint32": ("uint32", "u4"),
    "uint16": ("uint16", "u2"),
    "uint8": ("uint8", "u1"),
    "double": ("float64", "float", "double", "f8"),
    "float": ("float32", "single", "f4"),
    "bool": ("bool", "bool_"),
    "string": ("str", "string_types"),
    "date32[day]": ("date", *_OBJECT),
}


def type_names(type_: pa.DataType) -> tuple[str, ...]:
    """The names under which GX knows the pandas type of such a column when no value is null."""
    type_ = plain_type(type_)
    if pa.types.is_timestamp(type_):
        return (f"datetime64[{type_.unit}, {type_.tz}]", "Timestamp") if type_.tz else _NAIVE
    if pa.types.is_decimal(type_):
        return ("Decimal", *_OBJECT)
    if pa.types.is_time(type_):
        return ("time", *_OBJECT)
    if pa.types.is_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return ("bytes", *_OBJECT)
    if pa.types.is_nested(type_):
        native = "dict" if pa.types.is_struct(type_) else "list"
        return (native, *_OBJECT) if not pa.types.is_list(type_) else _OBJECT
    return _TYPE_NAMES.get(str(type_), _OBJECT)
