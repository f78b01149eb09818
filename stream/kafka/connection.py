"""How the small commands (topics, produce, tail) reach Kafka, and its errors in words.

The loop has a client of its own (`session.py`): it waits for Kafka. A command gives up after a while and
says why, in one line and with the exit code of its family.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from stream.errors import ConfigurationError, ProcessError, UnreachableError
from stream.kafka.listener import advice
from stream.kafka.settings import CONSUMER_ONLY, PRODUCER_ONLY, Properties

REQUEST_S: Final = 10.0
"""How long one request of a command may take, connecting included."""

_LOGIN: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED})
"""Errors that only the client's error callback tells: the request itself just times out."""

ALERT: Final = "alert certificate"
"""TLS's word for a certificate that the other side refuses (RFC 8446, 6.2)."""
NO_TLS: Final = "wrong version number"
"""OpenSSL's word for an answer that is no TLS."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Connection:
    """Makes clients from the user's librdkafka properties and remembers why they cannot connect."""

    user: Mapping[str, str]
    _causes: dict[int, str] = field(default_factory=dict)
    _client: AdminClient | Consumer | Producer | None = None
    """The last one made: refusal() has it hand over its pending errors."""
    answered: bool = False
    """A request came through: what fails later is no matter of protocol or login."""

    def admin(self) -> AdminClient:
        self._client = client = AdminClient(self._properties(CONSUMER_ONLY | PRODUCER_ONLY), logger=log)
        return client

    def consumer(self, own: Properties) -> Consumer:
        self._client = client = Consumer({**self._properties(PRODUCER_ONLY), **own}, logger=log)
        return client

    def producer(self, own: Properties) -> Producer:
        self._client = client = Producer({**self._properties(CONSUMER_ONLY), **own}, logger=log)
        return client

    def refusal(self, error: KafkaError | KafkaException, doing: str, acl: str = "") -> ProcessError:
        """The error as one that ends the command.

        doing: what was wanted, such as "create topic flights"; acl: what allows it, "Create on topic flights".
        """
        if self._client is not None:
            self._client.poll(0)
        cause: KafkaError = error.args[0] if isinstance(error, KafkaException) else error
        if cause.name().endswith("_AUTHORIZATION_FAILED"):
            missing = f"the ACL {acl} is missing" if acl else "an ACL is missing"
            return ConfigurationError([f"Kafka does not let this user {doing}: {missing} ({cause.name()})"])
        login = next((text for code, text in self._causes.items() if code in _LOGIN), "")
        if login:
            hint = advice(self.user) if NO_TLS in login else "check the STREAM_KAFKA_* variables"
            return ConfigurationError([f"cannot {doing}: {login}; {hint}"])
        certificate = next((text for text in self._causes.values() if ALERT in text), "")
        if certificate:
            why = "the broker does not take this client's certificate (expired, or not of an authority that it knows)"
            where = "check STREAM_KAFKA_SSL_CERTIFICATE_LOCATION"
            return ConfigurationError([f"cannot {doing}: {why}: {certificate}; {where}"])
        if cause.code() > 0 and not cause.retriable():
            return ConfigurationError([f"cannot {doing}: {cause.str()} ({cause.name()})"])
        why = next(reversed(self._causes.values()), cause.str())
        hint = f"; {told}" if (told := advice(self.user, answered=self.answered)) else ""
        return UnreachableError(f"cannot {doing}: Kafka at {self.servers} does not answer ({why}){hint}")

    @property
    def servers(self) -> str:
        return self.user.get("bootstrap.servers", "")

    def _properties(self, not_mine: frozenset[str]) -> dict[str, Any]:
        own = {k: v for k, v in self.user.items() if k not in not_mine}
        return {
            "reconnect.backoff.ms": 500,
            "reconnect.backoff.max.ms": 1000,
            "enable.metrics.push": False,
            **own,
            "error_cb": self._note,
        }

    def _note(self, error: KafkaError) -> None:
        """Keep the last text of each kind; "all brokers down" says less than the reason before it."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._causes[error.code()] = error.str()
