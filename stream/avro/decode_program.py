"""Compiles the resolution of two schemas to the program of the native decoder (`native_decode_pass.pxd`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stream.avro.codec import TOO_DEEP, UNRESOLVABLE
from stream.avro.defaults import DAY
from stream.avro.program import Op, Program, entry
from stream.avro.resolution import Choice, Entries, Fields, Into, Items, Leaf, Plan, Refused, Skip, Symbols, resolve
from stream.avro.types import NULL, Array, Enum, Fixed, Map, Primitive, Record, Type, Union, min_width
from stream.avro.union_json import default_data

_INT: Final = (-(2**31), 2**31 - 1)
_LONG: Final = (-(2**63), 2**63 - 1)
_UNTIL: Final = 1 << 30
"""A depth that nothing has: defaults were checked with the schema."""


def compile_plan(plan: Fields, max_depth: int) -> Program:
    """The program that reads an event. Raises Unsupported for a reader schema that has no native columns."""
    program = Program()
    program.add_columns(plan.reader)
    compiler = _Compiler(program, max_depth)
    compiler.fields(plan, 0, 1, "")
    program.emit(Op("END"))
    return program


@dataclass(slots=True)
class _Compiler:
    """Adds operations to a program. depth is that of the value, the event's own is 1."""

    program: Program
    max_depth: int
    open_arrays: int = 0

    def fields(self, plan: Fields, column: int, depth: int, path: str) -> None:
        """A record whose first field's column is `column`."""
        columns = self.program.fields_of(plan.reader, column)
        for target, step in plan.steps:
            if target is None:
                self.value(step, 0, depth + 1, path)
            else:
                self.value(step, columns[target], depth + 1, _join(path, plan.reader.fields[target].name))
        for target in plan.filled:
            self._default(plan.reader.fields[target].type, plan.reader.fields[target].default, columns[target])

    def value(self, plan: Plan, column: int, depth: int, path: str) -> None:
        """One value of the writer into one row of a column of the reader."""
        emit = self.program.emit
        if depth > self.max_depth and isinstance(plan, Items | Entries | Fields | Choice):
            emit(_too_deep(path))
            return
        match plan:
            case Leaf():
                emit(_leaf(plan.writer, plan.reader, column, path))
            case Symbols():
                emit(self._symbols(plan, column, path))
            case Items():
                self._array(plan.items, plan.width, column, depth, path)
            case Entries():
                self._map(plan, column, depth, path)
            case Fields():
                emit(Op("STRUCT_ROW", column))
                self.fields(plan, column + 1, depth, path)
            case Choice():
                self._choice(plan, column, depth, path)
            case Into():
                self._into(plan, column, depth, path)
            case Skip():
                self._skip(plan.writer, depth, path)
            case Refused():
                emit(Op("FAIL", reason=UNRESOLVABLE, detail=plan.detail))

    def _into(self, plan: Into, column: int, depth: int, path: str) -> None:
        if plan.branch == NULL:
            self.program.emit(Op("NULL_ROW", column))
        else:
            self.value(plan.plan, column, depth, path)

    def _symbols(self, plan: Symbols, column: int, path: str) -> Op:
        start = len(self.program.table)
        for symbol in plan.symbols:
            self.program.table.append(-1 if symbol is None else len(self.program.texts))
            self.program.texts += [] if symbol is None else [symbol.encode()]
        return Op("ENUM", column, size=len(plan.symbols), low=start, field=path)

    def _array(self, items: Plan, width: int, column: int, depth: int, path: str) -> None:
        begin = self._open("ARRAY", column, path)
        self.value(items, column + 1, depth + 1, path)
        body = self.program.ops[begin + 1 :]
        as_they_stand = [op.name for op in body] in (["FLOAT"], ["DOUBLE"])
        self._close(Op("ARRAY_END", column, begin + 1, width, int(as_they_stand), field=path), begin)

    def _map(self, plan: Entries, column: int, depth: int, path: str) -> None:
        begin = self._open("ARRAY", column, path)
        self.program.emit(Op("STRUCT_ROW", column + 1))
        self.program.emit(Op("STRING", column + 2, field=path))
        self.value(plan.values, column + 3, depth + 1, path)
        self._close(Op("ARRAY_END", column, begin + 1, plan.width, field=path), begin)

    def _open(self, name: str, column: int, path: str) -> int:
        self.open_arrays += 1
        self.program.arrays = max(self.program.arrays, self.open_arrays)
        return self.program.emit(Op(name, column, field=path))

    def _close(self, end: Op, begin: int) -> None:
        self.program.land(begin)
        self.program.emit(end)
        self.open_arrays -= 1

    def _choice(self, plan: Choice, column: int, depth: int, path: str) -> None:
        """A union of null and one type, both of which the reader has, takes one operation; others a table."""
        nulls = [i for i, b in enumerate(plan.branches) if isinstance(b, Into) and b.branch == NULL]
        others = [b for b in plan.branches if isinstance(b, Into) and b.branch != NULL]
        if len(plan.branches) == 2 and len(nulls) == len(others) == 1:
            option = self.program.emit(Op("OPTION", column, low=nulls[0], field=path))
            self.value(others[0], column, depth + 1, path)
            self.program.land(option)
        else:
            self._union([(b, depth + 1) for b in plan.branches], column, path)

    def _union(self, branches: list[tuple[Plan, int]], column: int, path: str) -> None:
        table = self.program.table
        start = len(table)
        table += [0] * len(branches)
        self.program.emit(Op("UNION", size=len(branches), low=start, field=path))
        ends = []
        for i, (branch, depth) in enumerate(branches):
            table[start + i] = len(self.program.ops)
            self.value(branch, column, depth, path)
            ends.append(self.program.emit(Op("JUMP")))
        self.program.land(*ends)

    def _default(self, of: Type, default: object, column: int) -> None:
        if default is None and (of == NULL or isinstance(of, Union)):
            self.program.emit(Op("NULL_ROW", column))
            return
        data = default_data(of, default)
        self.program.emit(Op("DEFAULT", size=len(data), low=len(self.program.data)))
        self.program.data += data
        _Compiler(self.program, _UNTIL, self.open_arrays).value(resolve(of, of), column, 1, "")
        self.program.emit(Op("DEFAULT_END"))

    def _skip(self, of: Type, depth: int, path: str) -> None:
        """Checks and passes over one value."""
        emit = self.program.emit
        if depth > self.max_depth and isinstance(of, Array | Map | Record | Union):
            emit(_too_deep(path))
            return
        match of:
            case Primitive():
                emit(_skip_primitive(of.name, path))
            case Fixed():
                emit(Op("SKIP_FIXED", size=of.size, field=path))
            case Enum():
                emit(Op("SKIP_ENUM", low=0, high=len(of.symbols) - 1, field=path))
            case Array():
                self._skip_blocks([of.items], min_width(of.items), depth, path)
            case Map():
                self._skip_blocks([f.type for f in entry(of).fields], 1 + min_width(of.values), depth, path)
            case Union(optional=inner) if inner:
                option = emit(Op("SKIP_OPTION", low=of.branches.index(NULL), field=path))
                self._skip(inner, depth + 1, path)
                self.program.land(option)
            case Union():
                self._union([(Skip(b), depth + 1) for b in of.branches], 0, path)
            case Record():
                for f in of.fields:
                    self._skip(f.type, depth + 1, path)

    def _skip_blocks(self, parts: list[Type], width: int, depth: int, path: str) -> None:
        begin = self._open("ARRAY", 0, path)
        for part in parts:
            self._skip(part, depth + 1, path)
        self._close(Op("SKIP_ARRAY_END", 0, begin + 1, width, field=path), begin)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _too_deep(path: str) -> Op:
    return Op("FAIL", field=path, reason=TOO_DEEP, detail="values nested deeper than a message may")


