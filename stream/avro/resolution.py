"""What it takes to read data of one schema as another (Avro 1.12 specification, "Schema Resolution").

Stricter than the specification in one point: logical types. It compares only decimals and takes the bits of
the rest as they are, so that milliseconds would be read as microseconds, a thousandth of the truth. Here
two logical types resolve only when they are the same (decimals: of the same scale); a logical type and
none resolve as the bits they are. Where several branches of a reader's union would do, an exact match goes
before a promotion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stream.avro.codec import UNRESOLVABLE
from stream.avro.schema import Schema
from stream.avro.types import (
    MISSING,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    branch_name,
    kind,
    min_width,
)
from stream.errors import PoisonError

PROMOTIONS: Final = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A primitive or fixed, read as the reader's, promoted where they differ."""

    writer: Primitive | Fixed
    reader: Primitive | Fixed


@dataclass(frozen=True, slots=True)
class Symbols:
    """An enum: the reader's symbol for each index of the writer, None where it has no place for it."""

    symbols: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """An array."""

    items: Plan
    width: int
    """The fewest bytes that an item takes."""


@dataclass(frozen=True, slots=True)
class Entries:
    """A map."""

    values: Plan
    width: int
    """The fewest bytes that an entry takes, its key included."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A record: for each field of the writer its index in the reader, or None with a Skip."""

    reader: Record
    steps: tuple[tuple[int | None, Plan], ...]
    filled: tuple[int, ...]
    """Fields of the reader that take their default."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A union of the writer: what to do for each of its branches."""

    branches: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Into:
    """The value becomes this branch of a union of the reader."""

    union: Union
    branch: Type
    plan: Plan


@dataclass(frozen=True, slots=True)
class Skip:
    """The reader has no such field: checked and passed over."""

    writer: Type


@dataclass(frozen=True, slots=True)
class Refused:
    """A branch of the writer that the reader has no place for: bad only when it comes."""

    detail: str


Plan = Leaf | Symbols | Items | Entries | Fields | Choice | Into | Skip | Refused


def resolvable(writer: Schema, reader: Schema) -> str | None:
    """Why no data of the writer can be read as the reader, or None."""
    try:
        resolve(writer.root, reader.root)
    except PoisonError as error:
        return error.detail
    return None


def resolve(writer: Type, reader: Type, field: str = "") -> Plan:  # noqa: PLR0911 (one return a kind)
    """How to read the writer's data as the reader's; field is the dotted path, for the message.

    Raises PoisonError("unresolvable") when no datum of the writer can be read so.
    """
    if isinstance(writer, Union):
        return _choice(writer, reader, field)
    if isinstance(reader, Union):
        return _into(writer, reader, field)
    _check(writer, reader, field)
    match writer, reader:
        case Array(), Array():
            return Items(resolve(writer.items, reader.items, field), min_width(writer.items))
        case Map(), Map():
            return Entries(resolve(writer.values, reader.values, field), 1 + min_width(writer.values))
        case Enum(), Enum():
            return _symbols(writer, reader)
        case Record(), Record():
            return _fields(writer, reader, field)
        case ((Primitive() | Fixed()), (Primitive() | Fixed())):
            return Leaf(writer, reader)
    raise AssertionError("_check lets only equal kinds pass")


def _refuse(field: str, detail: str) -> PoisonError:
    return PoisonError(UNRESOLVABLE, f"field {field}: {detail}" if field else detail)


def _check(writer: Type, reader: Type, field: str) -> None:
    """Whether the two match, not looking inside of them."""
    if not _matches(writer, reader):
        if isinstance(writer, Record | Enum | Fixed) and kind(writer) == kind(reader):
            raise _refuse(field, _differ(writer, reader))
        raise _refuse(field, f"the writer's {branch_name(writer)} is not the reader's {branch_name(reader)}")
    w, r = getattr(writer, "logical", None), getattr(reader, "logical", None)
    if w and r and (w.name, w.scale) != (r.name, r.scale):
        scales = f" of scale {w.scale}", f" of scale {r.scale}"
        texts = [f"{of.name}{s if of.name == 'decimal' else ''}" for of, s in zip((w, r), scales, strict=True)]
        raise _refuse(field, f"the writer's {texts[0]} is not the reader's {texts[1]}")


