"""Arrow columns to the values that fastavro writes: the inner part of the reference codec's encoder.

Dates and times go as integers, never as Python's datetime, which does not reach as far as they do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from stream.arrow import numbers, of_numbers
from stream.avro.codec import NULL_FIELD, OUT_OF_RANGE
from stream.avro.decoding import EXACT
from stream.avro.types import NULL, Array, Enum, Fixed, Logical, Map, Primitive, Record, Type, Union, branch_name
from stream.avro.union_json import union_value
from stream.errors import PoisonError

Value = Callable[[Any], Any]


def values(column: pa.Array) -> list[Any]:
    """The column as Python values, dates and times as integers; a map is a list of pairs.

    By hand and not by a cast to integers: Arrow's cast of nested columns loses items that are all null.
    """
    of = column.type
    if pa.types.is_temporal(of):
        return _plain(column.cast(pa.int32() if of.bit_width == 32 else pa.int64()))
    if pa.types.is_struct(of):
        names = [f.name for f in of]
        children = zip(*map(values, column.flatten()), strict=True) if names else [()] * len(column)
        return [
            dict(zip(names, row, strict=True)) if there else None
            for row, there in zip(children, _there(column), strict=True)
        ]
    if pa.types.is_map(of):
        # keys and items of a slice are those of the whole array; take makes them its own.
        own = column.take(of_numbers(np.arange(len(column))))
        return _split(list(zip(_plain(own.keys), values(own.items), strict=True)), own)
    if pa.types.is_list(of):
        return _split(values(column.flatten()), column)
    return _plain(column)


def _plain(column: pa.Array) -> list[Any]:
    plain: list[Any] = column.to_pylist()
    return plain


def _there(column: pa.Array) -> list[bool]:
    there: list[bool] = column.is_valid().to_pylist()
    return there


def _split(items: list[Any], column: pa.Array) -> list[Any]:
    """Items of all rows of a list or map column to a list for each row, None for a null."""
    rest = iter(items)
    lengths = np.diff(numbers(column.offsets)).tolist()
    return [list(islice(rest, n)) if there else None for n, there in zip(lengths, _there(column), strict=True)]


def value_of(of: Type, field: str) -> Value:  # noqa: PLR0911 (one return a kind)
    """A function from a value of `values` to one that fastavro writes.

    It raises PoisonError: "null_field" for a null where the type has none, "out_of_range" for a value
    that the type does not have. field is the dotted path, for the message.
    """
    match of:
        case Union():
            return _union(of, field)
        case Primitive("null"):
            return lambda v: None
        case Array():
            item = value_of(of.items, field)
            return _present(lambda v: [item(i) for i in v], field)
        case Map():
            entry = value_of(of.values, field)
            return _present(lambda v: {key: entry(i) for key, i in v}, field)
        case Record():
            fields = [(f.name, value_of(f.type, f"{field}.{f.name}")) for f in of.fields]
            return _present(lambda v: {name: value(v[name]) for name, value in fields}, field)
        case Enum():
            return _present(_symbol(of, field), field)
        case Primitive() | Fixed():
            return _present(_leaf(of, field), field)


def _present(value: Value, field: str) -> Value:
    def check(v: Any) -> Any:
        if v is None:
            raise PoisonError(NULL_FIELD, f"field {field}: a null where the schema takes none")
        return value(v)

    return check


def _union(of: Union, field: str) -> Value:
    if of.optional is None:
        return _general(of, field)
    inner, name = value_of(of.optional, field), branch_name(of.optional)
    return lambda v: ("null", None) if v is None else (name, inner(v))


def _general(of: Union, field: str) -> Value:
    def check(v: Any) -> Any:
        if v is not None:
            return union_value(of, v)
        if NULL in of.branches:
            return "null", None
        raise PoisonError(NULL_FIELD, f"field {field}: a null where the schema takes none")

    return check


def _symbol(of: Enum, field: str) -> Value:
    symbols = frozenset(of.symbols)

    def check(v: str) -> str:
        if v not in symbols:
            raise PoisonError(OUT_OF_RANGE, f"field {field}: a text that is no symbol of {of.name}")
        return v

    return check


def _leaf(of: Primitive | Fixed, field: str) -> Value:
    logical, size = of.logical, of.size if isinstance(of, Fixed) else None
    if logical and logical.name == "decimal" and logical.precision <= 76:
        return _decimal(logical, size)
    if logical and logical.name == "uuid" and size is not None:
        return _uuid(field)
    return lambda v: v


def _decimal(logical: Logical, size: int | None) -> Value:
    """The unscaled integer in two's complement, in as few bytes as it takes, or in size bytes."""

    def unscaled(v: Decimal) -> bytes:
        number = int(v.scaleb(logical.scale, EXACT))
        bits = (number if number >= 0 else ~number).bit_length()
        return number.to_bytes(size or bits // 8 + 1, "big", signed=True)

    return unscaled


def _uuid(field: str) -> Value:
    def check(v: str) -> bytes:
        try:
            return uuid.UUID(v).bytes
        except ValueError:
            raise PoisonError(OUT_OF_RANGE, f"field {field}: a text that is no UUID") from None

    return check
