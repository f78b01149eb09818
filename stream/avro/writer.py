"""Columns of a batch to encoded events of one topic: fields filled by name, checked against the schema at start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from stream.avro.assignment import Convert, UnassignableError, assign, constant, describe, meant
from stream.avro.codec import OUT_OF_RANGE, Encoded, Rejected
from stream.avro.schema import Schema
from stream.avro.selection import choose_encoder
from stream.avro.store import SchemaStore
from stream.avro.types import MISSING, Field
from stream.batch import META_SCHEMA, Batch, resolve
from stream.errors import ConfigurationError, Problem, SystemicError, UnreachableError

MAX_NAMES: Final = 30
"""Column names that a message lists."""


class EventWriter:
    """Writes batches with the given columns as events of one schema.

    A field takes the column of its name, a meta column included; one without a column takes its default.
    codec is "auto", "native" or "reference". Raises ConfigurationError with every field that nothing
    fills, or whose column it does not take.
    """

    def __init__(
        self, topic: str, schema: Schema, store: SchemaStore, columns: pa.Schema, *, codec: str = "auto"
    ) -> None:
        self._topic, self._schema, self._store = topic, schema, store
        problems: list[Problem] = []
        self._sources: list[_Source | _Default] = []
        for field in schema.root.fields:
            try:
                self._sources.append(_source(field, columns))
            except UnassignableError as error:
                problems.append(Problem(f"output field `{field.name}` of {schema.place or schema.name}: {error}"))
        if problems:
            raise ConfigurationError(problems)
        self._encoder, self.codec_name = choose_encoder(schema, codec)
        self._prefix: bytes | None = None

    def register(self) -> None:
        """Register the schema where there is a registry; `write` does it when nobody has before.

        Raises ConfigurationError with the registry's reason when it refuses, UnreachableError when it
        does not answer.
        """
        if self._prefix is None:
            self._prefix = self._store.prefix(self._topic, self._schema)

    def write(self, batch: Batch) -> Encoded:
        """Encode every row that the schema takes; `rows` and those of `rejected` are indexes into batch.

        Reasons are "out_of_range" and "null_field". Raises SystemicError when the schema has not been
        registered and cannot be now, ConfigurationError when the registry refuses it.
        """
        prefix = self._registered()
        try:
            return self._encoder.encode(self._columns(batch), prefix)
        except pa.ArrowInvalid:
            # Some value does not fit its field. That is rare, so the rows are looked for only now.
            rejected = self._misfits(batch)
        keep = np.ones(len(batch), bool)
        keep[[r.row for r in rejected]] = False
        kept = np.flatnonzero(keep)
        encoded = self._encoder.encode(self._columns(batch.filter(keep)), prefix)
        moved = [r._replace(row=int(kept[r.row])) for r in encoded.rejected]
        everything = sorted([*rejected, *moved], key=lambda r: r.row)
        return Encoded(encoded.values, encoded.offsets, kept[encoded.rows], everything)

    def _registered(self) -> bytes:
        try:
            self.register()
        except UnreachableError as error:
            raise SystemicError("registry", str(error)) from error
        assert self._prefix is not None, "register leaves one"
        return self._prefix

    def _columns(self, batch: Batch) -> pa.RecordBatch:
        if not self._sources:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(batch), pa.struct([])))
        return pa.RecordBatch.from_arrays([s.fill(batch) for s in self._sources], schema=self._schema.arrow)

    def _misfits(self, batch: Batch) -> list[Rejected]:
        rejected: dict[int, Rejected] = {}
        for source in self._sources:
            for row in source.misfits(batch):
                rejected.setdefault(row, Rejected(row, OUT_OF_RANGE, source.detail))
        return list(rejected.values())


class _Source:
    """Where the values of one field come from."""

    def __init__(self, field: Field, convert: Convert) -> None:
        self._name, self._convert = field.name, convert
        self.detail = f"field {field.name}: a value that {describe(field.type)} does not take"

    def fill(self, batch: Batch) -> pa.Array:
        return self._convert(batch.column(self._name))

    def misfits(self, batch: Batch) -> list[int]:
        """The rows whose value does not fit, found by halving."""
        column = batch.column(self._name)
        bad: list[int] = []
        open_parts = [(0, len(column))]
        while open_parts:
            start, stop = open_parts.pop()
            if start == stop or _fits(self._convert, column.slice(start, stop - start)):
                continue
            middle = (start + stop) // 2
            if middle == start:
                bad.append(start)
            else:
                open_parts += [(start, middle), (middle, stop)]
        return bad


class _Default:
    """A field that no column fills."""

    detail = ""

    def __init__(self, field: Field) -> None:
        self._fill: Callable[[int], pa.Array] = constant(field.type, field.default)

    def fill(self, batch: Batch) -> pa.Array:
        return self._fill(len(batch))

    def misfits(self, batch: Batch) -> list[int]:
        return []


def _fits(convert: Convert, column: pa.Array) -> bool:
    try:
        convert(column)
    except pa.ArrowInvalid:
        return False
    return True


def _source(field: Field, columns: pa.Schema) -> _Source | _Default:
    column = resolve(columns, field.name)
    if column is not None:
        return _Source(field, assign(column.type, field.type, field.name))
    if field.default is not MISSING:
        return _Default(field)
    names = [*columns.names, *META_SCHEMA.names]
    listed = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    raise UnassignableError(f"no column of that name; columns are {listed}{meant(field.name, names)}")
