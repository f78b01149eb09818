"""Messages as plain values for people: each event as whoever wrote it meant it, or why it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from stream.avro import Decoder, Limits, Schema, SchemaStore, choose_decoder
from stream.avro.framing import STAGE, Frame, take_off
from stream.avro.lru import Lru
from stream.batch import Failure, FailureClass, Messages, failures_of
from stream.errors import PoisonError, SystemicError

MAX_DECODERS: Final = 100


@dataclass(slots=True)
class PlainReader:
    """Decodes by the schema that each message names; with `reader` as that one sees it."""

    store: SchemaStore
    reader: Schema | None = None
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
            decoder = choose_decoder(writer, self.reader or writer, Limits()).decoder
            self._decoders.put(frame, decoder)
        return decoder
