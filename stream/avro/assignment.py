"""Which Arrow columns an Avro type takes, and how they become the column that an encoder wants.

A column is taken when no value changes its meaning: the same type, a wider one by Avro's promotions, or a
narrower one checked value by value. Never a float for an integer, a text for a number, or a finer time for
a coarser one: that is for a CAST to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as at

from stream.arrow import numbers, of_numbers, of_values, valid
from stream.avro.arrow import arrow_type
from stream.avro.codec import Limits
from stream.avro.decoding import Compiler
from stream.avro.types import MISSING, Array, Enum, Field, Fixed, Map, Primitive, Record, Type, Union, branch_name

Convert = Callable[[pa.Array], pa.Array]
"""Raises pa.ArrowInvalid when some value does not fit."""
_UNITS: Final = ("s", "ms", "us", "ns")
_AVRO_UNIT: Final = {"ms": "millis", "us": "micros", "ns": "nanos"}
_SQL: Final = {
    "int": "INT",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
}


class UnassignableError(Exception):
    """The column is not for the field; the text says why and what would be right."""


def assign(column: pa.DataType, of: Type, name: str, *, loose: bool = False) -> Convert:  # noqa: PLR0911
    """How a column of one type fills a field of another; raises UnassignableError. name is the field's.

    loose is for files, whose types nobody chose: a timestamp without a zone is UTC, and a finer time is
    taken when it has no more digits than the field.
    """
    if at.is_dictionary(column):
        inner = assign(column.value_type, of, name, loose=loose)
        return lambda a: inner(a.dictionary_decode())
    if isinstance(of, Union):
        return _union(column, of, name, loose)
    if at.is_null(column) and of != Primitive("null"):
        raise UnassignableError("the column holds nothing but null, and the field takes none")
    match of:
        case Array() if _is_list(column):
            return _list(assign(column.value_type, of.items, name, loose=loose), arrow_type(of))
        case Map() if at.is_map(column):
            return _map(assign(column.item_type, of.values, name, loose=loose), arrow_type(of))
        case Record() if at.is_struct(column):
            return _struct(column, of, name, loose)
        case Enum() if _is_text(column):
            return _cast(pa.string())
        case Primitive() | Fixed() if column == arrow_type(of) or _takes(of, column, loose):
            return _leaf(column, of)
    raise UnassignableError(f"the column is {column}, the field takes {describe(of)}{_hint(column, of, name)}")


def constant(of: Type, default: Any) -> Callable[[int], pa.Array]:
    """A column of n times a default."""
    value = Compiler(Limits().max_depth).default(of, default)
    one = of_values([value], arrow_type(of))
    return lambda n: one.take(of_numbers(np.zeros(n, np.int64)))


def describe(of: Type) -> str:
    """The Avro name of a type, its logical type before what that is made of."""
    if isinstance(of, Union):
        return " or ".join(describe(b) for b in of.branches)
    logical = of.logical if isinstance(of, Primitive | Fixed) else None
    if logical is None:
        return branch_name(of)
    return f"decimal({logical.precision}, {logical.scale})" if logical.name == "decimal" else logical.name


def meant(name: str, names: list[str]) -> str:
    """ "; did you mean ...?" when some name is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def _union(column: pa.DataType, of: Union, name: str, loose: bool) -> Convert:
    if at.is_null(column) and Primitive("null") in of.branches:
        return lambda a: pa.nulls(len(a), arrow_type(of))
    if of.optional:
        return assign(column, of.optional, name, loose=loose)
    if _is_text(column):
        return _cast(pa.string())
    said = f"the column is {column}, the field is a union of {describe(of)}"
    raise UnassignableError(f'{said}: its column is text in Avro\'s JSON encoding, such as {{"long": 5}}')


def _takes(of: Primitive | Fixed, column: pa.DataType, loose: bool) -> bool:  # noqa: PLR0911 (one return a kind)
    match of.logical.name if of.logical else of.name if isinstance(of, Primitive) else "fixed":
        case "int" | "long":
            return bool(at.is_integer(column))
        case "float" | "double":
            return bool(at.is_integer(column) or at.is_floating(column))
        case "uuid" if isinstance(of, Fixed):
            return _is_text(column)
        case "string" | "uuid" | "bytes":
            return _is_text(column) or _is_bytes(column)
        case "fixed" | "duration":
            return _is_bytes(column) and (not at.is_fixed_size_binary(column) or column == arrow_type(of))
        case "decimal" if at.is_decimal(arrow_type(of)):
            return bool(at.is_integer(column) or (at.is_decimal(column) and column.scale <= arrow_type(of).scale))
        case "decimal":
            return _is_bytes(column)
        case "date":
            return bool(at.is_date(column))
        case "time-millis" | "time-micros":
            return bool(at.is_time(column)) and (loose or _no_finer(column, arrow_type(of)))
        case _:
            return _takes_timestamp(arrow_type(of), column, loose)


