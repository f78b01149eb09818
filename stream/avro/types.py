"""The types of a schema as a tree: names resolved and full, aliases full, logical types checked.

A named type that is used several times is one object in several places; a tree never contains itself.
Source: Avro 1.12 specification, "Schema Declaration". JSON becomes this tree in `parsing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class Missing:
    """What a field has that has no default (None is a default: null)."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type that is valid where it stands; an invalid one is no logical type (specification)."""

    name: str
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Primitive:
    name: str
    logical: Logical | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    name: str
    size: int
    """Bytes."""
    aliases: tuple[str, ...] = ()
    logical: Logical | None = None


@dataclass(frozen=True, slots=True)
class Enum:
    name: str
    symbols: tuple[str, ...]
    default: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Array:
    items: Type


@dataclass(frozen=True, slots=True)
class Map:
    values: Type


@dataclass(frozen=True, slots=True)
class Union:
    branches: tuple[Type, ...]

    @property
    def optional(self) -> Type | None:
        """T when this is ["null", T] or [T, "null"], else None."""
        others = [b for b in self.branches if b != NULL]
        return others[0] if len(self.branches) == 2 and len(others) == 1 else None


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type
    default: Any = MISSING
    """The JSON of the default, or MISSING."""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    fields: tuple[Field, ...]
    aliases: tuple[str, ...] = ()


Type = Primitive | Fixed | Enum | Array | Map | Union | Record
NULL: Final = Primitive("null")


def kind(of: Type) -> str:
    """The Avro word for a type: "int", "record", "union" ..."""
    return of.name if isinstance(of, Primitive) else type(of).__name__.lower()


def branch_name(of: Type) -> str:
    """How Avro's JSON encoding and its union rules call a branch: the full name, or the kind."""
    return of.name if isinstance(of, Record | Enum | Fixed) else kind(of)


def children(of: Type) -> Iterator[Type]:
    """The types directly inside a type."""
    match of:
        case Array():
            yield of.items
        case Map():
            yield of.values
        case Union():
            yield from of.branches
        case Record():
            yield from (f.type for f in of.fields)


def min_width(of: Type) -> int:
    """The fewest bytes that a value can take: 0 for null, fixed(0) and records of nothing else."""
    match of:
        case Primitive("null"):
            return 0
        case Primitive("float"):
            return 4
        case Primitive("double"):
            return 8
        case Fixed():
            return of.size
        case Record():
            return sum(min_width(f.type) for f in of.fields)
    return 1


def render(of: Type, *, logical: bool = True, _seen: set[str] | None = None) -> Any:  # noqa: PLR0911 (one return a kind)
    """The JSON of a type with full names, each named type spelled out where it is first used.

    logical=False leaves logical types out: what is then left describes the bytes alone.
    """
    seen = _seen if _seen is not None else set()
    match of:
        case Primitive():
            return {"type": of.name} | _logical(of.logical) if logical and of.logical else of.name
        case Array():
            return {"type": "array", "items": render(of.items, logical=logical, _seen=seen)}
        case Map():
            return {"type": "map", "values": render(of.values, logical=logical, _seen=seen)}
        case Union():
            return [render(b, logical=logical, _seen=seen) for b in of.branches]
    if of.name in seen:
        return of.name
    seen.add(of.name)
    head: dict[str, Any] = {"type": kind(of), "name": of.name}
    if of.aliases:
        head["aliases"] = list(of.aliases)
    match of:
        case Fixed():
            return head | {"size": of.size} | (_logical(of.logical) if logical else {})
        case Enum():
            return head | {"symbols": list(of.symbols)} | ({"default": of.default} if of.default else {})
        case Record():
            return head | {"fields": [_field(f, logical, seen) for f in of.fields]}


def _field(field: Field, logical: bool, seen: set[str]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": field.name, "type": render(field.type, logical=logical, _seen=seen)}
    if field.default is not MISSING:
        out["default"] = field.default
    if field.aliases:
        out["aliases"] = list(field.aliases)
    return out


def _logical(of: Logical | None) -> dict[str, Any]:
    if of is None:
        return {}
    sizes = {"precision": of.precision, "scale": of.scale} if of.name == "decimal" else {}
    return {"logicalType": of.name} | sizes
