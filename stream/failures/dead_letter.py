"""A failed event as a record for the dead-letter topic: the original, and why it is there.

Headers (UTF-8 text, numbers decimal): `__streams.errors.*` as Kafka Streams 4.2 writes them (KIP-1034),
and our own `stream.*`. On a further failure they are replaced, never stacked, so a message cannot grow
with every round; the first origin stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stream.batch import Failure, Header, Messages

STREAMS: Final = "__streams.errors."
OWN: Final = "stream."
MAX_TEXT_CHARS: Final = 1000
"""Longest text of one header; longer ones are cut."""
FIRST_FAILED: Final = "stream.first-failed"
ORIGIN: Final = (STREAMS + "topic", STREAMS + "partition", STREAMS + "offset")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What to write for one failed event. value is None for a tombstone and for a mere pointer."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    timestamp: int


def dead_letter(
    failure: Failure, messages: Messages, pipeline: str, now_ms: int, max_bytes: int, attempts: int = 1
) -> DeadLetter:
    """The original key, value, headers and timestamp plus the error headers.

    An event that together with them would be larger than max_bytes (key + value + headers) becomes a
    pointer: no value, and `stream.pointer` = "true"; its origin headers say where to read it.
    """
    row = failure.row
    original = {name: value for name, value in messages.headers_of(row)}
    kept = [(name, value) for name, value in messages.headers_of(row) if not name.startswith((STREAMS, OWN))]
    headers = [*kept, *_error_headers(failure, messages, original, pipeline, now_ms, attempts)]
    key, value = messages.key(row), messages.value(row)
    if _size(key, value, headers) > max_bytes:
        headers, value = [*headers, (OWN + "pointer", b"true")], None
    if _size(key, value, headers) > max_bytes:  # the event's own headers are what is too large
        headers = [h for h in headers if h[0].startswith((STREAMS, OWN))]
    return DeadLetter(key, value, headers, max(0, int(messages.timestamp[row])))


def _error_headers(
    failure: Failure,
    messages: Messages,
    original: Mapping[str, bytes | None],
    pipeline: str,
    now_ms: int,
    attempts: int,
) -> list[Header]:
    origin = messages.origin(failure.row)
    first = [original.get(name) or str(part).encode() for name, part in zip(ORIGIN, origin, strict=True)]
    texts = {
        STREAMS + "exception": f"stream.{failure.kind.capitalize()}",
        STREAMS + "message": f"{failure.stage}: {failure.reason}: {failure.detail}".rstrip(": "),
        STREAMS + "stacktrace": "",
        OWN + "pipeline": pipeline,
        OWN + "stage": failure.stage,
        OWN + "class": failure.kind.value,
        OWN + "reason": failure.reason,
        OWN + "attempts": str(attempts),
        OWN + "failed": str(now_ms),
        **{OWN + name: text for name, text in failure.facts.items()},
    }
    headers: list[Header] = [*zip(ORIGIN, first, strict=True)]
    headers += [(name, text[:MAX_TEXT_CHARS].encode()) for name, text in texts.items()]
    return [*headers, (FIRST_FAILED, original.get(FIRST_FAILED) or str(now_ms).encode())]


def _size(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    return len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