def _takes_timestamp(target: pa.DataType, column: pa.DataType, loose: bool) -> bool:
    if not (at.is_timestamp(target) and at.is_timestamp(column)):
        return False
    zones = (column.tz is None) == (target.tz is None) or (loose and column.tz is None)
    return zones and (loose or _no_finer(column, target))


def _leaf(column: pa.DataType, of: Primitive | Fixed) -> Convert:
    target = arrow_type(of)
    if column == target:
        return lambda a: a
    if at.is_floating(target):
        return _cast(target, safe=False) if at.is_integer(column) else _float(target)
    if at.is_decimal(target) and at.is_integer(column):
        # Arrow asks for room for every int64 before it looks at the values.
        wide = pa.decimal256(20 + target.scale, target.scale)
        return lambda a: a.cast(wide).cast(target)
    return _cast(target)


def _cast(target: pa.DataType, *, safe: bool = True) -> Convert:
    return lambda a: a.cast(target, safe=safe)


def _float(target: pa.DataType) -> Convert:
    """Rounded; a number that becomes infinite by it does not fit."""

    def convert(array: pa.Array) -> pa.Array:
        rounded = array.cast(target)
        if pc.any(pc.and_(pc.is_inf(rounded), pc.is_finite(array))).as_py():
            raise pa.ArrowInvalid("a number beyond the range of float")
        return rounded

    return convert


def _list(convert: Convert, target: pa.DataType) -> Convert:
    def rebuild(array: pa.Array) -> pa.Array:
        lengths = np.where(valid(array), numbers(pc.list_value_length(array)), 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        items = convert(array.flatten())
        return pa.ListArray.from_arrays(of_numbers(offsets), items, type=target, mask=array.is_null())

    return rebuild


def _map(convert: Convert, target: pa.DataType) -> Convert:
    def rebuild(array: pa.Array) -> pa.Array:
        # keys and items of a slice are those of the whole array; take makes them its own.
        own = array.take(of_numbers(np.arange(len(array))))
        keys, items = own.keys.cast(pa.string()), convert(own.items)
        offsets = of_numbers(numbers(own.offsets))
        return pa.MapArray.from_arrays(offsets, keys, items, type=target, mask=own.is_null())

    return rebuild


def _struct(column: pa.DataType, of: Record, name: str, loose: bool) -> Convert:
    parts = [_part(column, field, f"{name}.{field.name}", loose) for field in of.fields]
    fields = list(arrow_type(of))

    def rebuild(array: pa.Array) -> pa.Array:
        children = array.flatten()
        made = [part(children, len(array)) for part in parts]
        return pa.StructArray.from_arrays(made, fields=fields, mask=array.is_null())

    return rebuild


def _part(column: pa.DataType, field: Field, name: str, loose: bool) -> Callable[[list[pa.Array], int], pa.Array]:
    index = column.get_field_index(field.name)
    if index < 0 and field.default is MISSING:
        names = [f.name for f in column]
        raise UnassignableError(
            f"{name}: the column has no such part; it has {', '.join(names)}{meant(field.name, names)}"
        )
    if index < 0:
        fill = constant(field.type, field.default)
        return lambda _, n: fill(n)
    convert = assign(column.field(index).type, field.type, name, loose=loose)
    return lambda children, _: convert(children[index])


def _is_text(column: pa.DataType) -> bool:
    return bool(at.is_string(column) or at.is_large_string(column) or at.is_string_view(column))


def _is_bytes(column: pa.DataType) -> bool:
    plain = at.is_binary(column) or at.is_large_binary(column) or at.is_binary_view(column)
    return bool(plain or at.is_fixed_size_binary(column))


def _is_list(column: pa.DataType) -> bool:
    plain = at.is_list(column) or at.is_large_list(column) or at.is_fixed_size_list(column)
    return bool(plain or at.is_list_view(column) or at.is_large_list_view(column))


def _no_finer(column: pa.DataType, target: pa.DataType) -> bool:
    return _UNITS.index(column.unit) <= _UNITS.index(target.unit)


def _hint(column: pa.DataType, of: Type, name: str) -> str:
    """What would be right, where that is one thing."""
    if isinstance(of, Array | Map | Record | Enum | Union):
        return ""
    target, described = arrow_type(of), describe(of)
    if at.is_temporal(column) and at.is_temporal(target) and type(column) is type(target):
        if at.is_timestamp(column) and (column.tz is None) != (target.tz is None):
            return "; local-timestamp is for times without a zone, timestamp for those with one"
        finer = f"{described.rsplit('-', 1)[0]}-{_AVRO_UNIT[column.unit]}"
        return ", which would lose digits" + (f"; make the field {finer}" if finer != "time-nanos" else "")
    if at.is_temporal(column) and at.is_integer(target):
        return '; give the field the "logicalType" of the column'
    sql = _SQL.get(described) or ("DECIMAL" + described[7:] if described.startswith("decimal") else "")
    return f"; add CAST({name} AS {sql}) in a transform stage" if sql and not at.is_nested(column) else ""
