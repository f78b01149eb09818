"""STREAM_KAFKA_*: any property of librdkafka, but for those that exactly-once processing depends on."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

from stream.errors import Problem
from stream.suggestion import did_you_mean

PREFIX: Final = "STREAM_KAFKA_"

DEFAULT_SESSION_TIMEOUT_MS: Final = 15_000
DEFAULT_MAX_POLL_INTERVAL_MS: Final = 300_000
"""What stream.kafka sets when the environment does not; a test compares."""

_COMMITTED: Final = "an event counts once only if what is read is committed and whole"
_OFFSETS: Final = "offsets are committed in the transaction that holds the results, never by the client"
_ONE_COPY: Final = "results are written exactly once only by an idempotent producer that waits for all replicas"
_OURS: Final = "is made from the pipeline's name and STREAM_INSTANCE"
_GUARD: Final = "the guard against late requests reads the client's log"

OWNED: Final[Mapping[str, str]] = {
    "isolation.level": _COMMITTED,
    "check.crcs": _COMMITTED,
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "auto.commit.interval.ms": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "offset.store.method": _OFFSETS,
    "offset.store.path": _OFFSETS,
    "offset.store.sync.interval.ms": _OFFSETS,
    "auto.offset.reset": "write `start` under `input`; a lost offset stops the pipeline instead of skipping events",
    "group.id": f"it {_OURS}: set `pipeline`",
    "group.instance.id": f"it {_OURS}",
    "transactional.id": f"it {_OURS}",
    "group.protocol": "write `group: {protocol: consumer}` in the pipeline file",
    "group.protocol.type": "the group protocol is that of consumers",
    "transaction.timeout.ms": "write `transaction: {timeout: 10s}` in the pipeline file",
    "message.timeout.ms": "a message must not outlive its transaction: set `timeout` under `transaction`",
    "delivery.timeout.ms": "a message must not outlive its transaction: set `timeout` under `transaction`",
    "enable.idempotence": _ONE_COPY,
    "enable.gapless.guarantee": _ONE_COPY,
    "acks": _ONE_COPY,
    "request.required.acks": _ONE_COPY,
    "max.in.flight": _ONE_COPY,
    "max.in.flight.requests.per.connection": _ONE_COPY,
    "message.send.max.retries": _ONE_COPY,
    "retries": _ONE_COPY,
    "queuing.strategy": _ONE_COPY,
    "partitioner": "keys are placed as Java's clients place them, so that the order per key holds everywhere",
    "enable.partition.eof": "the end of a partition tells when the worker has caught up",
    "allow.auto.create.topics": "topics are made by `stream topics --apply`, with sane settings",
    "delivery.report.only.error": "every message of a transaction is accounted for",
    "produce.offset.report": "every message of a transaction is accounted for",
    "enabled_events": "the product serves the client's events",
    "log.queue": _GUARD,
    "log_level": _GUARD,
    "log.connection.close": _GUARD,
    "max.poll.records": "write `batch: {events: 10000}` in the pipeline file",
    "share.acknowledgement.mode": "share groups have no transactions",
    "internal.termination.signal": "the product ends its clients itself",
}
"""Properties the product owns, and why."""

JAVA_ONLY: Final[Mapping[str, str]] = {
    "sasl.jaas.config": "set STREAM_KAFKA_SASL_USERNAME and STREAM_KAFKA_SASL_PASSWORD",
    "ssl.truststore.location": "set STREAM_KAFKA_SSL_CA_LOCATION, a PEM file",
    "ssl.truststore.password": "a PEM file needs none: set STREAM_KAFKA_SSL_CA_LOCATION",
    "ssl.truststore.type": "set STREAM_KAFKA_SSL_CA_LOCATION, a PEM file",
    "ssl.keystore.type": "set STREAM_KAFKA_SSL_KEYSTORE_LOCATION, a PKCS#12 file",
    "sasl.login.callback.handler.class": "set STREAM_KAFKA_SASL_OAUTHBEARER_METHOD",
    "max.request.size": "set STREAM_KAFKA_MESSAGE_MAX_BYTES",
    "buffer.memory": "set STREAM_KAFKA_QUEUE_BUFFERING_MAX_KBYTES",
    "fetch.max.wait.ms": "set STREAM_KAFKA_FETCH_WAIT_MAX_MS",
}
"""What Java's clients call otherwise."""

CLASSIC_GROUP_ONLY: Final = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")
"""Refused by librdkafka when the group protocol is `consumer` (KIP-848): the broker decides them."""

_SECRET: Final = re.compile(r"password|passphrase|secret|\.key\.pem|sasl\.oauthbearer\.config")


@functools.cache
def property_names() -> tuple[str, ...]:
    """Every property of librdkafka that a text can set, from a list that is compared with the installed client."""
    text = resources.files("stream.config").joinpath("librdkafka_properties.txt").read_text("utf-8")
    return tuple(text.split())


def variable(name: str) -> str:
    """The environment variable that sets a property: sasl.password by STREAM_KAFKA_SASL_PASSWORD."""
    return PREFIX + name.replace(".", "_").upper()


def is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def property_of(name: str) -> str | Problem:
    """The property that the environment variable `name` sets, or what is wrong with it."""
    properties = {variable(p): p for p in property_names()}
    found = properties.get(name)
    if found is not None:
        return Problem(f"{name} cannot be set: {OWNED[found]}", place="environment") if found in OWNED else found
    if name.removesuffix("_FILE") in properties:
        plain = name.removesuffix("_FILE")
        return Problem(f"{name}: only secrets are read from a file; set {plain}", place="environment")
    java = {variable(p): hint for p, hint in JAVA_ONLY.items()}.get(name)
    if java is not None:
        return Problem(f"{name} is a property of Java's clients; {java}", place="environment")
    allowed = [v for v, p in properties.items() if p not in OWNED]
    return Problem(
        f"{name} is no property of librdkafka{did_you_mean(name, allowed, PREFIX) or '; see its CONFIGURATION.md'}",
        place="environment",
    )
