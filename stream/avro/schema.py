"""A parsed Avro record schema: its JSON, its types, its canonical form and fingerprint, its Arrow columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from stream.avro import positions
from stream.avro.arrow import arrow_schema
from stream.avro.parsing import MAX_TYPES, Builder, Fault, field_names, weight
from stream.avro.types import Record, Type, kind, render
from stream.errors import ConfigurationError, Problem

MAX_SCHEMA_BYTES: Final = 1 << 20
MAX_SCHEMA_NESTING: Final = 200
"""Objects and lists inside each other in the JSON of a schema."""
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """One record schema. Two are equal when their canonical forms, fields, defaults and logical types are."""

    root: Record = field(repr=False)
    json: Any = field(repr=False)
    """The schema as it was written."""
    text: str = field(repr=False)
    """Parsing canonical form (Avro specification)."""
    fingerprint: int
    """CRC-64-AVRO of the canonical form, unsigned."""
    arrow: pa.Schema = field(repr=False)
    """One column for each field, by the table in `codec.py`."""
    named: Mapping[str, Type] = field(default_factory=dict, repr=False)
    """The named types it defines or refers to, for schemas that refer to this one."""

    place: str = ""
    """The file it was read from, or what else is known about where it comes from."""

    @property
    def name(self) -> str:
        return self.root.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.root == other.root

    def __hash__(self) -> int:
        return self.fingerprint

    def pruned(self, columns: Iterable[str]) -> Schema:
        """The same schema with only these fields; names that it does not have are passed over."""
        keep = frozenset(columns)
        fields = tuple(f for f in self.root.fields if f.name in keep)
        return self if len(fields) == len(self.root.fields) else _schema(replace(self.root, fields=fields), self.place)


def load_schema(path: Path) -> Schema:
    """The schema of an .avsc file. Raises ConfigurationError with every mistake as file:line:column."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot read the schema: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path}: the schema is not UTF-8 text"]) from error
    return parse_schema(text, str(path))


def parse_schema(text: str, place: str = "", references: Iterable[Schema] = ()) -> Schema:
    """The schema that a JSON text describes; references have named types that it may use.

    Raises ConfigurationError with every mistake, placed at "<place>:line:column". Refused beside what
    the specification refuses: a top level that is no record, a type that contains itself, more than
    MAX_SCHEMA_BYTES, MAX_SCHEMA_NESTING or MAX_TYPES.
    """
    parsed = _load_json(text, place)
    named: dict[str, Type] = {}
    for reference in references:
        named |= reference.named
    builder = Builder(parsed, named)
    root = builder.build()
    faults = builder.faults
    if not faults and not isinstance(root, Record):
        faults = [Fault((), f"the schema of an event is a record, not {kind(root)}")]
    if not faults and weight(root, {}) > MAX_TYPES:
        faults = [Fault((), f"spelled out this schema is more than {MAX_TYPES} types")]
    if faults or not isinstance(root, Record):
        raise ConfigurationError([_problem(fault, text, parsed, place) for fault in faults])
    return _schema(root, place, None if named else parsed, builder.named)


def _load_json(text: str, place: str) -> Any:
    where = f"{place}: " if place else ""
    if len(text) > MAX_SCHEMA_BYTES:
        raise ConfigurationError([f"{where}the schema is longer than {MAX_SCHEMA_BYTES} bytes"])
    if _nesting(text) > MAX_SCHEMA_NESTING:
        raise ConfigurationError([f"{where}the schema is nested deeper than {MAX_SCHEMA_NESTING} levels"])
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"{place or 'schema'}:{error.lineno}:{error.colno}"
        raise ConfigurationError([Problem(f"not JSON: {error.msg}", place=at)]) from error
    except ValueError as error:
        raise ConfigurationError([f"{where}the schema has a number that is too long"]) from error


def _nesting(text: str) -> int:
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _problem(fault: Fault, text: str, parsed: Any, place: str) -> Problem:
    names = ".".join(field_names(parsed, fault.path))
    line, column = positions.line_and_column(text, positions.index_of(text, fault.path))
    message = f"field {names}: {fault.message}" if names else fault.message
    return Problem(message, place=f"{place or 'schema'}:{line}:{column}")


def _schema(root: Record, place: str, written: Any = None, named: Mapping[str, Type] | None = None) -> Schema:
    from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

    rendered = render(root)
    canonical = to_parsing_canonical_form(parse_schema(render(root, logical=False)))
    crc = int.from_bytes(bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")), "little")
    return Schema(root, written or rendered, canonical, crc, arrow_schema(root), named or {}, place)
