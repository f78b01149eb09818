"""What the native codec runs: operations over columns, in the order of the bytes.

A program is flat: structure has become jumps, and everything about schemas has been decided. This module says
what it is made of, `decode_program.py` and `encode_program.py` compile schemas to it, and the native modules say
what each operation does. Columns are numbered in the order of the schema, a record before its fields, a list
before its items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stream.avro.types import Array, Field, Fixed, Map, Primitive, Record, Type, Union, kind

_WIDTHS: Final = {"int": 4, "long": 8, "float": 4, "double": 8}
_LAYOUTS: Final = {
    "null": "null",
    "boolean": "bits",
    "bytes": "text",
    "string": "text",
    "enum": "text",
    "array": "list",
    "map": "list",
    "record": "struct",
}
_DECIMAL_WIDTH: Final = 16


class Unsupported(Exception):  # noqa: N818 (a fact about a schema, and what the caller asks for)
    """A schema that the native codec does not take; the reference codec does."""


class Op(NamedTuple):
    """One operation. What size, low and high mean depends on it."""

    name: str
    column: int = 0
    jump: int = 0
    """The operation to go on with."""
    size: int = 0
    low: int = 0
    high: int = 0
    field: str = ""
    """The dotted path of the field, for messages."""
    reason: str = ""
    detail: str = ""


class Column(NamedTuple):
    """The buffers of one Arrow array."""

    layout: str
    """null, bits, fixed (numbers of width bytes), wide (binary of width bytes), text, list or struct."""
    width: int
    end: int
    """Behind the last column inside of this one; the first is the next one."""
    field: str
    """The dotted path of the field."""


@dataclass(slots=True)
class Program:
    """A program in the making, then complete."""

    ops: list[Op] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    table: list[int] = field(default_factory=list)
    """Where the operations of unions and enums look up an index."""
    texts: list[bytes] = field(default_factory=list)
    """Symbols of enums."""
    data: bytes = b""
    """Defaults in Avro's binary encoding."""
    arrays: int = 0
    """How many arrays and maps are open at the same time at most."""
    width: int = 0
    """The most bytes of an encoded event, texts and items of arrays not counted."""

    def emit(self, op: Op) -> int:
        """Adds an operation and says where it stands."""
        self.ops.append(op)
        return len(self.ops) - 1

    def land(self, *jumps: int) -> None:
        """Makes these operations jump to the one that comes next."""
        for at in jumps:
            self.ops[at] = self.ops[at]._replace(jump=len(self.ops))

    def add_columns(self, record: Record) -> None:
        """The columns of an event's schema. Raises Unsupported for a type that has no native column."""
        for f in record.fields:
            self._add(f.type, f.name)

    def fields_of(self, record: Record, column: int) -> list[int]:
        """The column of each field of a record whose first field's column is `column`."""
        starts = []
        for _ in record.fields:
            starts.append(column)
            column = self.columns[column].end
        return starts

    def _add(self, of: Type, path: str) -> None:
        at = len(self.columns)
        if isinstance(of, Union):
            if of.optional is None:
                raise Unsupported(f"field {path} is a union of more than null and one type")
            of = of.optional
        layout, width = layout_of(of, path)
        self.columns.append(Column(layout, width, 0, path))
        for inner, inner_path in _inside(of, path):
            self._add(inner, inner_path)
        self.columns[at] = self.columns[at]._replace(end=len(self.columns))


def _inside(of: Type, path: str) -> Iterator[tuple[Type, str]]:
    """The columns directly inside that of a type; a map is a list of records of key and value."""
    match of:
        case Array():
            yield of.items, path
        case Map():
            yield entry(of), path
        case Record():
            yield from ((f.type, f"{path}.{f.name}") for f in of.fields)


def entry(of: Map) -> Record:
    """An entry of a map as the record that Arrow makes of it."""
    return Record("", (Field("key", Primitive("string")), Field("value", of.values)))


def layout_of(of: Type, path: str) -> tuple[str, int]:
    """Layout and width of the column of a type."""
    match of:
        case Primitive(logical=logical) | Fixed(logical=logical) if logical and logical.name == "decimal":
            if logical.precision <= 38:
                return "fixed", _DECIMAL_WIDTH
            if logical.precision <= 76:
                raise Unsupported(f"field {path} is a decimal of {logical.precision} digits, more than 38")
        case Fixed(logical=logical) if logical and logical.name == "uuid":
            return "text", 0
    match of:
        case Primitive(name=name) if name in _WIDTHS:
            return "fixed", _WIDTHS[name]
        case Fixed():
            return "wide", of.size
    return _LAYOUTS[kind(of)], 0
