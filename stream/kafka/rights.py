"""The rights on Kafka that a pipeline needs, and no more: four kinds of ACL (docs/security.md).

Found by taking each away from a worker at work, under both group protocols. Read and Write imply Describe
(org.apache.kafka.common.acl.AclOperation); a transactional producer needs no IdempotentWrite.
"""

from __future__ import annotations

import enum
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from stream.config import PipelineFile
from stream.kafka.topics import Role, needed


class Resource(enum.StrEnum):
    """As `kafka-acls` calls them."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


@dataclass(frozen=True, slots=True)
class Right:
    """What an ACL allows: an operation on a resource; prefixed: on all whose name begins so. why: for a person."""

    resource: Resource
    name: str
    operation: str
    why: str
    prefixed: bool = False

    @property
    def pattern(self) -> str:
        return "prefixed" if self.prefixed else "literal"

    def command(self, principal: str) -> str:
        """What Kafka's own tool gives it with; --bootstrap-server and the login are the caller's."""
        words = ["kafka-acls", "--add", "--allow-principal", principal, "--operation", self.operation]
        words += [f"--{self.resource}", self.name]
        return shlex.join([*words, "--resource-pattern-type", "prefixed"] if self.prefixed else words)

    def missing(self, principal: str = "", *, hidden: bool = False) -> str:
        """One line: who lacks what, what it is for, and what to do.

        principal: User:name, empty when not known. hidden: Kafka does not tell whether the resource exists.
        """
        pattern = " (prefixed)" if self.prefixed else ""
        perhaps = ", or the topic does not exist" if hidden else ""
        return (
            f"{principal or 'this user'} lacks the ACL {self.operation} on {self.resource} {self.name}{pattern}"
            f" ({self.why}){perhaps}: an administrator gives it with `{self.command(principal or 'User:NAME')}`"
        )


def needed_rights(file: PipelineFile) -> tuple[Right, ...]:
    """The smallest set with which a worker of this pipeline does all its work, in the order of its file."""
    rights = []
    for topic, role in needed(file).items():
        if role in (Role.INPUT, Role.RETRY):
            rights.append(Right(Resource.TOPIC, topic, "Read", _READING[role]))
        if role in (Role.OUTPUT, Role.RETRY, Role.DEAD_LETTER):
            rights.append(Right(Resource.TOPIC, topic, "Write", _WRITING[role]))
    return (
        *rights,
        Right(Resource.GROUP, file.name, "Read", "the consumer group, and the offsets in each transaction"),
        Right(Resource.TRANSACTIONAL_ID, f"{file.name}-", "Write", "the transactions of every worker", prefixed=True),
    )


_READING = {Role.INPUT: "the events", Role.RETRY: "events that are due for another attempt"}
_WRITING = {
    Role.OUTPUT: "results",
    Role.RETRY: "events that may pass later",
    Role.DEAD_LETTER: "events that failed",
}


def principal_of(properties: Mapping[str, str]) -> str:
    """Whom Kafka takes the client for, where its settings tell: User:name of a login with a password; else empty.

    For a certificate or a token the broker's own rules decide.
    """
    name = properties.get("sasl.username")
    return f"User:{name}" if name and "SASL" in properties.get("security.protocol", "").upper() else ""
