"""The reference codec: plain Python, every schema, every check; slow (some microseconds an event) and simple.

Decoding is one strict walk of our own. fastavro's reader is an oracle of its tests and not the reader: it
takes negative union indexes and trailing bytes, has no limits, puts the JSON of a default where its value
belongs, prefers a promotion to an exact match and does not say which branch of a union a value was; a walk
before it, to check all that, has the values in hand already. Encoding is fastavro's.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stream.arrow import of_values
from stream.avro.codec import TRAILING_BYTES, TRUNCATED, Decoded, Encoded, Limits, Rejected
from stream.avro.decoding import Compiler, Read
from stream.avro.encoding import Value, value_of, values
from stream.avro.resolution import Fields, resolve
from stream.avro.schema import Schema
from stream.avro.types import render
from stream.avro.wire import Cursor
from stream.batch import Int64s
from stream.errors import PoisonError


class ReferenceDecoder:
    """A Decoder; see `codec.py`."""

    def __init__(self, schema: pa.Schema, read: Read, limits: Limits) -> None:
        self.schema = schema
        self._read = read
        self._limits = limits

    def decode(self, values: bytes | memoryview, starts: Int64s, ends: Int64s) -> Decoded:
        """Decode n data, values[starts[i]:ends[i]] each; a bad one is rejected and costs no other."""
        records: list[list[Any]] = []
        rows: list[int] = []
        rejected: list[Rejected] = []
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            try:
                records.append(self._record(bytes(values[start:end])))
                rows.append(row)
            except IndexError:
                rejected.append(Rejected(row, TRUNCATED, "the data ends inside a value"))
            except PoisonError as error:
                rejected.append(Rejected(row, error.reason, error.detail))
        return Decoded(record_batch(records, self.schema), np.array(rows, np.int64), rejected)

    def _record(self, data: bytes) -> list[Any]:
        cursor = Cursor(data, self._limits)
        record: list[Any] = self._read(cursor)
        if cursor.pos < len(data):
            raise PoisonError(TRAILING_BYTES, f"{len(data) - cursor.pos} bytes behind the datum")
        return record


def compile_decoder(writer: Schema, reader: Schema, limits: Limits) -> ReferenceDecoder:
    """Raises PoisonError("unresolvable") when `resolvable(writer, reader)` says why not."""
    plan = resolve(writer.root, reader.root)
    assert isinstance(plan, Fields), "the schema of an event is a record"
    read = Compiler(limits.max_depth).fields(plan, depth=1)
    return ReferenceDecoder(reader.arrow, read, limits)


def record_batch(records: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows to columns; a schema of no fields keeps the number of rows."""
    if not schema.names:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(records), pa.struct([])))
    if not records:
        return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
    columns = zip(*records, strict=True)
    arrays = [of_values(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class ReferenceEncoder:
    """An Encoder; see `codec.py`."""

    def __init__(self, schema: Schema) -> None:
        from fastavro import parse_schema

        self._parsed = parse_schema(render(schema.root, logical=False))
        self._fields = [(f.name, value_of(f.type, f.name)) for f in schema.root.fields]

    def encode(self, columns: pa.RecordBatch, prefix: bytes) -> Encoded:
        """Encode each row; one with a value that its field does not take is rejected and costs no other."""
        from fastavro import schemaless_writer

        refused: dict[int, PoisonError] = {}
        data = [
            _convert(values(c), value, refused) for c, (_, value) in zip(columns.columns, self._fields, strict=True)
        ]
        names = [name for name, _ in self._fields]
        out, offsets = io.BytesIO(), [0]
        rows = [row for row in range(columns.num_rows) if row not in refused]
        for row in rows:
            out.write(prefix)
            schemaless_writer(out, self._parsed, {n: column[row] for n, column in zip(names, data, strict=True)})
            offsets.append(out.tell())
        rejected = [Rejected(row, refused[row].reason, refused[row].detail) for row in sorted(refused)]
        return Encoded(out.getvalue(), np.array(offsets, np.int64), np.array(rows, np.int64), rejected)


def compile_encoder(schema: Schema) -> ReferenceEncoder:
    return ReferenceEncoder(schema)


def _convert(column: list[Any], value: Value, refused: dict[int, PoisonError]) -> list[Any]:
    converted: list[Any] = []
    for row, v in enumerate(column):
        try:
            converted.append(value(v))
        except PoisonError as error:
            converted.append(None)
            refused.setdefault(row, error)
    return converted