def _differ(writer: Record | Enum | Fixed, reader: Type) -> str:
    if isinstance(writer, Fixed) and isinstance(reader, Fixed) and writer.size != reader.size:
        return f"the writer's fixed has {writer.size} bytes, the reader's {reader.size}"
    hint = f'if they are the same, give the reader\'s "aliases": ["{writer.name}"]'
    return f"the writer's {kind(writer)} {writer.name} is not the reader's {branch_name(reader)}; {hint}"


def _matches(writer: Type, reader: Type) -> bool:
    match writer, reader:
        case Primitive(), Primitive():
            return writer.name == reader.name or _promotes(writer, reader)
        case Fixed(), Fixed():
            return writer.size == reader.size and _same_name(writer, reader)
        case Record() | Enum(), Record() | Enum():
            return type(writer) is type(reader) and _same_name(writer, reader)
    return type(writer) is type(reader)


def _promotes(writer: Primitive, reader: Primitive) -> bool:
    """A decimal of the reader takes no string: text is not two's complement."""
    decimal = reader.logical is not None and reader.logical.name == "decimal"
    return reader.name in PROMOTIONS.get(writer.name, ()) and not decimal


def _same_name(writer: Record | Enum | Fixed, reader: Record | Enum | Fixed) -> bool:
    return _last(writer.name) == _last(reader.name) or writer.name in reader.aliases


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _choice(writer: Union, reader: Type, field: str) -> Plan:
    branches: list[Plan] = []
    for branch in writer.branches:
        try:
            branches.append(resolve(branch, reader, field))
        except PoisonError as error:
            branches.append(Refused(error.detail))
    refused = [b.detail for b in branches if isinstance(b, Refused)]
    if len(refused) == len(branches):
        raise PoisonError(UNRESOLVABLE, refused[0])
    return Choice(tuple(branches))


def _into(writer: Type, reader: Union, field: str) -> Plan:
    named = [b for b in reader.branches if branch_name(b) == branch_name(writer) and kind(b) == kind(writer)]
    for branch in [*named, *reader.branches]:
        if _matches(writer, branch):
            return Into(reader, branch, resolve(writer, branch, field))
    raise _refuse(field, f"the writer's {branch_name(writer)} is in no branch of the reader's union")


def _symbols(writer: Enum, reader: Enum) -> Plan:
    known = frozenset(reader.symbols)
    return Symbols(tuple(s if s in known else reader.default for s in writer.symbols))


def _fields(writer: Record, reader: Record, field: str) -> Plan:
    steps: list[tuple[int | None, Plan]] = []
    taken: set[int] = set()
    targets = _targets(writer.fields, reader.fields)
    for source, target in zip(writer.fields, targets, strict=True):
        if target is None:
            steps.append((None, Skip(source.type)))
            continue
        taken.add(target)
        path = f"{field}.{reader.fields[target].name}" if field else reader.fields[target].name
        steps.append((target, resolve(source.type, reader.fields[target].type, path)))
    filled = tuple(i for i in range(len(reader.fields)) if i not in taken)
    for i in filled:
        if reader.fields[i].default is MISSING:
            name = f"{field}.{reader.fields[i].name}" if field else reader.fields[i].name
            raise _refuse(name, f"the writer's {writer.name} does not have it, and the reader's has no default for it")
    return Fields(reader, tuple(steps), filled)


def _targets(writer: Sequence[Field], reader: Sequence[Field]) -> list[int | None]:
    """The reader's field for each field of the writer: by its name first, then by an alias, each once."""
    by_name = {f.name: i for i, f in enumerate(reader)}
    by_alias: dict[str, list[int]] = {}
    for i, f in enumerate(reader):
        for alias in f.aliases:
            by_alias.setdefault(alias, []).append(i)
    targets = [by_name.get(f.name) for f in writer]
    taken = {t for t in targets if t is not None}
    for position, field in enumerate(writer):
        if targets[position] is None:
            found = next((i for i in by_alias.get(field.name, ()) if i not in taken), None)
            targets[position] = found
            taken |= set() if found is None else {found}
    return targets
