"""A Kafka that asks for TLS and a login and has an authorizer: certificates, users, ACLs.

The brokers' own listener stays plaintext and its user is the super user: from there the tests give and take rights.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stream.devkafka import Cluster

ASK_S: Final = 30.0
_JAAS: Final = "org.apache.kafka.common.security"
_AUTHORIZER: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # the listeners of brokers and tools are plaintext, on loopback
    "super.users": "User:ANONYMOUS",
}


@dataclass(frozen=True)
class Identity:
    """A certificate and its key as PEM files; chain has key, certificate and authority in one, as Kafka wants them."""

    certificate: Path
    key: Path
    chain: Path


class Authority:
    """A certificate authority that lives as long as its folder."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = (
            self._builder(self._name, self._key.public_key(), days=30)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(_pem(self._certificate))

    def issue(self, name: str, *, days: int = 30, password: str | None = None) -> Identity:
        """A certificate for this common name and for 127.0.0.1; with negative days it has expired already."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            self._builder(subject, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(places), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        lock = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
        found = Identity(*(self.folder / f"{name}.{kind}.pem" for kind in ("certificate", "key", "chain")))
        found.certificate.write_bytes(_pem(certificate))
        found.key.write_bytes(private)
        found.chain.write_bytes(private + _pem(certificate) + _pem(self._certificate))
        return found

    def _builder(self, subject: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        end = now + timedelta(days=days)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - timedelta(days=1))
            .not_valid_after(end)
        )


class Right(NamedTuple):
    """What an ACL allows: Right("TOPIC", "flights", "READ"); prefixed for every name that begins so."""

    resource: str
    name: str
    operation: str
    prefixed: bool = False

    def binding(self, principal: str) -> AclBinding:
        pattern = ResourcePatternType.PREFIXED if self.prefixed else ResourcePatternType.LITERAL
        kind = ResourceType[self.resource]
        return AclBinding(
            kind, self.name, pattern, principal, "*", AclOperation[self.operation], AclPermissionType.ALLOW
        )

    def filter(self, principal: str) -> AclBindingFilter:
        pattern = ResourcePatternType.PREFIXED if self.prefixed else ResourcePatternType.LITERAL
        kind = ResourceType[self.resource]
        return AclBindingFilter(
            kind, self.name, pattern, principal, "*", AclOperation[self.operation], AclPermissionType.ALLOW
        )


@dataclass
class SecuredKafka:
    """A running cluster whose clients must log in, and the rights of its users."""

    cluster: Cluster
    authority: Authority

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap

    @cached_property
    def admin(self) -> AdminClient:
        """The super user."""
        return AdminClient({"bootstrap.servers": self.cluster.internal_bootstrap})

    def add_user(self, name: str, password: str) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(name, info, password.encode())
        for future in self.admin.alter_user_scram_credentials([upsertion], request_timeout=ASK_S).values():
            future.result(ASK_S)

    def allow(self, principal: str, rights: Iterable[Right]) -> None:
        bindings = [right.binding(principal) for right in rights]
        for future in self.admin.create_acls(bindings, request_timeout=ASK_S).values():
            future.result(ASK_S)

    def forbid(self, principal: str, rights: Iterable[Right]) -> None:
        """Take the rights away; fails for one that was not there."""
        for right in rights:
            (future,) = self.admin.delete_acls([right.filter(principal)], request_timeout=ASK_S).values()
            assert len(future.result(ASK_S)) == 1, f"{principal} had no {right}"

    def scram(self, user: str, password: str) -> dict[str, str]:
        """The environment of a worker that logs in with a password."""
        return {
            **self.tls("SASL_SSL"),
            "STREAM_KAFKA_SASL_MECHANISMS": "SCRAM-SHA-512",
            "STREAM_KAFKA_SASL_USERNAME": user,
            "STREAM_KAFKA_SASL_PASSWORD": password,
        }

    def tls(self, protocol: str = "SSL") -> dict[str, str]:
        return {
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "STREAM_KAFKA_SECURITY_PROTOCOL": protocol,
            "STREAM_KAFKA_SSL_CA_LOCATION": str(self.authority.certificate),
        }


@contextmanager
def scram_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """TLS, and a login by SCRAM-SHA-512 or by a token (OAUTHBEARER, tokens unsigned)."""
    scram, token = "listener.name.client.scram-sha-512", "listener.name.client.oauthbearer"
    login = {
        "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
        f"{scram}.sasl.jaas.config": f"{_JAAS}.scram.ScramLoginModule required;",
        f"{token}.sasl.jaas.config": f"{_JAAS}.oauthbearer.OAuthBearerLoginModule required"
        ' unsecuredLoginStringClaim_sub="nobody";',
    }
    with _kafka(folder, "SASL_SSL", login) as kafka:
        yield kafka


@contextmanager
def mutual_tls_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """TLS where the client shows a certificate too; the user is its subject, User:CN=name."""
    with _kafka(folder, "SSL", {"listener.name.client.ssl.client.auth": "required"}) as kafka:
        yield kafka


@contextmanager
def _kafka(folder: Path, protocol: str, login: Mapping[str, str]) -> Iterator[SecuredKafka]:
    authority = Authority(folder / "certificates")
    broker = authority.issue("broker")
    tls = {
        "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listener.name.client.ssl.keystore.type": "PEM",
        "listener.name.client.ssl.keystore.location": str(broker.chain),
        "listener.name.client.ssl.truststore.type": "PEM",
        "listener.name.client.ssl.truststore.location": str(authority.certificate),
    }
    cluster = Cluster(folder / "kafka", properties={**_AUTHORIZER, **tls, **login})
    try:
        cluster.start()
        yield SecuredKafka(cluster, authority)
    finally:
        cluster.stop()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
