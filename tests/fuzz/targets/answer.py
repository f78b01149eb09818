"""HTTP answers as a service may give them: status, Retry-After, JSON, and the columns that are read out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import pyarrow as pa
from fuzz.mutations import TEXTS, as_json, changed, damaged, tree_of
from fuzz.target import INPUTS, MARK, Judge, Target, check_silent, demand

from stream.errors import PoisonError
from stream.http.answers import Field, document_of, items_of, parse_path
from stream.http.client import Connection
from stream.http.verdict import Kind, of_status, retry_after

TYPES: Final[dict[str, pa.DataType]] = {
    "flag": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "text": pa.string(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "millis": pa.timestamp("ms", "UTC"),
    "micros": pa.timestamp("us", "UTC"),
    "nanos": pa.timestamp("ns", "UTC"),
    "time_ms": pa.time32("ms"),
    "time_us": pa.time64("us"),
    "texts": pa.list_(pa.string()),
    "longs": pa.list_(pa.int64()),
}
FITTING: Final[dict[str, Any]] = {
    "flag": True,
    "int": 5,
    "long": 2**40,
    "float": 0.5,
    "double": 0.1,
    "text": MARK,
    "bytes": "AAEC",
    "date": "2026-01-31",
    "millis": "2026-01-31T06:00:00.123Z",
    "micros": "2026-01-31T06:00:00.123456+02:00",
    "nanos": "2026-01-31T06:00:00Z",
    "time_ms": "06:00:00.123",
    "time_us": "06:00",
    "texts": [MARK, ""],
    "longs": [1, 2],
}
ODD: Final = (
    *(
        "0001-01-01",
        "9999-12-31",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "9999-12-31T23:59:59.999999Z",
    ),
    *(
        "1677-09-21T00:00:00Z",
        "2262-04-12T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "24:00",
        "23:59:59.999999",
        "06:00:00Z",
        "2026-W05",
    ),
    *(
        "2026-01-31T06:00:00",
        "2026-01-31T06:00:00Z\0",
        "20260131",
        "====",
        "A",
        "AAEC\n",
        "é",
        "\ud83d",
        "\ud83d\ude00",
    ),
    *(
        2**31,
        -(2**31) - 1,
        2**63,
        -(2**63) - 1,
        2**63 - 1,
        3.0,
        3.5,
        1e19,
        9.3e18,
        1e39,
        3.4028235e38,
        1e-50,
        10**400,
        -0.0,
    ),
    *(9223372036854775807.0, -9223372036854775808.0, 16777217, 2**53 + 1),
)
MAX_BYTES: Final = Connection("GET").max_answer_bytes
"""The client reads no more of an answer."""
WORDS: Final = (*TYPES, "result", "0", "items", MARK)
FIELDS: Final = tuple(Field(n, ("result", n), t) for n, t in TYPES.items())
OPTIONAL: Final = tuple(Field(n, ("result", n), t, optional=True) for n, t in TYPES.items())
RETRY_AFTER: Final = (
    *(
        None,
        "",
        "0",
        "120",
        "9" * 400,
        "-1",
        "1.5",
        "²",
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "Wed, 21 Oct 99999 07:28:00 GMT",
    ),
    *(
        "Wed, 21 Oct 0000 07:28:00 GMT",
        "Wed, 32 Oct 2026 25:61:61 +9999",
        "1 Jan 1 00:00:00 -2400",
        "x" * 9000,
        "\0",
        "é",
        ", " * 500,
    ),
    *("Sun, 06 Nov 1994 08:49:37 +99999999", "Sun Nov  6 08:49:37 1994", "6 Nov 94", "a b c d e f g", "(" * 500),
)


def prepare() -> Judge:
    def judge(random: Random, counts: Counter[str]) -> None:
        counts[INPUTS] += 1
        wait = random.choice(RETRY_AFTER)
        if wait and random.random() < 0.3:
            wait = damaged(random, wait.encode(), b"GMT +0100 2026").decode("latin-1")
        wait_s = retry_after(wait, lambda: 1_790_000_000.0)
        demand(wait_s is None or 0 <= wait_s < 10**12, "a wait is a time", wait_s)
        body = _body(random)
        verdict = of_status(
            random.choice((200, 201, 204, 299, 300, 400, 401, 408, 429, 500, 503, 999, 100, 0)), body, wait_s
        )
        check_silent((verdict.reason, verdict.detail))
        if verdict.kind is Kind.ANSWERED:
            _read(random, body, counts)

    return judge


def _read(random: Random, body: bytes, counts: Counter[str]) -> None:
    try:
        document = document_of(body)
    except PoisonError as error:
        counts[error.reason] += 1
        check_silent([error.detail])
        return
    for field in random.choice((FIELDS, OPTIONAL)):
        try:
            value = field.read(document)
        except PoisonError as error:
            counts[error.reason] += 1
            check_silent([error.detail])
            continue
        column = pa.array([value, value], field.type)
        column.validate(full=True)
        counts["values"] += 1
    path = random.choice(((), ("items",), ("result", "0", "items"), parse_path("items.999999999999999999999.0")))
    try:
        demand(len(items_of(body, path, 2)) == 2, "a group's answer has an item for each event")
    except PoisonError as error:
        check_silent([error.detail])


def _body(random: Random) -> bytes:
    roll = random.random()
    if roll < 0.05:
        n = random.choice((100, 2000, 100_000))
        return random.choice(
            (b"[" * n, b'{"a":' * n + b"1" + b"}" * n, b"1" * n, b'"' + b"\\u0000" * n + b'"', b"[" + b"1," * n + b"1]")
        )
    values: dict[str, Any] = dict(FITTING)
    for name in random.sample(sorted(values), random.choice((0, 1, 3, 8))):
        values[name] = random.choice((*ODD, *TEXTS)) if random.random() < 0.8 else _list(random)
    tree = tree_of({"result": values, "items": [1, 2]})
    if roll < 0.4:
        tree = changed(random, tree, WORDS, random.choice((1, 1, 3)))
    body = as_json(tree, ascii_only=random.random() < 0.7).encode("utf-8", "surrogatepass")
    if roll > 0.9:
        body = damaged(random, body, random.choice((b"\xff\xfe" + "{}".encode("utf-16-le"), b"\xef\xbb\xbf{}", b"NaN")))
    return body[:MAX_BYTES]


def _list(random: Random) -> Sequence[Any]:
    return [random.choice((*ODD, *TEXTS, None, [], {})) for _ in range(random.choice((0, 1, 2, 1000)))]


TARGET: Final = Target(
    "answer",
    "answers of services over HTTP, read into columns of every type",
    prepare,
    cpu_s=5,
    mebibytes=64,
    long=100_000,
    short=300,
)
