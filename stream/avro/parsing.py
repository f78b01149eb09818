"""JSON to the types of a schema, with every mistake found and where it is.

Refused beyond what the specification refuses: a type that contains itself, because it has no columns,
and schemas that spell out to more than MAX_TYPES types, because a few lines can describe billions.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from stream.avro import defaults
from stream.avro.types import (
    MISSING,
    NULL,
    PRIMITIVES,
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
    children,
)

MAX_TYPES: Final = 10_000
"""Types of a schema with every use of a named type spelled out."""
MAX_FIXED_BYTES: Final = 65_536
"""Of a fixed: in a column a null of it takes as much as a value."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGICAL: Final = {
    "date": "int",
    "time-millis": "int",
    "time-micros": "long",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "timestamp-nanos": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long",
    "uuid": "string",
}
_FIXED_LOGICAL: Final = {"duration": 12, "uuid": 16}
_COMPLEX: Final = ("record", "error", "enum", "fixed", "array", "map")
Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """A mistake in a schema; path leads to it in the JSON."""

    path: Path
    message: str


class Builder:
    """Turns the JSON of one schema into types; `faults` has what was wrong, all of it."""

    def __init__(self, json: Any, named: Mapping[str, Type] | None = None) -> None:
        self.json = json
        self.named: dict[str, Type] = dict(named or {})
        self.faults: list[Fault] = []
        self._open: dict[str, Path] = {}
        self._weights: dict[int, int] = {}

    def build(self) -> Type:
        """The type that the JSON describes; NULL in place of whatever is wrong in it."""
        return self._type(self.json, (), "")

    def _type(self, json: Any, path: Path, namespace: str) -> Type:  # noqa: PLR0911 (one return a form)
        match json:
            case str():
                return self._reference(json, path, namespace)
            case list():
                return self._union(json, path, namespace)
            case {"type": str(name)} if name in _COMPLEX:
                return self._complex(name, json, path, namespace)
            case {"type": str(name)} if name in PRIMITIVES:
                return Primitive(name, _logical(json, name))
            case {"type": str(name)}:
                return self._reference(name, (*path, "type"), namespace)
            case {"type": _}:
                return self._fault((*path, "type"), '"type" must be a name; put a nested type where it is used')
            case dict():
                return self._fault(path, 'a type needs a "type"')
        return self._fault(path, f"a type is a name, an object or a list, not {_json_kind(json)}")

    def _fault(self, path: Path, message: str) -> Type:
        self.faults.append(Fault(path, message))
        return NULL

    def _complex(self, name: str, json: Any, path: Path, namespace: str) -> Type:
        if name in ("array", "map"):
            part = "items" if name == "array" else "values"
            if part not in json:
                return self._fault(path, f'a type "{name}" needs "{part}"')
            inner = self._type(json[part], (*path, part), namespace)
            return Array(inner) if name == "array" else Map(inner)
        full = self._full_name(json, path, namespace)
        if full is None:
            return NULL
        space = full.rpartition(".")[0]
        aliases = self._aliases(json, path, space)
        match name:
            case "enum":
                built = self._enum(json, path, full, aliases)
            case "fixed":
                built = self._fixed(json, path, full, aliases)
            case _:
                self._open[full] = path
                built = Record(full, self._fields(json, path, space), aliases)
                del self._open[full]
        self.named[full] = built
        return built

    def _reference(self, name: str, path: Path, namespace: str) -> Type:
        if name in PRIMITIVES:
            return Primitive(name)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        if full in self._open:
            steps = field_names(self.json, path)[len(field_names(self.json, self._open[full])) :]
            inside = f"record {full} contains itself through {'.'.join(steps) or 'its own fields'}"
            return self._fault(path, f"{inside}; a recursive type has no columns, so it cannot be used here")
        if full in self.named:
            return self.named[full]
        meant = difflib.get_close_matches(name, [*PRIMITIVES, *_COMPLEX, *self.named], n=1)
        hint = f'; did you mean "{meant[0]}"?' if meant else ""
        return self._fault(path, f'"{full}" is neither an Avro type nor a type named before it{hint}')

    def _union(self, json: list[Any], path: Path, namespace: str) -> Type:
        branches = tuple(self._type(b, (*path, i), namespace) for i, b in enumerate(json))
        if not branches:
            return self._fault(path, "a union needs at least one type")
        names = [branch_name(b) for b in branches]
        for i, branch in enumerate(branches):
            if isinstance(branch, Union):
                self._fault((*path, i), "a union may not stand directly inside a union")
            elif names[i] in names[:i] and not any(f.path[: len(path) + 1] == (*path, i) for f in self.faults):
                self._fault((*path, i), f'"{names[i]}" stands twice in this union')
        return Union(branches)

    def _enum(self, json: Any, path: Path, full: str, aliases: tuple[str, ...]) -> Type:
        symbols = json.get("symbols")
        if not isinstance(symbols, list) or not symbols or not all(_is_name(s) for s in symbols):
            return self._fault(path, 'an enum needs "symbols", a list of names of letters, digits and _')
        if len(set(symbols)) < len(symbols):
            twice = next(s for s, times in Counter(symbols).items() if times > 1)
            return self._fault((*path, "symbols"), f'symbol "{twice}" stands twice')
        default = json.get("default")
        if default is not None and default not in symbols:
            return self._fault((*path, "default"), "the default of an enum must be one of its symbols")
        return Enum(full, tuple(symbols), default, aliases)

    def _fixed(self, json: Any, path: Path, full: str, aliases: tuple[str, ...]) -> Type:
        size = json.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            return self._fault(path, 'a fixed needs "size", a whole number of bytes')
        if size > MAX_FIXED_BYTES:
            return self._fault(
                path, f'a fixed of more than {MAX_FIXED_BYTES} bytes; "bytes" takes as many as there are'
            )
        return Fixed(full, size, aliases, _fixed_logical(json, size))

    def _fields(self, json: Any, path: Path, namespace: str) -> tuple[Field, ...]:
        fields = json.get("fields")
        if not isinstance(fields, list):
            self._fault(path, 'a record needs "fields", a list')
            return ()
        built: dict[str, Field] = {}
        for i, field in enumerate(fields):
            at = (*path, "fields", i)
            if not isinstance(field, dict) or not _is_name(field.get("name")) or "type" not in field:
                self._fault(at, 'a field is an object with a "name" of letters, digits and _, and a "type"')
            elif field["name"] in built:
                self._fault((*at, "name"), f'field "{field["name"]}" stands twice in this record')
            else:
                built[field["name"]] = self._field(field, at, namespace)
        return tuple(built.values())

    def _field(self, json: Any, path: Path, namespace: str) -> Field:
        before = len(self.faults)
        of = self._type(json["type"], (*path, "type"), namespace)
        aliases = json.get("aliases", [])
        if not isinstance(aliases, list) or not all(_is_name(a) for a in aliases):
            self._fault((*path, "aliases"), "aliases are a list of names")
            aliases = []
        default = json.get("default", MISSING)
        if default is not MISSING and len(self.faults) == before and self._weigh(of, path):
            wrong = defaults.mismatch(of, default)
            if wrong:
                self._fault((*path, "default"), f"the default does not fit the type: {wrong}")
        return Field(json["name"], of, default, tuple(aliases))

    def _full_name(self, json: Any, path: Path, namespace: str) -> str | None:
        name, space = json.get("name"), json.get("namespace", namespace)
        if not isinstance(name, str) or not isinstance(space, str):
            self._fault(path, f'a type "{json["type"]}" needs a "name"')
            return None
        full = name if "." in name or not space else f"{space}.{name}"
        if not all(map(_is_name, full.split("."))) or full in PRIMITIVES:
            self._fault((*path, "name"), f'"{full}" cannot be a name: letters, digits and _, parts joined by dots')
            return None
        if full in self.named or full in self._open:
            self._fault((*path, "name"), f'"{full}" is named twice')
            return None
        return full

    def _aliases(self, json: Any, path: Path, namespace: str) -> tuple[str, ...]:
        aliases = json.get("aliases", [])
        if not isinstance(aliases, list) or not all(isinstance(a, str) for a in aliases):
            self._fault((*path, "aliases"), "aliases are a list of names")
            return ()
        return tuple(a if "." in a or not namespace else f"{namespace}.{a}" for a in aliases)

    def _weigh(self, of: Type, path: Path) -> bool:
        """Whether a type spells out to at most MAX_TYPES types, so that walking it ends soon."""
        if weight(of, self._weights) <= MAX_TYPES:
            return True
        self._fault(path, f"spelled out this is more than {MAX_TYPES} types")
        return False


