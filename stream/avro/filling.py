"""The columns of an encoder filled from columns at hand, by name, with a verdict for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from stream.arrow import of_booleans
from stream.avro.assignment import Convert, UnassignableError, assign, constant, describe, meant
from stream.avro.codec import OUT_OF_RANGE, Encoded, Encoder, Rejected
from stream.avro.schema import Schema
from stream.avro.types import MISSING, Field
from stream.batch import META_SCHEMA, resolve
from stream.errors import ConfigurationError, Problem

MAX_NAMES: Final = 30
"""Column names that a message lists."""


@dataclass(frozen=True, slots=True)
class Source:
    """A field that the column of its name fills."""

    field: Field
    convert: Convert

    def misfits(self, column: pa.Array) -> list[int]:
        """The rows whose value does not fit, found by halving."""
        bad: list[int] = []
        parts = [(0, len(column))]
        while parts:
            start, stop = parts.pop()
            if start == stop or _fits(self.convert, column.slice(start, stop - start)):
                continue
            middle = (start + stop) // 2
            if middle == start:
                bad.append(start)
            else:
                parts += [(start, middle), (middle, stop)]
        return bad


@dataclass(frozen=True, slots=True)
class Filling:
    """How the fields of a schema are filled; a field is a Source, or a default's column of n rows."""

    schema: Schema
    fields: Sequence[Source | Callable[[int], pa.Array]]

    @property
    def names(self) -> list[str]:
        """The columns that are needed."""
        return [f.field.name for f in self.fields if isinstance(f, Source)]

    def encode(self, columns: Mapping[str, pa.Array], n: int, encoder: Encoder, prefix: bytes) -> Encoded:
        """Encode n rows; one with a value that its field does not take is rejected and costs no other."""
        try:
            return encoder.encode(self._fill(columns, n), prefix)
        except pa.ArrowInvalid:
            # Some value does not fit its field. That is rare, so the rows are looked for only now.
            rejected = self._misfits(columns)
        keep = np.ones(n, bool)
        keep[[r.row for r in rejected]] = False
        kept = np.flatnonzero(keep)
        rest = {name: column.filter(of_booleans(keep)) for name, column in columns.items()}
        encoded = encoder.encode(self._fill(rest, len(kept)), prefix)
        moved = [r._replace(row=int(kept[r.row])) for r in encoded.rejected]
        everything = sorted([*rejected, *moved], key=lambda r: r.row)
        return Encoded(encoded.values, encoded.offsets, kept[encoded.rows], everything)

    def _fill(self, columns: Mapping[str, pa.Array], n: int) -> pa.RecordBatch:
        if not self.fields:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * n, pa.struct([])))
        arrays = [f.convert(columns[f.field.name]) if isinstance(f, Source) else f(n) for f in self.fields]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema.arrow)

    def _misfits(self, columns: Mapping[str, pa.Array]) -> list[Rejected]:
        rejected: dict[int, Rejected] = {}
        for source in self.fields:
            if isinstance(source, Source):
                detail = f"field {source.field.name}: a value that {describe(source.field.type)} does not take"
                for row in source.misfits(columns[source.field.name]):
                    rejected.setdefault(row, Rejected(row, OUT_OF_RANGE, detail))
        return list(rejected.values())


def fill_from(
    columns: pa.Schema, schema: Schema, *, what: str = "output field", meta: bool = True, loose: bool = False
) -> Filling:
    """How columns fill a schema: a field takes the column of its name, or its default without one.

    meta says that the meta columns are there too, loose is as for `assign`. Raises ConfigurationError
    with every field that nothing fills, or whose column it does not take.
    """
    problems: list[Problem] = []
    fields: list[Source | Callable[[int], pa.Array]] = []
    for field in schema.root.fields:
        try:
            fields.append(_source(field, columns, meta, loose))
        except UnassignableError as error:
            problems.append(Problem(f"{what} `{field.name}` of {schema.place or schema.name}: {error}"))
    if problems:
        raise ConfigurationError(problems)
    return Filling(schema, fields)


def _source(field: Field, columns: pa.Schema, meta: bool, loose: bool) -> Source | Callable[[int], pa.Array]:
    column = resolve(columns, field.name) if meta or field.name in columns.names else None
    if column is not None:
        return Source(field, assign(column.type, field.type, field.name, loose=loose))
    if field.default is not MISSING:
        return constant(field.type, field.default)
    names = [*columns.names, *(META_SCHEMA.names if meta else ())]
    listed = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    raise UnassignableError(f"no column of that name; columns are {listed}{meant(field.name, names)}")


def _fits(convert: Convert, column: pa.Array) -> bool:
    try:
        convert(column)
    except pa.ArrowInvalid:
        return False
    return True
