"""Columns of a batch to encoded events of one topic: fields filled by name, checked against the schema at start."""

from __future__ import annotations

import pyarrow as pa

from stream.avro.codec import Encoded
from stream.avro.filling import fill_from
from stream.avro.schema import Schema
from stream.avro.selection import choose_encoder
from stream.avro.store import SchemaStore
from stream.batch import Batch
from stream.errors import SystemicError, UnreachableError


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
        self._filling = fill_from(columns, schema)
        self._names = self._filling.names
        self._encoder, self.codec_name = choose_encoder(schema, codec)
        self._prefix: bytes | None = None

    @property
    def reads(self) -> frozenset[str]:
        """Columns, by name, that fill the fields."""
        return frozenset(self._names)

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
        columns = {name: batch.column(name) for name in self._names}
        return self._filling.encode(columns, len(batch), self._encoder, self._registered())

    def _registered(self) -> bytes:
        try:
            self.register()
        except UnreachableError as error:
            raise SystemicError("registry", str(error)) from error
        assert self._prefix is not None, "register leaves one"
        return self._prefix
