"""A plan of resolution compiled to one function that reads a record: the inner part of the reference codec.

Values come out as Arrow's builders take them: integers for dates and times, Decimal for decimals, a list of
pairs for a map. Under a general union they come out as Avro's JSON encoding has them (specification, "JSON
Encoding"): bytes as characters up to U+00FF, logical types as what they are made of, unions with the name
of their branch.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final

import numpy as np

from stream.avro import wire
from stream.avro.codec import OUT_OF_RANGE, TOO_DEEP, UNRESOLVABLE, Limits
from stream.avro.defaults import DAY
from stream.avro.resolution import Choice, Entries, Fields, Into, Items, Leaf, Plan, Refused, Skip, Symbols, resolve
from stream.avro.types import (
    NULL,
    Array,
    Enum,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    branch_name,
    min_width,
)
from stream.avro.union_json import default_data
from stream.avro.wire import Cursor
from stream.errors import PoisonError

Read = Callable[[Cursor], Any]
_TRUSTED: Final = Limits(max_depth=1 << 30)
EXACT: Final = Context(prec=100)
"""More digits than any decimal of Arrow has."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles plans; as_json says that what comes out goes into a JSON text."""

    max_depth: int
    as_json: bool = False

    def compile(self, plan: Plan, depth: int) -> Read:  # noqa: PLR0911 (one return a kind)
        """A function that reads one value; depth is that of the value, the event's own is 1."""
        if depth > self.max_depth and isinstance(plan, Items | Entries | Fields | Choice):
            return _too_deep
        match plan:
            case Leaf():
                return _leaf(plan.writer, plan.reader, self.as_json)
            case Symbols():
                return _symbols(plan)
            case Items():
                return _array(self.compile(plan.items, depth + 1), plan.width)
            case Entries():
                return _map(self.compile(plan.values, depth + 1), plan.width, self.as_json)
            case Fields():
                return _record(self.fields(plan, depth), [f.name for f in plan.reader.fields])
            case Choice():
                return _choice([self.compile(b, depth + 1) for b in plan.branches])
            case Into():
                return self._into(plan, depth)
            case Skip():
                return skip(plan.writer, depth, self.max_depth)
            case Refused():
                return _refused(plan.detail)

    def fields(self, plan: Fields, depth: int) -> Read:
        """A function that reads a record as the list of the reader's fields."""
        n = len(plan.reader.fields)
        steps = [(n if i is None else i, self.compile(p, depth + 1)) for i, p in plan.steps]
        if [i for i, _ in steps] == list(range(n)):
            readers = [read for _, read in steps]
            return lambda c: [read(c) for read in readers]
        template: list[Any] = [None] * n
        for i in plan.filled:
            template[i] = self.default(plan.reader.fields[i].type, plan.reader.fields[i].default)

        def read_some(c: Cursor) -> list[Any]:
            values = [*template, None]
            for i, read in steps:
                values[i] = read(c)
            values.pop()
            return values

        return read_some

    def default(self, of: Type, default: Any) -> Any:
        """The value of a default: it takes the way that it would have taken through a message."""
        read = Compiler(_TRUSTED.max_depth, self.as_json).compile(resolve(of, of), 1)
        return read(Cursor(default_data(of, default), _TRUSTED))

    def _into(self, plan: Into, depth: int) -> Read:
        if self.as_json:
            return _tagged(self.compile(plan.plan, depth), plan.branch)
        if plan.union.optional:
            return self.compile(plan.plan, depth)
        tagged = _tagged(Compiler(self.max_depth, as_json=True).compile(plan.plan, depth), plan.branch)
        return lambda c: None if (value := tagged(c)) is None else json.dumps(value, ensure_ascii=False)


def _too_deep(_: Cursor) -> Any:
    raise PoisonError(TOO_DEEP, "values nested deeper than a message may")


def _refused(detail: str) -> Read:
    def refuse(_: Cursor) -> Any:
        raise PoisonError(UNRESOLVABLE, detail)

    return refuse


def _symbols(plan: Symbols) -> Read:
    symbols, n = plan.symbols, len(plan.symbols)

    def read(c: Cursor) -> str:
        symbol = symbols[wire.read_index(c, n, "enum index")]
        if symbol is None:
            raise PoisonError(UNRESOLVABLE, "an enum symbol that the reader's schema does not have")
        return symbol

    return read


def _array(read_item: Read, width: int) -> Read:
    def read(c: Cursor) -> list[Any]:
        items: list[Any] = []
        while count := wire.read_block(c, width):
            items += [read_item(c) for _ in range(count)]
        return items

    return read


