"""What the headers of a dead letter say, in four families; the first that is there speaks.

__streams.errors.*, stream.*   this product, and Kafka Streams 4.2 (KIP-1034)
__connect.errors.*             Kafka Connect (KIP-298)
__dlq.errors.*                 share groups (KIP-1191)
kafka_dlt-*                    Spring for Apache Kafka: numbers are big-endian, 4 or 8 bytes
kafka_original-*, ...          the same behind Spring's retry topics, which drop the dlt- of the names
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stream.batch import Header, Origin
from stream.failures.headers import (
    ATTEMPTS,
    FIRST_FAILED,
    OWN,
    POINTER,
    REPLAYS,
    STREAMS,
    TIMESTAMP,
    number,
    origin_in,
    place,
)

CONNECT: Final = "__connect.errors."
SHARE: Final = "__dlq.errors."
SPRING: Final = "kafka_dlt-"
SPRING_PLAIN: Final = "kafka_"
"""Spring's retry topics write this in place of it, but for the group (DeadLetterPublishingRecovererFactory)."""
SPRING_PLAIN_NAMES: Final = ("kafka_original-", "kafka_exception-", "kafka_key-exception-")
"""The event's own headers may begin with kafka_ as well."""
SPRING_RETRY: Final = "retry_topic-"
ERRORS: Final = (STREAMS, OWN, CONNECT, SHARE, SPRING, *SPRING_PLAIN_NAMES, SPRING_RETRY)
"""Prefixes of the headers that are about a failure, and not the event's own."""

Headers = Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one dead letter. origin: where the event was read first. Times in ms since the epoch."""

    family: str = "unknown"
    origin: Origin | None = None
    pipeline: str | None = None
    stage: str | None = None
    kind: str | None = None
    reason: str | None = None
    message: str | None = None
    suite: str | None = None
    expectations: str | None = None
    model: str | None = None
    schema: str | None = None
    attempts: int | None = None
    failed_ms: int | None = None
    first_failed_ms: int | None = None
    timestamp_ms: int | None = None
    """The event's own, where the record of the dead letter has another."""
    replays: int = 0
    pointer: bool = False
    """The value is not here: it is to be read at its origin."""


def facts_of(headers: Sequence[Header]) -> Facts:
    """Never fails: what cannot be read counts as not there. Of a header given several times the last counts; of
    Spring's about the origin the first, since each failure appends its own.
    """
    found = dict(headers)
    if any(name.startswith((STREAMS, OWN)) for name in found if name != REPLAYS):
        return _streams(found)
    for prefix, read in ((CONNECT, _connect), (SHARE, _share)):
        if any(name.startswith(prefix) for name in found):
            return read(found)
    if any(name.startswith((SPRING, *SPRING_PLAIN_NAMES)) for name in found):
        return _spring(found, dict(reversed(headers)))
    return Facts(replays=number(found.get(REPLAYS)) or 0)


def event_headers(headers: Sequence[Header]) -> list[Header]:
    """The event's own headers, in their order."""
    return [header for header in headers if not header[0].startswith(ERRORS)]


def _streams(found: Headers) -> Facts:
    exception = _text(found.get(STREAMS + "exception"))
    return Facts(
        family="stream" if OWN + "reason" in found else "streams",
        origin=origin_in(found, STREAMS),
        pipeline=_text(found.get(OWN + "pipeline")),
        stage=_text(found.get(OWN + "stage")),
        kind=_text(found.get(OWN + "class")),
        reason=_text(found.get(OWN + "reason")) or exception,
        message=_text(found.get(STREAMS + "message")),
        suite=_text(found.get(OWN + "suite")),
        expectations=_text(found.get(OWN + "expectations")),
        model=_text(found.get(OWN + "model")),
        schema=_text(found.get(OWN + "schema")),
        attempts=number(found.get(ATTEMPTS)),
        failed_ms=number(found.get(OWN + "failed")),
        first_failed_ms=number(found.get(FIRST_FAILED)),
        timestamp_ms=number(found.get(TIMESTAMP)),
        replays=number(found.get(REPLAYS)) or 0,
        pointer=found.get(POINTER[0]) == POINTER[1],
    )


def _connect(found: Headers) -> Facts:
    return Facts(
        family="connect",
        origin=origin_in(found, CONNECT),
        stage=_text(found.get(CONNECT + "stage")),
        reason=_text(found.get(CONNECT + "exception.class.name")),
        message=_text(found.get(CONNECT + "exception.message")),
        replays=number(found.get(REPLAYS)) or 0,
    )


def _share(found: Headers) -> Facts:
    message = _text(found.get(SHARE + "message"))
    return Facts(
        family="share",
        origin=origin_in(found, SHARE),
        reason=message,
        message=message,
        replays=number(found.get(REPLAYS)) or 0,
    )


def _spring(last: Headers, first: Headers) -> Facts:
    """The cause says more than the listener's exception that wraps it."""
    partition = _big_endian(_of_spring(first, "original-partition"))
    offset = _big_endian(_of_spring(first, "original-offset"))
    cause = _text(_of_spring(last, "exception-cause-fqcn")) or _text(_of_spring(last, "exception-fqcn"))
    key_cause = _text(_of_spring(last, "key-exception-fqcn"))
    next_attempt = _big_endian(last.get(SPRING_RETRY + "attempts"))
    return Facts(
        family="spring",
        origin=place(_of_spring(first, "original-topic"), partition, offset),
        stage="key" if key_cause and not cause else None,
        reason=cause or key_cause,
        message=_text(_of_spring(last, "exception-message")) or _text(_of_spring(last, "key-exception-message")),
        attempts=max(1, next_attempt - 1) if next_attempt else None,
        timestamp_ms=_big_endian(_of_spring(first, "original-timestamp")),
        replays=number(last.get(REPLAYS)) or 0,
    )


def _of_spring(found: Headers, name: str) -> bytes | None:
    return found.get(SPRING + name) or found.get(SPRING_PLAIN + name)


def _text(held: bytes | None) -> str | None:
    return held.decode("utf-8", "replace") if held else None


def _big_endian(held: bytes | None) -> int | None:
    """Java's ByteBuffer.putInt and putLong; BigInteger.toByteArray gives fewer bytes. A negative one is none."""
    if not held or len(held) > 8:
        return None
    value = int.from_bytes(held, "big", signed=True)
    return value if value >= 0 else None