def weight(of: Type, known: dict[int, int]) -> int:
    """Types that a type spells out to, itself included; `known` is by object, for named types in many places."""
    if id(of) not in known:
        known[id(of)] = 1 + sum(weight(c, known) for c in children(of))
    return known[id(of)]


def field_names(root: Any, path: Iterable[str | int]) -> list[str]:
    """The names of the fields that a path through a schema's JSON leads over."""
    names: list[str] = []
    at, before = root, ""
    for step in path:
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            break
        if before == "fields" and isinstance(at, dict):
            names.append(str(at.get("name", step)))
        before = str(step)
    return names


def _logical(json: Any, base: str) -> Logical | None:
    name = json.get("logicalType")
    if name == "decimal" and base == "bytes":
        return _decimal(json, None)
    return Logical(name) if isinstance(name, str) and _LOGICAL.get(name) == base else None


def _fixed_logical(json: Any, size: int) -> Logical | None:
    name = json.get("logicalType")
    if name == "decimal":
        return _decimal(json, size)
    return Logical(name) if isinstance(name, str) and _FIXED_LOGICAL.get(name) == size else None


def _decimal(json: Any, size: int | None) -> Logical | None:
    precision, scale = json.get("precision"), json.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision or precision < 1:
        return None
    fits = size is None or (size > 0 and precision <= math.floor(math.log10(2) * (8 * size - 1)))
    return Logical("decimal", precision, scale) if fits else None


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _json_kind(json: Any) -> str:
    return {type(None): "null", bool: "a boolean", int: "a number", float: "a number"}.get(type(json), "this")
