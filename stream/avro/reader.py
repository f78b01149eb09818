"""Messages of a poll to one batch of columns: framing off, grouped by writer schema, decoded, joined in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from stream.arrow import of_numbers
from stream.avro.codec import Decoder, Limits
from stream.avro.framing import STAGE, Frame, take_off
from stream.avro.lru import Lru
from stream.avro.reference import record_batch
from stream.avro.schema import Schema
from stream.avro.selection import NATIVE, choose_decoder
from stream.avro.store import SchemaStore
from stream.batch import Batch, Failure, FailureClass, Int64s, Messages, Result, failures_of
from stream.errors import PoisonError

MAX_DECODERS: Final = 100
"""Writer schemas whose compiled decoders are kept."""


class EventReader:
    """Reads events of any writer schema as those of one reader schema.

    columns, when given, are the top-level fields that are needed; the others are passed over: an event that
    ends inside of one is still refused, but what is in it is not judged (text that is not UTF-8, for example).
    codec is "auto", "native" or "reference". Raises ConfigurationError when the native codec is asked for
    and cannot be had.
    """

    def __init__(
        self,
        reader: Schema,
        store: SchemaStore,
        limits: Limits = Limits(),  # noqa: B008 (it is frozen)
        *,
        columns: Iterable[str] | None = None,
        codec: str = "auto",
    ) -> None:
        self.all_columns = reader.arrow
        """What an event has, whether it is needed or not."""
        self._reader = reader if columns is None else reader.pruned(columns)
        self._store = store
        self._limits = limits
        chosen = choose_decoder(reader, self._reader, limits, codec)
        # A writer's schema comes with a message, which must not end the process: from here on what the
        # native codec does not take goes to the reference one, whatever is configured.
        self._codec = "auto" if codec == NATIVE else codec
        self._decoders: Lru[Schema, _Compiled] = Lru(MAX_DECODERS)
        self._last_writer, self._last = reader, _Compiled(chosen.decoder, fallback=False)
        self._decoders.put(reader, self._last)
        self.codec_name = chosen.name
        """The codec for events written with the reader schema: "native", or "reference: " and why."""
        self.fallbacks = 0
        """Messages that went to the reference codec although the native one is in use."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of the batches."""
        return self._reader.arrow

    def read(self, messages: Messages) -> Result:
        """Decode what can be decoded; every other message becomes a Failure of the stage "decode".

        Raises SystemicError("registry") when a schema that is not known yet cannot be asked for.
        """
        framed = take_off(messages)
        failures = list(framed.failures)
        parts: list[tuple[pa.RecordBatch, Int64s]] = []
        for frame, rows in framed.groups():
            try:
                decoder, fallback = self._decoder(frame)
            except PoisonError as error:
                failures += failures_of(rows, STAGE, error.reason, error.detail, schema=str(frame))
                continue
            self.fallbacks += len(rows) if fallback else 0
            decoded = decoder.decode(messages.values, framed.starts[rows], framed.ends[rows])
            parts.append((decoded.columns, rows[decoded.rows]))
            failures += [
                Failure(int(rows[r.row]), STAGE, FailureClass.POISON, r.reason, r.detail, {"schema": str(frame)})
                for r in decoded.rejected
            ]
        columns, kept = _join(parts, self.schema)
        return Result(Batch(messages, kept, columns), sorted(failures, key=lambda f: f.row))

    def _decoder(self, frame: Frame) -> _Compiled:
        writer = self._store.writer_schema(frame)
        if writer is self._last_writer:  # to find two schemas equal takes as long as to decode a thousand events
            return self._last
        self._last = self._compiled(writer)
        self._last_writer = writer
        return self._last

    def _compiled(self, writer: Schema) -> _Compiled:
        compiled = self._decoders.get(writer)
        if compiled is None:
            decoder, name = choose_decoder(writer, self._reader, self._limits, self._codec)
            compiled = _Compiled(decoder, fallback=self.codec_name == NATIVE != name)
            self._decoders.put(writer, compiled)
        return compiled


class _Compiled(NamedTuple):
    decoder: Decoder
    fallback: bool


def _join(parts: Sequence[tuple[pa.RecordBatch, Int64s]], schema: pa.Schema) -> tuple[pa.RecordBatch, Int64s]:
    """All rows in the order of their messages."""
    if not parts:
        return record_batch([], schema), np.zeros(0, np.int64)
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([r for _, r in parts])
    order = np.argsort(rows)
    if not schema.names:
        return record_batch([()] * len(rows), schema), rows[order]
    return pa.concat_batches([c for c, _ in parts]).take(of_numbers(order)), rows[order]
