"""Compiles a schema to the program of the native encoder (`native_encode_pass.pxd`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stream.avro.program import Op, Program, Unsupported, entry
from stream.avro.types import NULL, Array, Enum, Fixed, Map, Primitive, Record, Type, Union

_PRIMITIVES: Final = {
    "boolean": ("BOOL", 1),
    "int": ("INT", 5),
    "long": ("LONG", 10),
    "float": ("FLOAT", 4),
    "double": ("DOUBLE", 8),
    "bytes": ("BYTES", 5),
    "string": ("STRING", 5),
}
"""Operations, and the most bytes that each writes, the bytes of a text not counted."""


def compile_schema(record: Record) -> Program:
    """The program that writes an event. Raises Unsupported for a schema that has no native columns."""
    program = Program()
    program.add_columns(record)
    program.width = _Compiler(program).fields(record, 0, "")
    program.emit(Op("END"))
    return program


@dataclass(slots=True)
class _Compiler:
    """Adds operations to a program; each method says how many bytes they write at most, texts and items not counted."""

    program: Program
    open_arrays: int = 0

    def fields(self, of: Record, column: int, path: str) -> int:
        """A record whose first field's column is `column`."""
        columns = self.program.fields_of(of, column)
        names = [f"{path}.{f.name}" if path else f.name for f in of.fields]
        return sum(self.value(f.type, c, n) for f, c, n in zip(of.fields, columns, names, strict=True))

    def value(self, of: Type, column: int, path: str) -> int:  # noqa: PLR0911 (one return a kind)
        match of:
            case Union():
                return self._option(of, column, path)
            case Primitive("null"):
                return 0
            case Record():
                self.program.emit(Op("STRUCT_ROW", column, field=path))
                return self.fields(of, column + 1, path)
            case Array():
                return self._blocks([(of.items, column + 1)], column, path)
            case Map():
                key, value = (f.type for f in entry(of).fields)
                return self._blocks([(key, column + 2), (value, column + 3)], column, path)
            case Enum():
                return self._symbols(of, column, path)
            case Primitive() | Fixed():
                return self._leaf(of, column, path)

    def _option(self, of: Union, column: int, path: str) -> int:
        if of.optional is None:
            raise Unsupported(f"field {path} is a union of more than null and one type")
        null = of.branches.index(NULL)
        option = self.program.emit(Op("OPTION", column, low=null, high=1 - null, field=path))
        width = 1 + self.value(of.optional, column, path)
        self.program.land(option)
        return width

    def _blocks(self, parts: list[tuple[Type, int]], column: int, path: str) -> int:
        """One block of all items, and its end; size of ARRAY is the width of an item."""
        begin = self.program.emit(Op("ARRAY", column, field=path))
        self.open_arrays += 1
        self.program.arrays = max(self.program.arrays, self.open_arrays)
        width = sum(self.value(of, part, path) for of, part in parts)
        as_they_stand = [op.name for op in self.program.ops[begin + 1 :]] in (["FLOAT"], ["DOUBLE"])
        self.program.emit(Op("ARRAY_END", column, begin + 1, field=path))
        self.program.ops[begin] = self.program.ops[begin]._replace(size=width, low=int(as_they_stand))
        self.program.land(begin)
        self.open_arrays -= 1
        return 6

    def _symbols(self, of: Enum, column: int, path: str) -> int:
        """The native module makes a hash table of the symbols, which are size texts from low on."""
        self.program.emit(Op("ENUM", column, size=len(of.symbols), low=len(self.program.texts), field=path))
        self.program.texts += [s.encode() for s in of.symbols]
        return 5

    def _leaf(self, of: Primitive | Fixed, column: int, path: str) -> int:
        logical = of.logical.name if of.logical else ""
        if of.logical and logical == "decimal" and of.logical.precision <= 38:
            return self._decimal(of, of.logical.precision, column, path)
        if isinstance(of, Fixed):
            self.program.emit(Op("UUID_FIXED" if logical == "uuid" else "FIXED", column, size=of.size, field=path))
            return of.size
        name, width = _PRIMITIVES[of.name]
        self.program.emit(Op(name, column, field=path))
        return width

    def _decimal(self, of: Primitive | Fixed, precision: int, column: int, path: str) -> int:
        high, low = divmod(10**precision, 1 << 64)
        low -= (low >> 63) << 64
        size = of.size if isinstance(of, Fixed) else 0
        name = "DECIMAL_FIXED" if isinstance(of, Fixed) else "DECIMAL"
        self.program.emit(Op(name, column, 0, size, low, high, path))
        return size or 17
