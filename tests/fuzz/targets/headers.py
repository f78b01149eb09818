"""Record headers as four families of programs write them, or as nobody should: everything that reads them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any, Final

import numpy as np
from fuzz.mutations import BAD_UTF8, EXTREMES, TEXTS, damaged
from fuzz.target import INPUTS, Judge, Target, demand

from stream.batch import Failure, FailureClass, Header, Messages
from stream.dlq.columns import Filter, Letters
from stream.dlq.families import CONNECT, ERRORS, SHARE, SPRING, SPRING_RETRY, event_headers
from stream.dlq.resolved import Action, Book, Run, resolution, resolution_key
from stream.dlq.restoring import Input, Restorer, Stays
from stream.failures.dead_letter import DeadLetters
from stream.failures.headers import (
    ATTEMPTS,
    DUE,
    FIRST_FAILED,
    MAX_ERROR_BYTES,
    ORIGIN,
    OWN,
    POINTER,
    REPLAYS,
    STAGE_ATTEMPTS,
    STREAMS,
    TIMESTAMP,
    earlier_of,
    error_headers,
    own_headers,
    size,
    stage_attempts,
)
from stream.kafka.waiting import Waiting, as_first_read

MESSAGES: Final = 10
TOPICS: Final = ("flights", "flights.retry.10s")
NOW_MS: Final = 1_790_000_000_000
NAMES: Final = (
    *ORIGIN,
    *(ATTEMPTS, STAGE_ATTEMPTS, FIRST_FAILED, DUE, TIMESTAMP, REPLAYS, POINTER[0]),
    *(STREAMS + name for name in ("exception", "message", "stacktrace")),
    *(
        OWN + name
        for name in ("pipeline", "stage", "class", "reason", "suite", "expectations", "model", "schema", "failed")
    ),
    *(
        CONNECT + name
        for name in ("topic", "partition", "offset", "stage", "exception.class.name", "exception.message")
    ),
    *(SHARE + name for name in ("topic", "partition", "offset", "message", "group")),
    *(SPRING + name for name in ("original-topic", "original-partition", "original-offset", "original-timestamp")),
    *(SPRING + name for name in ("exception-fqcn", "exception-cause-fqcn", "exception-message", "key-exception-fqcn")),
    *(SPRING_RETRY + "attempts", "traceparent", "", "flights", "stream.", "kafka_dlt-", "__value_schema_id"),
)
NUMBERS: Final = (*EXTREMES, 10**18, 10**19, NOW_MS, NOW_MS + 1000, 3, 7)
WHERE: Final = tuple(
    Filter.parse(where, everything=False)
    for where in (
        "partition >= 0 and offset > 5 and attempts < 10 and replays = 0",
        "failed_at > timestamptz '2026-01-31 06:00:00Z' or first_failed_at is null or timestamp is null",
        "reason = 'a' or stage is null or class = 'poison' or message = 'x' or family = 'spring' or topic = 'flights'",
        "age_s < 86400 or pointer or key = 'a' or headers.traceparent = 'a' or pipeline is null",
        "suite is null or expectations is null or model is null or schema is null or dlq_offset = 1",
    )
)
"""Every column is in one of them."""


def prepare() -> Judge:
    letters_of = DeadLetters("flights.dlq", "flights", 1_000_000)
    restorer = Restorer("flights", {"flights": Input(3, 1_000_000)})

    def judge(random: Random, counts: Counter[str]) -> None:
        messages = _messages(random)
        n = len(messages)
        _retried(random, messages)
        for row in range(n):
            _failed_again(messages, row, letters_of)
        letters = Letters.of(messages)
        for where in WHERE:
            demand(len(where.chosen(letters, NOW_MS)) == n, "a filter answers for each dead letter")
        for row in range(n):
            restored = restorer.restore(letters, row)
            if not isinstance(restored, Stays):
                demand(-1 <= restored.partition < 3, "an event goes back to a partition that there is")
                demand(0 <= restored.timestamp < 2**63, "an event goes back with a timestamp that Kafka takes")
                counts["restored"] += 1
        _resolved(random)
        counts[INPUTS] += n
        counts.update(facts.family for facts in letters.facts)

    return judge


def _retried(random: Random, messages: Messages) -> None:
    """As the source of a worker reads messages of a retry tier."""
    waiting = Waiting(frozenset(TOPICS[1:]))
    due, held = waiting.split(messages, NOW_MS)
    demand(len(due) + sum(1 for _ in held) <= len(messages), "what waits is not processed")
    first = as_first_read(due, waiting.tiers)
    demand(len(first) == len(due), "a retried event stays one event")
    demand(bool((first.timestamp >= -1).all()), "a timestamp is none or not negative")
    demand(bool((first.partition >= 0).all() and (first.offset >= 0).all()), "an origin is a place")
    if random.random() < 0.1:
        waiting.due(NOW_MS + 10**9)


def _failed_again(messages: Messages, row: int, letters: DeadLetters) -> None:
    """As a failed event goes to a tier or to the dead letters."""
    earlier = earlier_of(messages, row)
    demand(0 <= earlier.attempts < 10**19, "attempts are a number")
    failed = earlier.failed("http", NOW_MS)
    name, told = stage_attempts(failed)
    demand(name == STAGE_ATTEMPTS and isinstance(told, bytes), "attempts by stage are a header")
    failure = Failure(row, "http", FailureClass.POISON, "refused", "the service answered 400", {"schema": "7"})
    headers = error_headers(failure, messages, "flights", NOW_MS)
    demand(len({header for header, _ in headers}) == len(headers), "an error header is there once")
    demand(size(None, None, headers) <= MAX_ERROR_BYTES, "the error headers of an event are bounded")
    own = own_headers(messages.headers_of(row))
    demand(not any(header.startswith((STREAMS, OWN)) for header, _ in own), "old error headers are replaced")
    demand(
        not any(h.startswith(ERRORS) for h, _ in event_headers(messages.headers_of(row))), "errors are not the event's"
    )
    record = letters.record(failure, messages, NOW_MS)
    demand(0 <= record.timestamp < 2**63, "a dead letter has a timestamp that Kafka takes")


def _messages(random: Random) -> Messages:
    keys = [random.choice((None, b"", b"a", b"\xff\xfe", "é".encode(), b"\0" * 40)) for _ in range(MESSAGES)]
    messages = Messages.of(
        [random.choice((None, b"", b"value"))] * MESSAGES, keys, timestamp_ms=random.choice((-1, NOW_MS))
    )
    topic = np.array([random.randrange(len(TOPICS)) for _ in range(MESSAGES)], np.int32)
    return replace(messages, topics=TOPICS, topic=topic, headers=[_headers(random) for _ in range(MESSAGES)])


def _headers(random: Random) -> list[Header] | None:
    if random.random() < 0.05:
        return None
    family = random.choice((NAMES[:22], NAMES[22:28], NAMES[28:33], NAMES[33:42], NAMES))
    names = [name for name in family if random.random() < 0.7] if random.random() < 0.8 else random.choices(NAMES, k=6)
    return [(name, _held(random, name)) for name in names]


def _held(random: Random, name: str) -> bytes | None:  # noqa: PLR0911 (one return a kind)
    roll = random.random()
    if roll < 0.3:
        return str(random.choice(NUMBERS)).encode()
    if roll < 0.45:
        return random.choice(NUMBERS).to_bytes(16, "big", signed=True)[-random.choice((1, 4, 8, 8, 9)) :]
    if roll < 0.55:
        return random.choice(TOPICS).encode()
    if name == STAGE_ATTEMPTS or roll < 0.65:
        return damaged(random, b"http=2,http-2=1,validate=0,=,a=b,==3", b"http=99999999999999999999")
    if roll < 0.75:
        return random.choice(BAD_UTF8) * random.choice((1, 1, 300))
    if roll < 0.95:
        return random.choice(TEXTS).encode("utf-8", "surrogatepass")
    return random.choice((None, b"", b"x" * 300_000))


def _resolved(random: Random) -> None:
    """The topic that says what was done with dead letters, whoever wrote to it."""
    run = Run(Action.REPLAYED, "all", NOW_MS, "somebody", "reason = 'a'", ends={0: 7})
    places = [resolution_key("topic-id", 0, n) for n in range(3)]
    keys: list[bytes | None] = [
        b"owner",
        run.key.encode(),
        *places,
        None,
        b"",
        b"run/replayed/a/b/1",
        "topic-id/²/1".encode(),
    ]
    values: list[bytes | None] = [
        run.encode(),
        resolution(run, NOW_MS),
        b'{"id": 1, "by": null, "at": "x"}',
        b"{}",
        b"[]",
        None,
    ]
    values += [json.dumps(_facts(random)).encode(), b"[" * 100_000, b'{"at": 1e999}', b'{"at": NaN, "run": "1"}']
    picked = [random.choice(keys) for _ in range(4)], [random.choice(values) for _ in range(4)]
    damaged_keys = [damaged(random, k) if k and random.random() < 0.3 else k for k in picked[0]]
    damaged_values = [damaged(random, v) if v and random.random() < 0.3 else v for v in picked[1]]
    book = Book("topic-id")
    book.note(Messages.of(damaged_values, damaged_keys))
    demand(len(book) <= 4, "a record resolves one dead letter at most")
    book.open_run(Action.REPLAYED, "all")


def _facts(random: Random) -> dict[str, Any]:
    odd = (None, 1, -1, "1", "x", [], {}, [1], {"0": 5}, {"x": 5}, {"0": "y"}, {"²": 1}, 10**30, 1e300, True)
    return {
        name: random.choice(odd)
        for name in ("by", "where", "why", "limit", "done", "ends", "at", "run", "id", "action")
    }


TARGET: Final = Target(
    "headers",
    f"headers of dead letters and retries in four families, the topic of what was resolved; {MESSAGES} records a case",
    prepare,
    cpu_s=10,
    mebibytes=64,
    long=100_000,
    short=150,
)