def _leaf(writer: Primitive | Fixed, reader: Primitive | Fixed, column: int, path: str) -> Op:
    logical = reader.logical.name if reader.logical else ""
    if reader.logical and logical == "decimal" and reader.logical.precision <= 38:
        return _decimal(writer, reader.logical.precision, column, path)
    if isinstance(writer, Fixed):
        return Op("UUID_FIXED" if logical == "uuid" else "FIXED", column, size=writer.size, field=path)
    assert isinstance(reader, Primitive), "resolution gives a primitive to a primitive"
    low, high = (0, DAY[logical] - 1) if logical in DAY else _INT if writer.name == "int" else _LONG
    name = _NAMES[writer.name, reader.name]
    return Op("TIME_LONG" if name == "LONG" and logical in DAY else name, column, low=low, high=high, field=path)


def _decimal(writer: Primitive | Fixed, precision: int, column: int, path: str) -> Op:
    high, low = divmod(10**precision, 1 << 64)
    low -= (low >> 63) << 64
    if isinstance(writer, Fixed):
        return Op("DECIMAL_FIXED", column, 0, writer.size, low, high, path)
    return Op("DECIMAL", column, low=low, high=high, field=path)


_NAMES: Final = {
    ("null", "null"): "NULL_ROW",
    ("boolean", "boolean"): "BOOL",
    ("int", "int"): "INT",
    ("int", "long"): "INT_LONG",
    ("int", "float"): "INT_FLOAT",
    ("int", "double"): "INT_DOUBLE",
    ("long", "long"): "LONG",
    ("long", "float"): "LONG_FLOAT",
    ("long", "double"): "LONG_DOUBLE",
    ("float", "float"): "FLOAT",
    ("float", "double"): "FLOAT_DOUBLE",
    ("double", "double"): "DOUBLE",
    ("string", "string"): "STRING",
    ("string", "bytes"): "BYTES",
    ("bytes", "bytes"): "BYTES",
    ("bytes", "string"): "STRING",
}
"""Operations by the writer's and the reader's type."""


def _skip_primitive(name: str, path: str) -> Op:
    match name:
        case "boolean":
            return Op("SKIP_BOOL", field=path)
        case "int" | "long":
            low, high = _INT if name == "int" else _LONG
            return Op(f"SKIP_{name.upper()}", low=low, high=high, field=path)
        case "float" | "double":
            return Op("SKIP_FIXED", size=4 if name == "float" else 8, field=path)
        case "string" | "bytes":
            return Op("SKIP_BYTES", field=path)
    return Op("SKIP_FIXED", size=0, field=path)
