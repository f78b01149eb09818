"""The environment: where the brokers and the registry are, who this worker is, and the secrets.

Every variable starts with STREAM_. One that is not known is refused, so a typing error cannot turn a
setting off. A secret may come from a file instead: STREAM_KAFKA_SASL_PASSWORD_FILE=/run/secrets/password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from stream.config import kafka_properties
from stream.config.kafka_properties import PREFIX as KAFKA
from stream.config.secret import Secret
from stream.errors import ConfigurationError, Problem
from stream.suggestion import did_you_mean

PLACE: Final = "environment"
PREFIX: Final = "STREAM_"
REGISTRY: Final = "STREAM_SCHEMA_REGISTRY_"
MAX_SECRET_BYTES: Final = 65_536
MAX_INSTANCE: Final = 80

_INSTANCE: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_INSTANCE - 1}}}")
_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_SERVICE_LINK: Final = re.compile(r"STREAM_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
"""What Kubernetes sets in every pod of a namespace that has a Service named stream or stream-*."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A Confluent-compatible schema registry and how to log in to it."""

    url: str
    credentials: Mapping[str, str | Secret] = field(default_factory=dict)
    """By the names of the registry client of confluent-kafka, for example "basic.auth.user.info"."""

    def properties(self) -> dict[str, str]:
        """The registry client's configuration, secrets revealed."""
        bearer = "bearer.auth.token" in self.credentials
        source = {"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.logical.cluster": ""} if bearer else {}
        return {"url": self.url, **source, **_revealed(self.credentials)}


