"""A failed event as a record for the dead-letter topic: the original, and why it is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.batch import Failure, Failures, Messages, Record, RecordList
from stream.failures.headers import (
    MAX_ERROR_BYTES,
    ORIGIN,
    POINTER,
    Earlier,
    cause_headers,
    error_headers,
    first_failed,
    own_headers,
    size,
)
from stream.failures.letters import Letters


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

    def records(self, failures: Failures, messages: Messages, now_ms: int) -> RecordList:
        """The same of each of these poison events, in the order of their rows, for messages without headers."""
        rows, cause = failures.places()
        sizes = np.diff(messages.value_offsets)[rows] + np.diff(messages.key_offsets)[rows]
        if sizes.max(initial=0) > self.max_bytes - MAX_ERROR_BYTES:
            return [self.record(failure, messages, now_ms) for failure in failures]
        causes = [cause_headers(self.pipeline, group) for group in failures.groups]
        return Letters(self.topic, messages, rows, cause, causes, first_failed(now_ms), ORIGIN)
