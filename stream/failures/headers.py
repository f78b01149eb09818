"""The headers that a failed event carries, and reading them back.

`__streams.errors.*` as Kafka Streams 4.2 writes them (KIP-1034), and our own `stream.*`; UTF-8 text, numbers
decimal. On a further failure they are replaced, never stacked, so a message cannot grow with every round;
the first origin stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from stream.batch import Failure, FailureClass, FailureGroup, Header, Messages, Origin

STREAMS: Final = "__streams.errors."
OWN: Final = "stream."
PREFIXES: Final = (STREAMS, OWN)
ORIGIN: Final = (STREAMS + "topic", STREAMS + "partition", STREAMS + "offset")
ATTEMPTS: Final = "stream.attempts"
STAGE_ATTEMPTS: Final = "stream.stage-attempts"
"""Of a retry: at which stages the attempts failed, "http=2,http-2=1", since each stage has a policy of its own."""
FIRST_FAILED: Final = "stream.first-failed"
DUE: Final = "stream.due"
"""Not to be tried again before: ms since the epoch."""
TIMESTAMP: Final = "stream.timestamp"
"""The event's own timestamp in ms: that of a retry is when it was written, or retention would eat it."""
REPLAYS: Final = "stream.replays"
"""How often the event was sent again from the dead letters; it goes along when the event fails again."""
POINTER: Final[Header] = ("stream.pointer", b"true")
MAX_TEXT_CHARS: Final = 1000
"""Longest text of one header; longer ones are cut."""
MAX_TOPIC_CHARS: Final = 249
"""Of a topic's name in Kafka."""
MAX_ERROR_BYTES: Final = 64 * 1024
"""More than the error headers of one event can be, facts included."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The failed attempts of an event so far. by_stage: stage -> how many of them failed there."""

    attempts: int = 0
    first_failed_ms: int | None = None
    by_stage: Mapping[str, int] = field(default_factory=dict)

    def at(self, stage: str) -> int:
        return self.by_stage.get(stage, 0)

    def failed(self, stage: str, now_ms: int) -> Earlier:
        """With one more of them."""
        first = now_ms if self.first_failed_ms is None else self.first_failed_ms
        return Earlier(self.attempts + 1, first, {**self.by_stage, stage: self.at(stage) + 1})


NEVER: Final = Earlier()


def earlier_of(messages: Messages, row: int) -> Earlier:
    """What the headers of a message that waited in a retry tier tell."""
    headers = dict(messages.headers_of(row)) if messages.headers is not None else {}
    if ATTEMPTS not in headers:
        return NEVER
    counts = (part.rpartition("=") for part in (headers.get(STAGE_ATTEMPTS) or b"").decode(errors="replace").split(","))
    by_stage = {stage: number(count.encode()) or 0 for stage, _, count in counts if stage}
    return Earlier(number(headers[ATTEMPTS]) or 0, number(headers.get(FIRST_FAILED)), by_stage)


def stage_attempts(earlier: Earlier) -> Header:
    return STAGE_ATTEMPTS, ",".join(f"{stage}={count}" for stage, count in earlier.by_stage.items()).encode()


def error_headers(
    failure: Failure, messages: Messages, pipeline: str, now_ms: int, earlier: Earlier | None = None
) -> list[Header]:
    """Where the event came from first, why it failed this time, and how often it was tried.

    earlier: attempts that are not in the event's headers, since it was held in its partition.
    """
    found = dict(messages.headers_of(failure.row)) if messages.headers is not None else {}
    origin = origin_in(found) or messages.origin(failure.row)
    known = earlier or earlier_of(messages, failure.row)
    first_failed_ms = now_ms if known.first_failed_ms is None else known.first_failed_ms
    return [
        (ORIGIN[0], origin.topic.encode()),
        (ORIGIN[1], b"%d" % origin.partition),
        (ORIGIN[2], b"%d" % origin.offset),
        *cause_headers(pipeline, failure),
        (ATTEMPTS, b"%d" % (known.attempts + 1)),
        (OWN + "failed", b"%d" % now_ms),
        (FIRST_FAILED, b"%d" % first_failed_ms),
        *([(REPLAYS, found[REPLAYS])] if number(found.get(REPLAYS)) is not None else ()),
    ]


def first_failed(now_ms: int) -> tuple[Header, ...]:
    """The last headers of an event without earlier attempts, as `error_headers` has them."""
    now = b"%d" % now_ms
    return (ATTEMPTS, b"1"), (OWN + "failed", now), (FIRST_FAILED, now)


def cause_headers(pipeline: str, failure: Failure | FailureGroup) -> tuple[Header, ...]:
    """Why an event failed, or all of a group."""
    facts = tuple(failure.facts.items())
    return _cause_headers(pipeline, _Cause(failure.stage, failure.kind, failure.reason, failure.detail, facts))


class _Cause(NamedTuple):
    stage: str
    kind: FailureClass
    reason: str
    detail: str
    facts: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1024)
def _cause_headers(pipeline: str, cause: _Cause) -> tuple[Header, ...]:
    """What all events that fail alike have in common: made once, since a bad hour has many of them."""
    texts = {
        STREAMS + "exception": f"stream.{cause.kind.capitalize()}Error",
        STREAMS + "message": f"{cause.stage}: {cause.reason}: {cause.detail}".removesuffix(": "),
        STREAMS + "stacktrace": "",
        OWN + "pipeline": pipeline,
        OWN + "stage": cause.stage,
        OWN + "class": cause.kind.value,
        OWN + "reason": cause.reason,
        **{OWN + name: text for name, text in cause.facts},
    }
    return tuple((name, text[:MAX_TEXT_CHARS].encode()) for name, text in texts.items())


def own_headers(headers: Iterable[Header]) -> list[Header]:
    """The event's own headers, without those of a failure."""
    return [header for header in headers if not header[0].startswith(PREFIXES)]


def origin_of(headers: Sequence[Header]) -> Origin | None:
    """Where the event was read first, or None when the headers do not say."""
    return origin_in(dict(headers))


def origin_in(found: Mapping[str, bytes | None], prefix: str = STREAMS) -> Origin | None:
    """The same of one family's headers; None too for what is no place in Kafka, since anybody can write a header."""
    topic, partition, offset = (found.get(prefix + name) for name in ("topic", "partition", "offset"))
    return place(topic, number(partition), number(offset))


def place(topic: bytes | None, partition: int | None, offset: int | None) -> Origin | None:
    """None when a part is missing, or not of the size that it can have."""
    if not topic or len(topic) > MAX_TOPIC_CHARS or partition is None or offset is None or partition >> 31:
        return None
    return Origin(topic.decode(errors="replace"), partition, offset)


def number(text: bytes | None) -> int | None:
    """A header that another program may have written: what is no number of 63 bits counts as none."""
    value = int(text) if text is not None and len(text) < 20 and text.isdigit() else -1
    return value if 0 <= value < 1 << 63 else None


def size(key: bytes | None, value: bytes | None, headers: Iterable[Header]) -> int:
    """Bytes of a message as it is produced, less what the client adds around it."""
    total = len(key or b"") + len(value or b"")
    for name, text in headers:
        total += len(name) + len(text or b"")
    return total
