"""The topics of a pipeline: what it needs, what is there, what differs; and creating what is missing.

Topics that exist are never changed, their differences are only told.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from stream.config import PipelineFile
from stream.errors import ConfigurationError
from stream.kafka.connection import REQUEST_S, Connection

DAY_MS: Final = 24 * 3600 * 1000
KEEP_FAILED_MS: Final = 14 * DAY_MS
"""How long retries are kept, and dead letters at least: long enough for somebody to come back from holiday."""
FOR_EVER: Final = -1
HEADER_ROOM_BYTES: Final = 64 * 1024
"""What the error headers may add to an event."""
DEFAULT_MAX_MESSAGE_BYTES: Final = 1_048_588
"""Kafka's default of max.message.bytes, taken where a topic's settings cannot be read."""
BROKER_DEFAULT: Final = -1


class Role(enum.StrEnum):
    INPUT = "input"
    OUTPUT = "output"
    DEAD_LETTER = "dead letter"
    RETRY = "retry"
    RESOLVED = "resolved"
    """What was done with dead letters: for `stream dlq`, a worker does without."""


class Status(enum.StrEnum):
    PRESENT = "present"
    DIFFERS = "differs"
    MISSING = "missing"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as it is. config holds only what was allowed to be read."""

    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    """Kafka's own (KIP-516): another one when the topic was deleted and made anew."""

    @property
    def max_message_bytes(self) -> int:
        return int(self.config.get("max.message.bytes", DEFAULT_MAX_MESSAGE_BYTES))


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the plan. partitions: as it is, or as it is to be created; 0 when that is not known."""

    name: str
    role: Role
    status: Status
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def needed(file: PipelineFile) -> dict[str, Role]:
    """The pipeline's topics in the order of its file. A topic that is input and output counts as input."""
    roles = [
        *((topic, Role.INPUT) for topic in file.input.topics),
        *((output.topic, Role.OUTPUT) for output in file.outputs),
        *((tier.topic, Role.RETRY) for tier in file.retry_tiers),
        (file.dead_letter_topic, Role.DEAD_LETTER),
        (resolved_topic(file), Role.RESOLVED),
    ]
    found: dict[str, Role] = {}
    for topic, role in roles:
        found.setdefault(topic, role)
    return found


def resolved_topic(file: PipelineFile) -> str:
    """Where `stream dlq` keeps what was done with the pipeline's dead letters."""
    return f"{file.dead_letter_topic}.resolved"


def plan(needs: Mapping[str, Role], existing: Mapping[str, Existing], partitions: int | None = None) -> list[Topic]:
    """What is there, what differs, what is missing and how it would be created.

    New topics get as many partitions as the input has at most: keys then keep their neighbours from
    input to output. partitions overrides that, and is needed where the input is not there.
    """
    inputs = [existing[name] for name, role in needs.items() if role is Role.INPUT and name in existing]
    source = Source(
        partitions=max((t.partitions for t in inputs), default=0),
        max_message_bytes=max((t.max_message_bytes for t in inputs), default=DEFAULT_MAX_MESSAGE_BYTES),
    )
    return [
        _present(name, role, existing[name], source) if name in existing else _missing(name, role, source, partitions)
        for name, role in needs.items()
    ]


@dataclass(frozen=True, slots=True)
class Source:
    """What matters of the inputs together."""

    partitions: int
    max_message_bytes: int


def _missing(name: str, role: Role, source: Source, partitions: int | None) -> Topic:
    if role is Role.RESOLVED:
        return Topic(name, role, Status.MISSING, 1, _settings(role, source))
    count = partitions or (0 if role is Role.INPUT else source.partitions)
    remarks = () if count else ("give --partitions to have it created",)
    return Topic(name, role, Status.MISSING, count, _settings(role, source), remarks)


def _settings(role: Role, source: Source) -> dict[str, str]:
    """Settings of a new topic; everything else is the broker's default, replication too."""
    if role is Role.RESOLVED:
        return {"cleanup.policy": "compact"}
    if role not in (Role.DEAD_LETTER, Role.RETRY):
        return {}
    room = max(source.max_message_bytes, DEFAULT_MAX_MESSAGE_BYTES) + HEADER_ROOM_BYTES
    # a dead letter keeps its event's timestamp, by which Kafka deletes: an old event would be gone at once
    kept_ms = FOR_EVER if role is Role.DEAD_LETTER else KEEP_FAILED_MS
    return {"cleanup.policy": "delete", "retention.ms": str(kept_ms), "max.message.bytes": str(room)}


