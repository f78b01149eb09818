"""Random schemas as trees of types, and random later versions of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from stream.avro import Schema, parse_schema
from stream.avro.types import (
    MISSING,
    NULL,
    Array,
    Enum,
    Field,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    branch_name,
    render,
)

LOGICAL: Final = {
    "int": ("date", "time-millis"),
    "long": ("time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis"),
    "string": ("uuid",),
}
PROMOTIONS: Final = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}
PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


def schema_of(record: Record, *, logical: bool = True) -> Schema:
    return parse_schema(json.dumps(render(record, logical=logical)))


@dataclass(slots=True)
class Generator:
    """Makes types with `random`; general says whether unions of more than null and one type may come."""

    random: Random
    general: bool = True
    named: list[Type] = field(default_factory=list)
    count: int = 0

    def record(self, depth: int = 0) -> Record:
        name = self._name("Record")
        fields = [Field(f"f{i}", self.type(depth + 1)) for i in range(self.random.choice((0, 1, 2, 2, 3, 4, 6)))]
        made = Record(name, tuple(fields))
        self.named.append(made)
        return made

    def type(self, depth: int = 0) -> Type:
        roll = self.random.random()
        if depth < 5 and roll < 0.3:
            return self._nested(depth)
        if roll < 0.45:
            return self._optional(depth)
        if roll < 0.5 and self.general:
            return self._general(depth)
        if roll < 0.55 and self.named:
            return self.random.choice(self.named)
        return self._leaf()

    def json_default(self, of: Type) -> Any:  # noqa: PLR0911 (one return a kind)
        """A JSON value that is a default of a type."""
        match of:
            case Union():
                return self.json_default(self.random.choice(of.branches))
            case Array():
                return [self.json_default(of.items) for _ in range(self.random.choice((0, 0, 1, 3)))]
            case Map():
                return {f"k{i}": self.json_default(of.values) for i in range(self.random.choice((0, 0, 1, 3)))}
            case Record():
                return {f.name: self.json_default(f.type) for f in of.fields}
            case Enum():
                return self.random.choice(of.symbols)
            case Fixed(size=size):
                return "".join(chr(self.random.choice((0, 1))) for _ in range(size)).replace("\x01", "\0", size - 1)
        return {
            "null": None,
            "boolean": self.random.random() < 0.5,
            "int": self.random.choice((0, 1, 70, 3600)),
            "long": self.random.choice((0, -1, 1 << 40)) if of.logical is None else 12345,
            "float": 0.5,
            "double": self.random.choice((0.1, "NaN", 7)),
            "bytes": self.random.choice(("", "\x01")),
            "string": self.random.choice(("", "text", "Zürich", "a text of more than sixteen bytes")),
        }[of.name]

    def _nested(self, depth: int) -> Type:
        match self.random.randrange(5):
            case 0 | 1:
                return self.record(depth)
            case 2 | 3:
                return Array(self.type(depth + 1))
        return Map(self.type(depth + 1))

    def _optional(self, depth: int) -> Type:
        other = self.type(depth + 1)
        if other == NULL or isinstance(other, Union):
            return other
        return Union((NULL, other) if self.random.random() < 0.7 else (other, NULL))

    def _general(self, depth: int) -> Type:
        branches: dict[str, Type] = {}
        for _ in range(self.random.choice((1, 2, 3, 4))):
            branch = self.type(depth + 1)
            if not isinstance(branch, Union):
                branches.setdefault(branch_name(branch), branch)
        return Union(tuple(branches.values())) if branches else NULL

    def _leaf(self) -> Type:
        roll = self.random.random()
        if roll < 0.1:
            symbols = [f"S{i}" + "X" * self.random.choice((0, 1, 20)) for i in range(self.random.choice((1, 2, 5, 40)))]
            return self._keep(Enum(self._name("Enum"), tuple(symbols)))
        if roll < 0.2:
            return self._keep(self._fixed())
        name = self.random.choice(PRIMITIVES)
        logical = None
        if self.random.random() < 0.3:
            logical = self._decimal() if name == "bytes" else _pick_logical(self.random, name)
        return Primitive(name, logical)

    def _fixed(self) -> Fixed:
        name, roll = self._name("Fixed"), self.random.random()
        if roll < 0.2:
            return Fixed(name, 12, logical=Logical("duration"))
        if roll < 0.4:
            return Fixed(name, 16, logical=Logical("uuid"))
        if roll < 0.6:
            return Fixed(name, self.random.choice((16, 17, 20)), logical=self._decimal())
        return Fixed(name, self.random.choice((0, 1, 3, 16, 17, 40)))

    def _decimal(self) -> Logical:
        precision = self.random.choice((1, 2, 18, 19, 20, 37, 38, 38, 38))
        return Logical("decimal", precision, self.random.randrange(precision + 1))

    def _keep(self, made: Type) -> Type:
        self.named.append(made)
        return made

    def _name(self, kind: str) -> str:
        self.count += 1
        return f"test.{kind}{self.count}"


def _pick_logical(random: Random, name: str) -> Logical | None:
    return Logical(random.choice(LOGICAL[name])) if name in LOGICAL else None


@dataclass(slots=True)
class Evolution:
    """Makes a reader's version of a writer's schema: mostly one that resolves, at times one that does not.

    added says whether it may have fields of its own, with defaults.
    """

    random: Random
    generator: Generator
    added: bool = True
    done: dict[str, Type] = field(default_factory=dict)

    def record(self, of: Record) -> Record:
        fields = [replace(f, type=self.type(f.type)) for f in of.fields if self.random.random() < 0.85]
        fields = [self._renamed(f) if self.random.random() < 0.1 else f for f in fields]
        for i in range(self.random.choice((0, 0, 1, 2)) if self.added else 0):
            self.generator.named.clear()
            new = self.generator.type(depth=4)
            default = MISSING if self.random.random() < 0.03 else self.generator.json_default(new)
            fields.append(Field(f"new{i}", new, default))
        self.random.shuffle(fields)
        return replace(of, fields=tuple(fields))

    def type(self, of: Type) -> Type:
        if isinstance(of, Record | Enum | Fixed):
            if of.name not in self.done:
                self.done[of.name] = self._named(of)
            of = self.done[of.name]
        else:
            of = self._unnamed(of)
        if self.random.random() < 0.1 and not isinstance(of, Union) and of != NULL:
            return Union((NULL, of))
        return of

    def _renamed(self, of: Field) -> Field:
        return replace(of, name=f"{of.name}_renamed", aliases=(of.name,))

    def _named(self, of: Record | Enum | Fixed) -> Type:
        if isinstance(of, Record):
            return self.record(of)
        if isinstance(of, Enum) and self.random.random() < 0.4:
            kept = [s for s in of.symbols if self.random.random() < 0.8] or ["OTHER"]
            self.random.shuffle(kept)
            return replace(of, symbols=tuple(kept), default=self.random.choice((None, kept[0])))
        if isinstance(of, Fixed) and self.random.random() < 0.05:
            return replace(of, size=of.size + 1, logical=None)
        return of

    def _unnamed(self, of: Type) -> Type:
        match of:
            case Primitive():
                return self._primitive(of)
            case Array():
                return Array(self.type(of.items))
            case Map():
                return Map(self.type(of.values))
            case Union() if self.random.random() < 0.15 or (not of.optional and self.random.random() < 0.8):
                picked = self.type(self.random.choice(of.branches))
                return picked if isinstance(picked, Union) or picked == NULL else Union((picked, NULL))
            case Union():
                branches = [b for b in map(self.type, of.branches) if not isinstance(b, Union)]
                unique = {branch_name(b): b for b in branches}
                return Union(tuple(unique.values())) if unique else NULL
        return of

    def _primitive(self, of: Primitive) -> Primitive:
        roll = self.random.random()
        if roll < 0.1 and of.name in PROMOTIONS:
            return Primitive(self.random.choice(PROMOTIONS[of.name]))
        if roll < 0.15:
            return Primitive(of.name)
        if roll < 0.18:
            return Primitive(of.name, _pick_logical(self.random, of.name))
        return of
