"""What this client may do, asked of the broker: which rights of a pipeline are missing, and which topics.

Nothing is read or written, and no group is joined. Topics tell which operations are allowed (KIP-430); the
group is asked for offsets; the worker's transactional id is asked for with a timeout that no broker takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition

from stream.config import PipelineFile
from stream.errors import ConfigurationError
from stream.kafka.connection import REQUEST_S, Connection
from stream.kafka.onlooker import onlooker
from stream.kafka.rights import Resource, Right, needed_rights, principal_of
from stream.kafka.settings import Properties, Slot
from stream.kafka.topics import Role, needed

TIMEOUT_REFUSED_MS: Final = 2**31 - 1
"""A transaction.timeout.ms above any broker's transaction.max.timeout.ms. The broker looks at the right first, then
refuses the timeout, and only then would fence whoever has the id (`KafkaApis.handleInitProducerIdRequest`,
`TransactionCoordinator.handleInitProducerId` of Kafka 4.3).
"""
GROUP_ASKS: Final = 10
"""Times within one request's time that the group is asked for."""
_GROUP: Final = KafkaError.GROUP_AUTHORIZATION_FAILED


@dataclass(frozen=True, slots=True)
class Found:
    """lacking: rights that are missing; absent: topics that are; hidden: topics that are not shown, there or not."""

    lacking: tuple[Right, ...] = ()
    absent: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is missing."""
        return bool(self.lacking or self.absent)


@dataclass(frozen=True, slots=True)
class Permissions:
    """Asks for one pipeline. Every method raises UnreachableError, or ConfigurationError for a login that fails."""

    connection: Connection
    file: PipelineFile

    def of_topics(self) -> Found:
        """One request for all of them."""
        allowed = self._operations([n for n, role in needed(self.file).items() if role is not Role.RESOLVED])
        rights = [r for r in needed_rights(self.file) if r.resource is Resource.TOPIC]
        lacking = [r for r in rights if (ops := allowed[r.name]) is not None and r.operation.upper() not in ops]
        absent = tuple(name for name, ops in allowed.items() if ops is None)
        return Found(tuple(lacking), absent, frozenset(name for name, ops in allowed.items() if ops == frozenset()))

    def while_running(self) -> Found:
        """Topics and group; whether transactions are allowed a worker sees by its own."""
        topics = self.of_topics()
        groups = [r for r in needed_rights(self.file) if r.resource is Resource.GROUP and self._group_refused()]
        return Found((*topics.lacking, *groups), topics.absent, topics.hidden)

    def of_everything(self, instance: str) -> Found:
        """Topics, group, transactional id of slot 0. instance: STREAM_INSTANCE; no worker of it is disturbed."""
        topics = self.of_topics()
        others = [right for right in needed_rights(self.file) if self._lacks(right, instance)]
        return Found((*topics.lacking, *others), topics.absent, topics.hidden)

    def lines(self, found: Found, create: str) -> list[str]:
        """One for each topic and right that is missing, with its cure. create: the command that makes topics."""
        roles, principal = needed(self.file), principal_of(self.connection.user)
        return [
            *(f"{roles[name]} topic {name} does not exist: create it with `{create}`" for name in found.absent),
            *(right.missing(principal, hidden=right.name in found.hidden) for right in found.lacking),
        ]

    def require_topics(self, create: str) -> None:
        """Raises ConfigurationError with every topic and right on topics that is missing."""
        if found := self.of_topics():
            raise ConfigurationError(self.lines(found, create))

    def _operations(self, names: list[str]) -> Mapping[str, frozenset[str] | None]:
        """Topic -> what is allowed there; nothing at all for one that is not shown, None for one that is not there."""
        admin = self.connection.admin()
        topics = TopicCollection(names)
        allowed: dict[str, frozenset[str] | None] = {}
        asked = admin.describe_topics(topics, include_authorized_operations=True, request_timeout=REQUEST_S)
        for name, future in asked.items():
            try:
                operations = future.result().authorized_operations or []
            except KafkaException as error:
                hidden = _is(error.args[0], KafkaError.TOPIC_AUTHORIZATION_FAILED)
                if not hidden and not _is(error.args[0], KafkaError.UNKNOWN_TOPIC_OR_PART):
                    raise self.connection.refusal(error, f"describe topic {name}") from error
                allowed[name] = frozenset() if hidden else None
            else:
                allowed[name] = frozenset(operation.name for operation in operations)
        self.connection.answered = True
        return allowed

    def _lacks(self, right: Right, instance: str) -> bool:
        if right.resource is Resource.GROUP:
            return self._group_refused()
        return right.resource is Resource.TRANSACTIONAL_ID and self._transactions_refused(instance)

    def _group_refused(self) -> bool:
        """The client asks for the group's coordinator again and again, and tells only its own poll that it may not."""
        place = TopicPartition(self.file.input.topics[0], 0)
        with onlooker(self.connection, self.file.name) as consumer:
            for attempt in range(GROUP_ASKS):
                try:
                    consumer.committed([place], REQUEST_S / GROUP_ASKS)
                except KafkaException as error:
                    told = consumer.poll(0)
                    if _is(error.args[0], _GROUP) or (told is not None and _is(told.error(), _GROUP)):
                        return True
                    if attempt == GROUP_ASKS - 1 or not error.args[0].retriable():
                        raise self.connection.refusal(error, f"read the offsets of group {self.file.name}") from error
                else:
                    return False
        return False

    def _transactions_refused(self, instance: str) -> bool:
        """Asked for the first worker's id, so that an ACL on this very name counts as one on the prefix does."""
        name = str(Slot(self.file.name, instance))
        own: Properties = {"transactional.id": name, "transaction.timeout.ms": TIMEOUT_REFUSED_MS}
        producer = self.connection.producer(own)
        try:
            producer.init_transactions(REQUEST_S)
        except KafkaException as error:
            if _is(error.args[0], KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED):
                return True
            if _is(error.args[0], KafkaError.INVALID_TRANSACTION_TIMEOUT):
                return False
            raise self.connection.refusal(error, f"begin transactions as {name}") from error
        return False


def _is(error: KafkaError | None, code: int) -> bool:
    return error is not None and error.code() == code
