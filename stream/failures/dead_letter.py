"""A failed event as a record for the dead-letter topic: the original, and why it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.batch import Failure, Messages, Record
from stream.failures.headers import (
    MAX_ERROR_BYTES,
    POINTER,
    Earlier,
    FirstFailures,
    error_headers,
    own_headers,
    size,
)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Makes the records of one pipeline's dead-letter topic; max_bytes bounds key + value + headers."""

    topic: str
    pipeline: str
    max_bytes: int = 1_000_000

    def record(self, failure: Failure, messages: Messages, now_ms: int, earlier: Earlier | None = None) -> Record:
        """The original key, value, headers and timestamp plus the error headers.

        An event that together with them would be too large becomes a pointer: no value, and
        `stream.pointer` = "true"; the origin headers say where to read it.
        """
        row = failure.row
        key, value = messages.key(row), messages.value(row)
        errors = error_headers(failure, messages, self.pipeline, now_ms, earlier)
        if messages.headers is None and len(key or b"") + len(value or b"") + MAX_ERROR_BYTES <= self.max_bytes:
            return Record(self.topic, key, value, errors, max(0, int(messages.timestamp[row])))
        headers = [*own_headers(messages.headers_of(row)), *errors]
        if size(key, value, headers) > self.max_bytes:
            headers, value = [*headers, POINTER], None
            if size(key, value, headers) > self.max_bytes:  # the event's own headers are what is too large
                headers = [*errors, POINTER]
        return Record(self.topic, key, value, headers, max(0, int(messages.timestamp[row])))

    def records(self, failures: Sequence[Failure], messages: Messages, now_ms: int) -> list[Record]:
        """The same of each of these poison events, for messages none of which has headers."""
        rows = np.array([failure.row for failure in failures], np.int64)
        headers = FirstFailures(self.pipeline, messages, now_ms)
        stamps = np.maximum(messages.timestamp[rows], 0).tolist()
        places = [array[rows].tolist() for array in (messages.topic, messages.partition, messages.offset)]
        room = self.max_bytes - MAX_ERROR_BYTES
        records = []
        for failure, key, value, stamp, place in zip(
            failures, messages.keys_of(rows), messages.values_of(rows), stamps, zip(*places, strict=True), strict=True
        ):
            if len(key or b"") + len(value or b"") > room:
                records.append(self.record(failure, messages, now_ms))
            else:
                records.append(Record(self.topic, key, value, headers.of(failure, *place), stamp))
        return records