@dataclass(frozen=True, slots=True)
class Environment:
    """What the process was told by environment variables, checked."""

    instance: str
    kafka: Mapping[str, str | Secret] = field(default_factory=dict)
    """librdkafka properties as given."""
    registry: Registry | None = None
    http_address: str = "127.0.0.1:9464"
    log_format: str = "json"
    codec: str = "auto"
    transport: str = "python"
    failpoint: str = ""

    def kafka_properties(self) -> dict[str, str]:
        """The librdkafka properties, secrets revealed: for a client's constructor only."""
        return _revealed(self.kafka)

    @property
    def bootstrap_servers(self) -> str:
        """Empty when there is no Kafka to talk to."""
        return _revealed(self.kafka).get("bootstrap.servers", "")

    def require_kafka(self) -> None:
        """Raises ConfigurationError when no broker is named: what `run` needs and `check` does not."""
        if not self.bootstrap_servers:
            name = kafka_properties.variable("bootstrap.servers")
            raise ConfigurationError([Problem(f"{name} is missing: host:port of one or more brokers", place=PLACE)])


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable of the product. check returns the value to keep or raises ValueError."""

    name: str
    meaning: str
    default: str = ""
    check: Callable[[str], str] = str
    secret: bool = False


def _one_of(*allowed: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}, not '{value}'{did_you_mean(value, allowed)}")
        return value

    return check


def _instance(value: str) -> str:
    if not _INSTANCE.fullmatch(value):
        raise ValueError(
            f"must be letters, digits, '.', '_' and '-' only, at most {MAX_INSTANCE} characters, starting with a"
            f" letter or digit, not '{value}'"
        )
    return value


def _address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if found is None or int(found[1]) > 65_535:
        raise ValueError(f"must be host:port, such as 127.0.0.1:9464 or 0.0.0.0:9464 in a container, not '{value}'")
    return value


def _urls(value: str) -> str:
    for url in value.split(","):
        parts = urlsplit(url.strip())
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"must not hold a user or password; put them in {REGISTRY}BASIC_AUTH_USER_INFO")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("must be an http or https address, such as http://127.0.0.1:8081")
    return value


def _user_info(value: str) -> str:
    if ":" not in value:
        raise ValueError("must be user:password")
    return value


def _failpoint(value: str) -> str:
    from stream.failpoints import failpoint

    failpoint(value)
    return value


VARIABLES: Final = (
    Variable(
        "STREAM_INSTANCE",
        "Stable name of this worker's slot: its transactional ids and static member ids are made of it. Two processes"
        " with one name fence each other.",
        "host name",
        _instance,
    ),
    Variable(
        "STREAM_HTTP_ADDRESS",
        "host:port of /metrics, /livez and /readyz; port 0 takes any free one.",
        "127.0.0.1:9464",
        _address,
    ),
    Variable("STREAM_LOG_FORMAT", "`json` or `text`.", "text on a terminal, else json", _one_of("json", "text")),
    Variable(
        "STREAM_CODEC",
        "Avro codec: `auto` takes the native one where it can, `native` insists on it, `reference` is fastavro.",
        "auto",
        _one_of("auto", "native", "reference"),
    ),
    Variable("STREAM_TRANSPORT", "`python`, or `native`: a third less CPU.", "python", _one_of("python", "native")),
    Variable(
        "STREAM_FAILPOINT",
        "For tests: `name:count` kills the process when it comes to that place for the count-th time,"
        " `name:count:stop` stops it there.",
        check=_failpoint,
    ),
)
REGISTRY_VARIABLES: Final = {
    "url": Variable(f"{REGISTRY}URL", "Schema registry; without one, schemas come from files.", check=_urls),
    "basic.auth.user.info": Variable(f"{REGISTRY}BASIC_AUTH_USER_INFO", "user:password.", "", _user_info, True),
    "bearer.auth.token": Variable(f"{REGISTRY}BEARER_TOKEN", "Token sent as a bearer.", secret=True),
    "bearer.auth.logical.cluster": Variable(f"{REGISTRY}BEARER_LOGICAL_CLUSTER", "Confluent Cloud: lsrc-..."),
    "bearer.auth.identity.pool.id": Variable(f"{REGISTRY}BEARER_IDENTITY_POOL_ID", "Confluent Cloud: pool-..."),
    "ssl.ca.location": Variable(f"{REGISTRY}SSL_CA_LOCATION", "PEM file of the authorities to trust."),
    "ssl.certificate.location": Variable(f"{REGISTRY}SSL_CERTIFICATE_LOCATION", "PEM file of the client certificate."),
    "ssl.key.location": Variable(f"{REGISTRY}SSL_KEY_LOCATION", "PEM file of the client key."),
    "ssl.key.password": Variable(f"{REGISTRY}SSL_KEY_PASSWORD", "Password of the client key.", secret=True),
}
"""By the names of the registry client of confluent-kafka."""


_ALL: Final = f"; there are {KAFKA}<PROPERTY>, {REGISTRY}*, {', '.join(v.name for v in VARIABLES)}"


def read(environ: Mapping[str, str], host_name: str, *, terminal: bool) -> tuple[Environment, list[Problem]]:
    """All STREAM_* variables, checked, and every mistake in them. An empty value counts as not set."""
    reading = _Reading({n: v for n, v in environ.items() if n.startswith(PREFIX) and v})
    kafka = reading.kafka()
    registry = reading.registry()
    values = {v.name: reading.take(v) for v in VARIABLES}
    reading.refuse_unknown()
    given = {_attribute(name): value for name, value in values.items() if isinstance(value, str)}
    defaults = {"instance": _slug(host_name), "log_format": "text" if terminal else "json"}
    return Environment(**{**defaults, **given}, kafka=kafka, registry=registry), reading.problems


@dataclass(slots=True)
class _Reading:
    """The variables that are left to be explained, and the problems found."""

    left: dict[str, str]
    problems: list[Problem] = field(default_factory=list)

    def note(self, message: str) -> None:
        self.problems.append(Problem(message, place=PLACE))

    def take(self, variable: Variable) -> str | Secret | None:
        """The checked value, or None when it is not set or wrong."""
        name = variable.name
        value, by_file = self.left.pop(name, None), self.left.pop(f"{name}_FILE", None) if variable.secret else None
        if value is not None and by_file is not None:
            self.note(f"{name} and {name}_FILE are both set; keep one")
            return None
        if by_file is not None:
            value = self.content(f"{name}_FILE", by_file)
        if value is None:
            return None
        try:
            value = variable.check(value)
        except ValueError as error:
            self.note(f"{name} {error}")
            return None
        return Secret(value) if variable.secret else value

    def content(self, name: str, path: str) -> str | None:
        """What the file holds, without the line end."""
        try:
            with Path(path).open("rb") as file:
                held = file.read(MAX_SECRET_BYTES + 1)
            text = held.decode("utf-8").rstrip("\r\n")
        except OSError as error:
            self.note(f"{name} names {path}, which cannot be read: {error.strerror}")
            return None
        except UnicodeDecodeError:
            self.note(f"{name} names {path}, which is not UTF-8 text")
            return None
        except ValueError:
            self.note(f"{name} names {path}, which can be the name of no file")
            return None
        if not text or len(held) > MAX_SECRET_BYTES:
            self.note(f"{name} names {path}, which is {'longer than 64 KiB' if text else 'empty'}")
            return None
        return text

    def kafka(self) -> dict[str, str | Secret]:
        properties: dict[str, str | Secret] = {}
        for name in sorted({self.base(n) for n in self.left if n.startswith(KAFKA)}):
            found = kafka_properties.property_of(name)
            if isinstance(found, Problem):
                self.problems.append(found)
                self.left.pop(name, None)
                continue
            value = self.take(Variable(name, "", secret=kafka_properties.is_secret(found)))
            if value is not None:
                properties[found] = value
        return properties

    def base(self, name: str) -> str:
        """STREAM_KAFKA_SASL_PASSWORD of STREAM_KAFKA_SASL_PASSWORD_FILE, any other name as it is."""
        stem = name.removesuffix("_FILE")
        found = kafka_properties.property_of(stem)
        return stem if isinstance(found, str) and kafka_properties.is_secret(found) else name

    def registry(self) -> Registry | None:
        values = {key: self.take(variable) for key, variable in REGISTRY_VARIABLES.items()}
        url = values.pop("url")
        given = {key: value for key, value in values.items() if value is not None}
        if given and url is None and not any(f"{REGISTRY}URL" in p.message for p in self.problems):
            self.note(f"{REGISTRY}URL is missing, but {REGISTRY_VARIABLES[next(iter(given))].name} is set")
        return Registry(url, given) if isinstance(url, str) else None

    def refuse_unknown(self) -> None:
        """Whatever was not taken is unknown, but for the variables that Kubernetes sets by itself."""
        known = list(names())
        for name in sorted(self.left):
            plain = name.removesuffix("_FILE")
            if plain in known:
                self.note(f"{name}: only secrets are read from a file; set {plain}")
            elif not _SERVICE_LINK.fullmatch(name):
                self.note(f"{name} is not known{did_you_mean(name, known, PREFIX) or _ALL}")


def names() -> Iterable[str]:
    """Every variable of the product's own."""
    for variable in (*VARIABLES, *REGISTRY_VARIABLES.values()):
        yield variable.name


def _attribute(name: str) -> str:
    return name.removeprefix(PREFIX).lower()


def _slug(host_name: str) -> str:
    """A host name as an instance name: what is not allowed in one becomes '-'."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", host_name).lstrip("._-")[:MAX_INSTANCE] or "worker"


def _revealed(values: Mapping[str, str | Secret]) -> dict[str, str]:
    return {name: v.reveal() if isinstance(v, Secret) else v for name, v in values.items()}
