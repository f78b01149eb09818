"""The headers that a failed event carries, and reading them back.

`__streams.errors.*` as Kafka Streams 4.2 writes them (KIP-1034), and our own `stream.*`; UTF-8 text, numbers
decimal. On a further failure they are replaced, never stacked, so a message cannot grow with every round;
the first origin stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from stream.batch import Failure, Header, Messages, Origin

STREAMS: Final = "__streams.errors."
OWN: Final = "stream."
PREFIXES: Final = (STREAMS, OWN)
ORIGIN: Final = (STREAMS + "topic", STREAMS + "partition", STREAMS + "offset")
ATTEMPTS: Final = "stream.attempts"
FIRST_FAILED: Final = "stream.first-failed"
DUE: Final = "stream.due"
"""Not to be tried again before: ms since the epoch."""
TIMESTAMP: Final = "stream.timestamp"
"""The event's own timestamp in ms: that of a retry is when it was written, or retention would eat it."""
POINTER: Final[Header] = ("stream.pointer", b"true")
MAX_TEXT_CHARS: Final = 1000
"""Longest text of one header; longer ones are cut."""


def error_headers(failure: Failure, messages: Messages, pipeline: str, now_ms: int) -> list[Header]:
    """Where the event came from first, why it failed this time, and how often it was tried."""
    earlier = dict(messages.headers_of(failure.row))
    origin = messages.origin(failure.row)
    first = [earlier.get(name) or str(part).encode() for name, part in zip(ORIGIN, origin, strict=True)]
    texts = {
        STREAMS + "exception": f"stream.{failure.kind.capitalize()}Error",
        STREAMS + "message": f"{failure.stage}: {failure.reason}: {failure.detail}".removesuffix(": "),
        STREAMS + "stacktrace": "",
        OWN + "pipeline": pipeline,
        OWN + "stage": failure.stage,
        OWN + "class": failure.kind.value,
        OWN + "reason": failure.reason,
        ATTEMPTS: str(attempts_of(messages, failure.row)),
        OWN + "failed": str(now_ms),
        **{OWN + name: text for name, text in failure.facts.items()},
    }
    headers: list[Header] = [*zip(ORIGIN, first, strict=True)]
    headers += [(name, text[:MAX_TEXT_CHARS].encode()) for name, text in texts.items()]
    return [*headers, (FIRST_FAILED, earlier.get(FIRST_FAILED) or str(now_ms).encode())]


def attempts_of(messages: Messages, row: int) -> int:
    """How often the event was tried, this time included."""
    return (number(dict(messages.headers_of(row)).get(ATTEMPTS)) or 0) + 1


def own_headers(headers: Iterable[Header]) -> list[Header]:
    """The event's own headers, without those of a failure."""
    return [header for header in headers if not header[0].startswith(PREFIXES)]


def origin_of(headers: Sequence[Header]) -> Origin | None:
    """Where the event was read first, or None when the headers do not say."""
    found = dict(headers)
    topic, partition, offset = (found.get(name) for name in ORIGIN)
    place = number(partition), number(offset)
    if topic is None or place[0] is None or place[1] is None:
        return None
    return Origin(topic.decode(errors="replace"), place[0], place[1])


def number(text: bytes | None) -> int | None:
    """A header that another program may have written: what is no number counts as none."""
    return int(text) if text is not None and len(text) < 20 and text.isdigit() else None


def size(key: bytes | None, value: bytes | None, headers: Iterable[Header]) -> int:
    """Bytes of a message as it is produced, less what the client adds around it."""
    return len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
