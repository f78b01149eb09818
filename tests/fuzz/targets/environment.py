"""The STREAM_* variables, and urls of stages: addresses, properties of librdkafka, secrets, which nobody may print."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

from fuzz.mutations import TEXTS, scribbled
from fuzz.target import INPUTS, MARK, Judge, Target, check_silent, check_told, demand

from stream.config import environment
from stream.config.kafka_properties import property_names, variable
from stream.errors import ConfigurationError, PoisonError
from stream.http.references import Resolver
from stream.http.urls import MAX_URL_CHARS, compile_url

MAX_CHARACTERS: Final = 200_000
SECRET_NAMES: Final = (
    "STREAM_KAFKA_SASL_PASSWORD",
    "STREAM_KAFKA_SSL_KEY_PASSWORD",
    "STREAM_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET",
    "STREAM_KAFKA_SASL_OAUTHBEARER_CONFIG",
    "STREAM_SCHEMA_REGISTRY_BEARER_TOKEN",
    "STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO",
)
NAMES: Final = (
    *environment.names(),
    *map(variable, property_names()),
    *(f"{name}_FILE" for name in SECRET_NAMES),
    *(
        "STREAM_",
        "STREAM_X",
        "STREAM_KAFKA_",
        "STREAM_KAFKA_ACKS",
        "STREAM_PORT_8080_TCP",
        "STREAM_SERVICE_HOST",
        "STREAM_É",
    ),
)
VALUES: Final = (
    *(
        "127.0.0.1:9092",
        "[::1]:9092",
        "a:99999",
        ":",
        "0.0.0.0:0",
        "http://127.0.0.1:8081",
        "https://u:p@x",
        "http://[",
        "//x",
    ),
    *(
        "http://a,http://b",
        "http://a:99999999",
        "json",
        "text",
        "auto",
        "native",
        "poll:1",
        "after_poll:1:stop",
        "user:x",
        "10",
    ),
    *(
        "https://idp.example.com/token",
        "oidc",
        "SCRAM-SHA-512",
        "/dev/null",
        "/proc/self/environ",
        "/",
        "/etc/hostname",
    ),
)
URLS: Final = (
    "https://scorer.example.com/customers/{customer_id}/score?x={x}",
    "http://127.0.0.1:8091/tickets/{ticket_id}",
    "http://[::1]:80/{a.b}",
    "${env:BASE}/{a}",
)
PIECES: Final = (
    *(
        "{",
        "}",
        "{a}",
        "{}",
        "{{",
        "${env:BASE}",
        "${env:NONE}",
        "${file:/x}",
        "@",
        "#",
        "?",
        "/",
        "//",
        "/../",
        "/./",
        "%2e%2e",
    ),
    *(
        "\\",
        ":",
        ":99999",
        "[",
        "]",
        " ",
        "\t",
        "\n",
        "\0",
        "\ud800",
        "é",
        "\u202e",
        "\N{GRINNING FACE}",
        "ftp://",
        "http:/",
        "&",
    ),
)
COLUMNS: Final = (
    None,
    "",
    "a",
    "..",
    ".",
    "../..",
    "a/b",
    "é",
    "%2e",
    "\0",
    "\N{GRINNING FACE}",
    "x" * 9000,
    1,
    -1.5,
    True,
    "?#&",
)


def prepare() -> Judge:
    def judge(random: Random, counts: Counter[str]) -> None:
        counts[INPUTS] += 2
        _variables(random, counts)
        _url(random, counts)

    return judge


def _variables(random: Random, counts: Counter[str]) -> None:
    environ = {random.choice(NAMES): _value(random) for _ in range(random.choice((0, 1, 2, 5, 20)))}
    for name in SECRET_NAMES:
        if random.random() < 0.3:
            environ[name] = _secret(random)
    if random.random() < 0.3:
        environ["STREAM_SCHEMA_REGISTRY_URL"] = (
            f"http://{random.choice((MARK, 'x'))}:{random.choice(('1', MARK))}@registry"
        )
    told, problems = environment.read(environ, random.choice((*TEXTS, "host")), terminal=random.random() < 0.5)
    if problems:
        counts["environments refused"] += 1
        check_told(ConfigurationError(problems), "environment")
    check_silent(map(str, problems))
    check_silent((repr(told), str(told)))
    demand(not any(MARK in str(v) for v in told.kafka.values() if not isinstance(v, str)), "a secret is shown as ***")


def _value(random: Random) -> str:
    text = random.choice((*VALUES, *TEXTS))
    return scribbled(random, text, PIECES, VALUES) if random.random() < 0.4 else text


def _secret(random: Random) -> str:
    return random.choice((MARK, f"user:{MARK}", f"{MARK}\n", f" {MARK}\0", f"principal={MARK} scope=x"))


def _url(random: Random, counts: Counter[str]) -> None:
    text = random.choice(URLS)
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        text = scribbled(random, text, PIECES, URLS)[:MAX_CHARACTERS]
    base = random.choice(
        ("https://scorer.example.com", f"https://u:{MARK}@x", "x", f"https://{MARK} x/", "http://h/a?b=c")
    )
    try:
        url = compile_url(text, Resolver({"BASE": base}, Path))
    except ValueError as error:
        counts["urls refused"] += 1
        check_silent([str(error)])
        return
    counts["urls taken"] += 1
    demand(MARK not in repr(url), "what a reference stands for is not shown")
    values: dict[str, Any] = {}

    def value(column: str) -> Any:
        return values.setdefault(column, random.choice(COLUMNS))

    try:
        rendered = url.render(value)
    except PoisonError as error:
        check_silent([error.detail])
        return
    demand(rendered.split("://")[0] in ("http", "https"), "the scheme stays")
    if url.columns:
        demand(len(rendered) <= MAX_URL_CHARS, "a rendered url is bounded")
    demand(url.host in rendered, "the host stays whatever the columns hold")
    demand(rendered.isprintable() and " " not in rendered, "a rendered url has no spaces or control characters")


TARGET: Final = Target(
    "environment",
    "the environment's variables, and urls of stages with their columns; two inputs a case",
    prepare,
    cpu_s=5,
    mebibytes=64,
    long=100_000,
    short=200,
)
