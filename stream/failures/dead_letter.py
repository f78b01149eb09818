"""A failed event as a record for the dead-letter topic: the original, and why it is there.

Headers (UTF-8 text, numbers decimal): `__streams.errors.*` as Kafka Streams 4.2 writes them (KIP-1034),
and our own `stream.*`. On a further failure they are replaced, never stacked, so a message cannot grow
with every round; the first origin stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stream.batch import Failure, Header, Messages, Record

STREAMS: Final = "__streams.errors."
OWN: Final = "stream."
MAX_TEXT_CHARS: Final = 1000
"""Longest text of one header; longer ones are cut."""
POINTER: Final[Header] = ("stream.pointer", b"true")
ATTEMPTS: Final = "stream.attempts"
FIRST_FAILED: Final = "stream.first-failed"
ORIGIN: Final = (STREAMS + "topic", STREAMS + "partition", STREAMS + "offset")


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Makes the records of one pipeline's dead-letter topic; max_bytes bounds key + value + headers."""

    topic: str
    pipeline: str
    max_bytes: int = 1_000_000

    def record(self, failure: Failure, messages: Messages, now_ms: int) -> Record:
        """The original key, value, headers and timestamp plus the error headers.

        An event that together with them would be too large becomes a pointer: no value, and
        `stream.pointer` = "true"; the origin headers say where to read it.
        """
        row = failure.row
        key, value = messages.key(row), messages.value(row)
        errors = self._error_headers(failure, messages, now_ms)
        kept = [h for h in messages.headers_of(row) if not h[0].startswith((STREAMS, OWN))]
        headers = [*kept, *errors]
        if _size(key, value, headers) > self.max_bytes:
            headers, value = [*headers, POINTER], None
        if _size(key, value, headers) > self.max_bytes:  # the event's own headers are what is too large
            headers = [*errors, POINTER]
        return Record(self.topic, key, value, headers, max(0, int(messages.timestamp[row])))

    def _error_headers(self, failure: Failure, messages: Messages, now_ms: int) -> list[Header]:
        earlier = dict(messages.headers_of(failure.row))
        origin = messages.origin(failure.row)
        first = [earlier.get(name) or str(part).encode() for name, part in zip(ORIGIN, origin, strict=True)]
        texts = {
            STREAMS + "exception": f"stream.{failure.kind.capitalize()}Error",
            STREAMS + "message": f"{failure.stage}: {failure.reason}: {failure.detail}".removesuffix(": "),
            STREAMS + "stacktrace": "",
            OWN + "pipeline": self.pipeline,
            OWN + "stage": failure.stage,
            OWN + "class": failure.kind.value,
            OWN + "reason": failure.reason,
            ATTEMPTS: str(_number(earlier.get(ATTEMPTS)) + 1),
            OWN + "failed": str(now_ms),
            **{OWN + name: text for name, text in failure.facts.items()},
        }
        headers: list[Header] = [*zip(ORIGIN, first, strict=True)]
        headers += [(name, text[:MAX_TEXT_CHARS].encode()) for name, text in texts.items()]
        return [*headers, (FIRST_FAILED, earlier.get(FIRST_FAILED) or str(now_ms).encode())]


def _number(text: bytes | None) -> int:
    """A header that another program may have written: what is no number counts as none."""
    return int(text) if text is not None and text.isdigit() else 0


def _size(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    return len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
