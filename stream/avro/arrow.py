"""Arrow types of Avro types, by the table in `codec.py`."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from stream.avro.types import Array, Enum, Field, Fixed, Logical, Map, Primitive, Record, Type, Union

_PRIMITIVES: Final = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_LOGICAL: Final = {
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "timestamp-nanos": pa.timestamp("ns", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
    "local-timestamp-nanos": pa.timestamp("ns"),
    "uuid": pa.string(),
    "duration": pa.binary(12),
}


def arrow_schema(record: Record) -> pa.Schema:
    """One column a field."""
    return pa.schema([arrow_field(f) for f in record.fields])


def arrow_field(field: Field) -> pa.Field:
    return pa.field(field.name, arrow_type(field.type), nullable=nullable(field.type))


def nullable(of: Type) -> bool:
    """Whether the column of a type can hold null."""
    return of == Primitive("null") or (isinstance(of, Union) and Primitive("null") in of.branches)


def arrow_type(of: Type) -> pa.DataType:  # noqa: PLR0911 (one return a kind)
    match of:
        case Primitive():
            return _logical(of.logical) or _PRIMITIVES[of.name]
        case Fixed():
            return _logical(of.logical) or pa.binary(of.size)
        case Enum():
            return pa.string()
        case Array():
            return pa.list_(pa.field("item", arrow_type(of.items), nullable=nullable(of.items)))
        case Map():
            return pa.map_(pa.string(), pa.field("value", arrow_type(of.values), nullable=nullable(of.values)))
        case Record():
            return pa.struct([arrow_field(f) for f in of.fields])
        case Union():
            return arrow_type(of.optional) if of.optional else pa.string()


def _logical(of: Logical | None) -> pa.DataType | None:
    if of is None:
        return None
    if of.name != "decimal":
        return _LOGICAL[of.name]
    if of.precision > 76:
        return None
    return (pa.decimal128 if of.precision <= 38 else pa.decimal256)(of.precision, of.scale)
