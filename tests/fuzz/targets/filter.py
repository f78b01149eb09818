"""SQL that people give to `stream dlq --where`: what is taken chooses among dead letters."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final

from fuzz.mutations import TEXTS, scribbled
from fuzz.target import INPUTS, MARK, Judge, Target, check_silent, check_told, demand

from stream.batch import Messages
from stream.dlq.columns import COLUMNS, Filter, Letters
from stream.errors import ConfigurationError
from stream.stages.sql_words import FUNCTIONS, ROWS, SYNTAX

MAX_CHARACTERS: Final = 200_000
NOW_MS: Final = 1_790_000_000_000
VALID: Final = (
    "reason = 'expectation' and stage = 'validate'",
    "age_s < 86400 and attempts between 1 and 3",
    "topic in ('flights', 'other') or partition is null",
    "failed_at > timestamptz '2026-01-31 06:00:00Z'",
    "headers.traceparent like '00-%' and not pointer",
    "cast(offset as varchar) = '1' or key ilike 'a%'",
    "case when attempts > 1 then reason else stage end = 'x'",
    "lower(substr(message, 1, 3)) = 'val' and length(key) > 0",
    "coalesce(replays, 0) = 0 and \"class\" = 'poison'",
)
OPERANDS: Final = (
    *COLUMNS,
    *(
        "headers.a",
        "headers.traceparent",
        '"reason"',
        "'a'",
        "''",
        f"'{MARK}'",
        "1",
        "0",
        "-1",
        "1.5",
        "1e308",
        "9" * 30,
        "null",
    ),
    *(
        "true",
        "timestamptz '2026-01-31 06:00:00Z'",
        "timestamp 'x'",
        "date '2026-13-01'",
        "interval '1 day'",
        "x'ff'",
        "*",
    ),
)
BINARY: Final = (
    *"+-*/%<>=",
    "<>",
    "<=",
    "!=",
    "||",
    "//",
    "and",
    "or",
    "like",
    "ilike",
    "in",
    "is",
    "between",
    "::",
    "->",
    "^",
    "&",
)
PIECES: Final = (
    *(
        "(",
        ")",
        "'",
        '"',
        "`",
        ",",
        ";",
        "--",
        "/*",
        "*/",
        "$$",
        "\\",
        "\0",
        "\ud800",
        "\u2028",
        "é",
        "[",
        "]",
        "{",
        "}",
        ":",
        "@",
        "?",
    ),
    *(
        " and ",
        " or ",
        " not ",
        " in (",
        " over (",
        " is null",
        " select ",
        " from ",
        " union ",
        "now()",
        "random()",
        "count(*)",
    ),
    *(
        "cast(",
        " as bigint)",
        "try_cast(",
        "1e999",
        "0x1",
        "..",
        "headers.",
        '"a"."b"."c"',
        "timestamptz ",
        "interval ",
        "array[",
    ),
)


def prepare() -> Judge:
    letters = _letters()

    def judge(random: Random, counts: Counter[str]) -> None:
        text = _text(random)[:MAX_CHARACTERS]
        counts[INPUTS] += 1
        try:
            chosen = Filter.parse(text, everything=False)
        except ConfigurationError as error:
            counts["refused"] += 1
            check_told(error, "--where")
            return
        counts["taken"] += 1
        try:
            mask = chosen.chosen(letters, NOW_MS)
        except ConfigurationError as error:
            counts["failed for some row"] += 1
            check_told(error, "--where")
            if MARK not in text:
                check_silent(str(problem) for problem in error.problems)
            return
        demand(len(mask) == len(letters) and mask.dtype == bool, "a filter answers for each dead letter")

    return judge


def _letters() -> Letters:
    ours = {
        "__streams.errors.topic": b"flights",
        "__streams.errors.partition": b"1",
        "__streams.errors.offset": b"7",
        "stream.reason": b"expectation",
        "stream.stage": b"validate",
        "stream.class": b"poison",
        "a": MARK.encode(),
    }
    spring = {"kafka_dlt-original-topic": b"t", "kafka_dlt-original-offset": b"\xff" * 8, "traceparent": b"\xff"}
    headers = [list(ours.items()), list(spring.items()), None]
    messages = Messages.of([b"v", None, b""], [MARK.encode(), b"\xff\0", None], timestamp_ms=NOW_MS - 5)
    object.__setattr__(messages, "headers", headers)
    return Letters.of(messages)


def _text(random: Random) -> str:
    roll = random.random()
    if roll < 0.03:
        return _bomb(random)
    text = random.choice(VALID) if roll < 0.4 else _expression(random, random.choice((1, 2, 2, 3, 4)))
    if roll < 0.1:
        return text
    if roll > 0.6:
        return text
    for _ in range(random.choice((1, 1, 2, 4))):
        text = scribbled(random, text, PIECES, VALID)
    return text


def _expression(random: Random, depth: int) -> str:  # noqa: PLR0911 (one return a form)
    if depth == 0 or random.random() < 0.1:
        return random.choice(OPERANDS) if random.random() < 0.95 else repr(random.choice(TEXTS))
    inner = [_expression(random, depth - 1) for _ in range(random.choice((1, 2, 2, 3)))]
    roll = random.random()
    if roll < 0.5 and len(inner) > 1:
        return f"{inner[0]} {random.choice(BINARY)} {inner[1]}"
    if roll < 0.75:
        names = sorted(FUNCTIONS if random.random() < 0.9 else FUNCTIONS | ROWS | SYNTAX)
        return f"{random.choice(names)}({', '.join(inner)})"
    if roll < 0.82:
        kind = random.choice(
            ("bigint", "int", "varchar", "double", "decimal(5, 2)", "date", "timestamp", "boolean", "varbinary")
        )
        return f"{random.choice(('cast', 'try_cast'))}({inner[0]} as {kind})"
    if roll < 0.88:
        return f"case when {inner[0]} then {inner[-1]} else {random.choice(OPERANDS)} end"
    if roll < 0.94:
        return f"{inner[0]} in ({', '.join(inner)})"
    return random.choice(("not {}", "({})", "{} is not null", "- {}", "{} = {}", "length({}) > 0")).replace(
        "{}", inner[0]
    )


def _bomb(random: Random) -> str:
    n = random.choice((10, 49, 51, 199, 201, 1000, 5000))
    piece = random.choice(
        ("attempts + ", "1 + ", "not ", "- ", "(", "case when true then ", "pointer or ", "abs(", "reason || ", "1 = ")
    )
    tail = random.choice(("1", "true", "attempts"))
    close = {"(": ")", "abs(": ")", "case when true then ": " end"}.get(piece, "")
    return random.choice(
        (
            piece * n + tail + close * n,
            piece * n + tail,
            "attempts in (" + ", ".join(map(str, range(n))) + ")",
            "'" + "a" * n + "' = reason",
            '"' + "a" * n + '" = 1',
            "repeat('a', 999999999) = reason",
            "lpad(reason, 999999999999, 'a') = ''",
            f"regexp_like(reason, '{'(a*)*' * (n % 50)}$')",
            f"regexp_like(reason, '(a{{1000}}){{{n}}}')",
            f"attempts {'^' * n} 2",
        )
    )


TARGET: Final = Target(
    "filter",
    "conditions of `stream dlq --where`; what is taken chooses among three dead letters",
    prepare,
    cpu_s=10,
    mebibytes=128,
    long=100_000,
    short=300,
)
