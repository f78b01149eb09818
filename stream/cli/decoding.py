"""Messages as plain values for people, each as whoever wrote it meant it; and keys taken from events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from stream.avro import Decoder, Limits, Schema, SchemaStore, choose_decoder
from stream.avro.framing import STAGE, Frame, take_off
from stream.avro.lru import Lru
from stream.batch import Batch, Failure, FailureClass, Messages, failures_of, pack, resolve
from stream.errors import ConfigurationError, PoisonError, SystemicError
from stream.suggestion import did_you_mean

MAX_DECODERS: Final = 100


@dataclass(slots=True)
class PlainReader:
    """Decodes by the schema that each message names; with `reader` as that one sees it."""

    store: SchemaStore
    reader: Schema | None = None
    codec: str = "auto"
    _decoders: Lru[Frame, Decoder] = field(default_factory=lambda: Lru(MAX_DECODERS))

    def read(self, messages: Messages) -> list[dict[str, Any] | Failure]:
        """One answer a message: the event as a dict, or a Failure. A registry that is away is one too."""
        framed = take_off(messages)
        answers: dict[int, dict[str, Any] | Failure] = {failure.row: failure for failure in framed.failures}
        for frame, rows in framed.groups():
            try:
                decoder = self._decoder(frame)
            except (PoisonError, SystemicError) as error:
                answers.update({f.row: f for f in failures_of(rows, STAGE, error.reason, error.detail)})
                continue
            decoded = decoder.decode(messages.values, framed.starts[rows], framed.ends[rows])
            events = decoded.columns.to_pylist(maps_as_pydicts="lossy")
            answers.update(zip(rows[decoded.rows].tolist(), events, strict=True))
            for row, reason, detail in decoded.rejected:
                answers[int(rows[row])] = Failure(int(rows[row]), STAGE, FailureClass.POISON, reason, detail)
        return [answers[row] for row in range(len(messages))]

    def _decoder(self, frame: Frame) -> Decoder:
        decoder = self._decoders.get(frame)
        if decoder is None:
            writer = self.store.writer_schema(frame)
            decoder = choose_decoder(writer, self.reader or writer, Limits(), self.codec).decoder
            self._decoders.put(frame, decoder)
        return decoder


class Keys:
    """The keys that a field of the events gives: text as it is, bytes as they are, numbers in decimal."""

    def __init__(self, schema: Schema, path: str) -> None:
        """Raises ConfigurationError when there is no such field, or it is no single value."""
        field = resolve(schema.arrow, path)
        if field is None:
            near = did_you_mean(path, schema.arrow.names)
            raise ConfigurationError([f"--key {path}: {schema.name} has no field of that name{near}"])
        if pa.types.is_nested(field.type):
            raise ConfigurationError([f"--key {path}: a {field.type} cannot be a key; name a field of a single value"])
        self._path = path
        self._decoder = choose_decoder(schema, schema.pruned([path.split(".", maxsplit=1)[0]]), Limits()).decoder

    def of(self, values: Sequence[bytes]) -> list[bytes | None]:
        """The key of each datum, without framing; None where the field is null."""
        data, offsets = pack(values)
        decoded = self._decoder.decode(data, offsets[:-1], offsets[1:])
        assert len(decoded.rows) == len(values), "the schema that wrote them reads them"
        column = Batch(Messages.of(values), decoded.rows, decoded.columns).column(self._path)
        binary = pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type)
        return (column if binary else column.cast(pa.string())).cast(pa.binary()).to_pylist()  # type: ignore[no-any-return]