def _present(name: str, role: Role, topic: Existing, source: Source) -> Topic:
    remarks = tuple(_differences(role, topic, source))
    return Topic(name, role, Status.DIFFERS if remarks else Status.PRESENT, topic.partitions, topic.config, remarks)


def _differences(role: Role, topic: Existing, source: Source) -> Iterable[str]:
    if role is Role.INPUT:
        return
    if role is Role.RESOLVED:
        if "delete" in topic.config.get("cleanup.policy", "compact"):
            yield f"cleanup.policy={topic.config['cleanup.policy']}: what was resolved would be forgotten, and redone"
        return
    if source.partitions and topic.partitions != source.partitions and role is Role.OUTPUT:
        yield f"{topic.partitions} partitions where the input has {source.partitions}: keys are placed anew"
    if topic.partitions < source.partitions and role is not Role.OUTPUT:
        yield f"{topic.partitions} partitions where the input has {source.partitions}"
    if role is Role.OUTPUT or not topic.config:
        return
    if topic.config.get("cleanup.policy", "delete") != "delete":
        yield f"cleanup.policy={topic.config['cleanup.policy']}: failed events of one key replace each other"
    kept_ms = int(topic.config.get("retention.ms", KEEP_FAILED_MS))
    if 0 <= kept_ms < KEEP_FAILED_MS:
        yield f"retention.ms={kept_ms}: kept {kept_ms / DAY_MS:.1f} days where 14 are usual"
    if topic.max_message_bytes < source.max_message_bytes:
        yield f"max.message.bytes={topic.max_message_bytes} where the input allows {source.max_message_bytes}"


@dataclass(frozen=True, slots=True)
class TopicAdmin:
    """Reads and creates topics. Raises UnreachableError, or ConfigurationError naming operation and topic."""

    connection: Connection

    def existing(self, names: Iterable[str]) -> dict[str, Existing]:
        """Those of the topics that exist."""
        admin = self.connection.admin()
        found = {}
        for name, future in admin.describe_topics(TopicCollection(list(names)), request_timeout=REQUEST_S).items():
            try:
                description = future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self.connection.refusal(
                        error, f"describe topic {name}", f"Describe on topic {name}"
                    ) from error
            else:
                replication = min((len(p.replicas) for p in description.partitions), default=0)
                found[name] = Existing(len(description.partitions), replication, id=_id(description.topic_id))
        configs = self._configs(admin, list(found))
        return {name: replace(topic, config=configs[name]) for name, topic in found.items()}

    def create(self, topics: Sequence[Topic]) -> list[Topic]:
        """Create those that are missing; all are answered for. One that came to be meanwhile is present."""
        unknown = [t for t in topics if t.status is Status.MISSING and not t.partitions]
        if unknown:
            raise ConfigurationError(
                [f"{t.role} topic {t.name} does not exist: create it, or give --partitions" for t in unknown]
            )
        missing = [t for t in topics if t.status is Status.MISSING]
        created = self._create(missing) if missing else {}
        return [created.get(t.name, t) for t in topics]

    def _create(self, missing: Sequence[Topic]) -> dict[str, Topic]:
        new = [NewTopic(t.name, t.partitions, BROKER_DEFAULT, config=dict(t.config)) for t in missing]
        futures = self.connection.admin().create_topics(new, operation_timeout=REQUEST_S, request_timeout=REQUEST_S)
        answers = {}
        for topic in missing:
            status = Status.CREATED
            try:
                futures[topic.name].result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    doing, acl = f"create topic {topic.name}", f"Create on topic {topic.name}"
                    raise self.connection.refusal(error, doing, acl) from error
                status = Status.PRESENT
            answers[topic.name] = Topic(topic.name, topic.role, status, topic.partitions, topic.config)
        return answers

    def _configs(self, admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Settings of topics; none for one whose settings this user may not read."""
        configs: dict[str, dict[str, str]] = {name: {} for name in names}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return configs
        for resource, future in admin.describe_configs(resources, request_timeout=REQUEST_S).items():
            try:
                configs[resource.name] = {entry.name: entry.value for entry in future.result().values()}
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise self.connection.refusal(error, f"read the settings of topic {resource.name}") from error
        return configs


def _id(uuid: object) -> str:
    """As Kafka's own tools write it: librdkafka uses the other base64 alphabet."""
    return str(uuid).replace("+", "-").replace("/", "_")