def _map(read_value: Read, width: int, as_json: bool) -> Read:
    def read(c: Cursor) -> Any:
        entries: list[tuple[str, Any]] = []
        while count := wire.read_block(c, width):
            entries += [(wire.read_string(c), read_value(c)) for _ in range(count)]
        return dict(entries) if as_json else entries

    return read


def _record(read_fields: Read, names: list[str]) -> Read:
    return lambda c: dict(zip(names, read_fields(c), strict=True))


def _choice(branches: list[Read]) -> Read:
    n = len(branches)
    return lambda c: branches[wire.read_index(c, n, "union index")](c)


def _tagged(read: Read, branch: Type) -> Read:
    """The value as Avro's JSON encoding of a union: {name of the branch: value}, or null."""
    if branch == NULL:
        return read
    name = branch_name(branch)
    return lambda c: {name: read(c)}


def _leaf(writer: Primitive | Fixed, reader: Primitive | Fixed, as_json: bool) -> Read:
    read = _promoted(writer, reader)
    if not as_json:
        return _converted(read, reader.logical, reader) if reader.logical else read
    if isinstance(reader, Fixed) or reader.name == "bytes":
        return lambda c: read(c).decode("latin-1")
    if reader.name in ("float", "double"):
        return lambda c: _json_number(read(c))
    return read


def _promoted(writer: Primitive | Fixed, reader: Primitive | Fixed) -> Read:
    if isinstance(writer, Fixed):
        return lambda c: wire.take(c, writer.size)
    read: Read = wire.PRIMITIVES[writer.name]
    match writer.name, reader.name:
        case "long", "float":
            # By way of double it would be rounded twice.
            return lambda c: float(np.int64(read(c)).astype(np.float32))
        case "int", "float":
            return lambda c: float(np.float32(read(c)))
        case (("int" | "long"), "double"):
            return lambda c: float(read(c))
        case (("string" | "bytes"), _):
            return wire.read_bytes if reader.name == "bytes" else wire.read_string
    return read


def _converted(read: Read, logical: Logical, base: Primitive | Fixed) -> Read:
    match logical.name:
        case "decimal" if logical.precision <= 76:
            return _decimal(read, logical)
        case "time-millis" | "time-micros":
            return _time(read, DAY[logical.name])
        case "uuid" if isinstance(base, Fixed):
            return lambda c: str(uuid.UUID(bytes=read(c)))
    return read


def _decimal(read: Read, logical: Logical) -> Read:
    bound, scale = 10**logical.precision, -logical.scale

    def read_decimal(c: Cursor) -> Decimal:
        unscaled = int.from_bytes(read(c), "big", signed=True)
        if not -bound < unscaled < bound:
            raise PoisonError(OUT_OF_RANGE, "a decimal of more digits than its precision")
        return Decimal(unscaled).scaleb(scale, EXACT)

    return read_decimal


def _time(read: Read, day: int) -> Read:
    def read_time(c: Cursor) -> int:
        value: int = read(c)
        if not 0 <= value < day:
            raise PoisonError(OUT_OF_RANGE, "a time outside of the day")
        return value

    return read_time


def _json_number(value: float) -> float | str:
    """JSON has no number for these; Avro's Java encoder writes them as text, and so do we."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def skip(of: Type, depth: int, max_depth: int) -> Read:  # noqa: PLR0911 (one return a kind)
    """A function that checks and passes over one value."""
    if depth > max_depth and isinstance(of, Array | Map | Record | Union):
        return _too_deep
    match of:
        case Primitive("string") | Primitive("bytes"):
            return wire.skip_bytes
        case Primitive():
            read: Read = wire.PRIMITIVES[of.name]
            return read
        case Fixed():
            return lambda c: wire.take(c, of.size)
        case Enum():
            n = len(of.symbols)
            return lambda c: wire.read_index(c, n, "enum index")
        case Array():
            return _skip_blocks([skip(of.items, depth + 1, max_depth)], min_width(of.items))
        case Map():
            return _skip_blocks([wire.skip_bytes, skip(of.values, depth + 1, max_depth)], 1 + min_width(of.values))
        case Union():
            return _choice([skip(b, depth + 1, max_depth) for b in of.branches])
        case Record():
            fields = [skip(f.type, depth + 1, max_depth) for f in of.fields]
            return lambda c: [f(c) for f in fields]


def _skip_blocks(parts: list[Read], width: int) -> Read:
    def read(c: Cursor) -> None:
        while count := wire.read_block(c, width):
            for _ in range(count):
                for part in parts:
                    part(c)

    return read
