"""Schemas from a Confluent-compatible schema registry, over confluent-kafka's client.

The client's own caches have no bound, so it is told to forget when ours does. Its retries wait for up to
20 s by default and its requests for ever: both are bounded here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from stream.avro.codec import UNKNOWN_SCHEMA, UNRESOLVABLE
from stream.avro.framing import Form, Frame, id_prefix
from stream.avro.lru import Lru
from stream.avro.schema import Schema, parse_schema
from stream.errors import ConfigurationError, PoisonError, SystemicError, UnreachableError

REQUEST_TIMEOUT_S: Final = 5.0
MAX_RETRIES: Final = 1
RETRY_WAIT_MS: Final = 200
MAX_SCHEMAS: Final = 1_000
"""Schemas kept, and as many frames that the registry does not know."""
UNKNOWN_FOR_S: Final = 30.0
"""How long the registry's answer that it does not know a schema is believed."""
MAX_REFERENCES: Final = 100
"""Schemas that one schema may refer to, by way of others included."""
MAX_REASON: Final = 500
"""Characters of what a registry says that are shown."""
T = TypeVar("T")


class RegistrySchemas:
    """A SchemaStore over a registry.

    properties are those of the client, "url" among them. Raises ConfigurationError when the client does
    not take them.
    """

    def __init__(self, properties: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        bounds = {
            "timeout": REQUEST_TIMEOUT_S,
            "max.retries": MAX_RETRIES,
            "retries.wait.ms": RETRY_WAIT_MS,
            "retries.max.wait.ms": RETRY_WAIT_MS,
            "cache.capacity": MAX_SCHEMAS,
        }
        self._hosts = ", ".join(urlsplit(u.strip()).netloc.rpartition("@")[2] for u in properties["url"].split(","))
        try:
            self._client: Any = SchemaRegistryClient({**properties, **bounds})
        except (ValueError, TypeError, OSError) as error:
            said = str(error).replace(properties["url"], self._hosts)
            raise ConfigurationError([f"the schema registry's settings: {said}"]) from None
        self._clock = clock
        self._schemas: Lru[Frame, Schema] = Lru(MAX_SCHEMAS)
        self._refused: Lru[Frame, _Refusal] = Lru(MAX_SCHEMAS)

    def writer_schema(self, frame: Frame) -> Schema:
        found = self._schemas.get(frame)
        return found if found is not None else self._fetch(frame)

    def prefix(self, topic: str, schema: Schema) -> bytes:
        return id_prefix(self.register(f"{topic}-value", schema))

    def latest(self, subject: str) -> Schema:
        """The newest schema of a subject.

        Raises ConfigurationError when there is none or it has no columns, UnreachableError when the
        registry does not answer.
        """
        registered = self._at_start(lambda: self._client.get_latest_version(subject), f"read the subject {subject}")
        return self._at_start(lambda: self._parse(registered.schema, subject), f"read what {subject} refers to")

    def register(self, subject: str, schema: Schema) -> int:
        """Register under a subject, or find it there, and return its id; errors as `latest`."""
        from confluent_kafka.schema_registry import Schema as Unregistered

        written = Unregistered(json.dumps(schema.json), "AVRO")
        doing = f"register {schema.name} as {subject}"
        registered: int = self._at_start(lambda: self._client.register_schema(subject, written), doing)
        return registered

    def close(self) -> None:
        """Close the connections to the registry."""
        self._client.close()

    def _fetch(self, frame: Frame) -> Schema:
        """Ask the registry, unless it has just said that it does not know."""
        if frame.form is Form.FINGERPRINT:
            detail = f"the message names a schema by its fingerprint {frame}, and a schema registry is configured"
            raise PoisonError(UNKNOWN_SCHEMA, detail)
        refused = self._refused.get(frame)
        if refused is not None and self._clock() < refused.until:
            raise PoisonError(refused.reason, refused.detail)
        try:
            schema = self._request(frame)
        except PoisonError as error:
            self._refused.put(frame, _Refusal(self._clock() + UNKNOWN_FOR_S, error.reason, error.detail))
            raise
        self._refused.drop(frame)
        if self._schemas.put(frame, schema):
            self._client.clear_caches()
        return schema

    def _request(self, frame: Frame) -> Schema:
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return self._parse(self._lookup(frame), f"schema {frame}")
        except ConfigurationError as error:
            detail = f"schema {frame} of the registry: {error.problems[0].message}"
            raise PoisonError(UNRESOLVABLE, detail) from None
        except SchemaRegistryError as error:
            if _says_unknown(error, frame):
                raise PoisonError(UNKNOWN_SCHEMA, f"the schema registry has no schema {frame}") from None
            raise SystemicError("registry", f"{self._hosts} answered HTTP {error.http_status_code}") from None

    def _lookup(self, frame: Frame) -> Any:
        if frame.form is Form.GUID:
            return self._ask(lambda: self._client.get_schema_by_guid(str(frame)))
        if frame.number >= 2**31:
            raise PoisonError(UNKNOWN_SCHEMA, f"{frame} is beyond the ids of a schema registry")
        return self._ask(lambda: self._client.get_schema(frame.number))

    def _parse(self, registered: Any, place: str) -> Schema:
        """Raises ConfigurationError for what is no Avro, is changed by rules, or has no columns."""
        _check_readable(registered, place)
        seen: dict[tuple[str, int], Schema] = {}
        self._references(registered, seen, place)
        return parse_schema(registered.schema_str, place, seen.values())

    def _references(self, registered: Any, seen: dict[tuple[str, int], Schema], place: str) -> None:
        """Add what a schema refers to, deepest first."""
        for reference in registered.references or ():
            key = (reference.subject, reference.version)
            if key in seen:
                continue
            if len(seen) >= MAX_REFERENCES:
                raise ConfigurationError([f"{place} refers to more than {MAX_REFERENCES} schemas"])
            found: Any = self._ask(partial(self._client.get_version, *key))
            self._references(found.schema, seen, place)
            seen[key] = parse_schema(found.schema.schema_str, f"{place}: {reference.subject}", seen.values())

    def _at_start(self, call: Callable[[], T], doing: str) -> T:
        """A call whose failure ends the process, or the check."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return self._ask(call)
        except SystemicError as error:
            raise UnreachableError(f"cannot {doing}: the schema registry {error.detail}") from None
        except SchemaRegistryError as error:
            said = f"{str(error.error_message)[:MAX_REASON]} (HTTP {error.http_status_code}, {error.error_code})"
            raise ConfigurationError([f"cannot {doing}: the schema registry {self._hosts} says: {said}"]) from None

    def _ask(self, call: Callable[[], T]) -> T:
        """One call of the client: its SchemaRegistryError when the registry says no, else SystemicError."""
        from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError

        try:
            return call()
        except SchemaRegistryError as error:
            if error.http_status_code in (408, 429) or error.http_status_code >= 500:
                raise SystemicError("registry", f"{self._hosts} answered HTTP {error.http_status_code}") from None
            raise
        except _http_errors(OAuthTokenError) as error:
            raise SystemicError("registry", f"{self._hosts} did not answer: {type(error).__name__}") from None
        except (ValueError, TypeError, AttributeError, KeyError):
            # A success that is no registry's JSON: a proxy's page, for example.
            raise SystemicError("registry", f"{self._hosts} gave an answer that is no schema registry's") from None


class _Refusal(NamedTuple):
    """What the registry said about a frame; until is a time of the clock, in seconds."""

    until: float
    reason: str
    detail: str


def _http_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """The client's HTTP library is httpx2 where there is one, else httpx; it does not wrap their errors."""
    loaded = [sys.modules[name] for name in ("httpx2", "httpx") if name in sys.modules]
    return (*more, *(module.HTTPError for module in loaded))


def _says_unknown(error: Any, frame: Frame) -> bool:
    """Whether the registry said that it has no such schema, and not only that there is no such page.

    A wrong address also answers 404, which must not make poison of every event; but a registry that
    has no lookup by GUID answers so too, and there waiting would not help.
    """
    missing = error.http_status_code == 404 and 40400 <= (error.error_code or 0) <= 40499
    return missing or (frame.form is Form.GUID and error.http_status_code in (400, 404, 405, 422))


def _check_readable(registered: Any, place: str) -> None:
    if registered.schema_type not in (None, "AVRO"):
        raise ConfigurationError([f"{place} is of type {registered.schema_type}, not AVRO"])
    rules = registered.rule_set
    for rule in [*(rules.domain_rules or ()), *(rules.encoding_rules or ())] if rules else ():
        if rule.kind == "TRANSFORM" and not rule.disabled:
            said = f"{place} has the rule {rule.name} ({rule.type}), which changes data: such rules are not run here"
            raise ConfigurationError([said])
