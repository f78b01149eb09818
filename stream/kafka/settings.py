"""Client properties: the user's, plus those the product owns and why it owns them.

The rules named R1 to R11 are argued in docs/exactly-once.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from stream.errors import ConfigurationError
from stream.kafka.batching import USUAL
from stream.kafka.python import PythonTransport
from stream.kafka.transport import Transport

Properties = dict[str, str | int | float | bool]

ABOVE_TRANSACTION = "transaction timeout < session.timeout.ms < max.poll.interval.ms"
CLASSIC = "classic"
SOCKET_TIMEOUT_MS = 6000
FEWEST_QUEUED = 1000
LEAST_QUEUED_KB = 2048


@dataclass(frozen=True, slots=True)
class Slot:
    """A stable seat of a worker: its transactional id and static member id survive restarts (R9).

    A command that writes for a pipeline has a seat without a number, which no worker can have.
    """

    pipeline: str
    instance: str
    number: int | None = 0

    def __str__(self) -> str:
        return f"{self.pipeline}-{self.instance}" + (f"-{self.number}" if self.number is not None else "")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Everything the clients of one worker are made from. user holds librdkafka properties as given."""

    slot: Slot
    topics: tuple[str, ...]
    """What is read: the inputs."""
    user: Mapping[str, str] = field(default_factory=dict)
    tiers: frozenset[str] = frozenset()
    """Retry topics, read by the same worker when their events are due."""
    group_protocol: str = CLASSIC
    transaction_timeout_s: float = 10.0
    start: str = "earliest"
    """For a group without offsets: earliest, latest, or milliseconds since the epoch as digits."""
    batch_events: int = 30_000
    batch_bytes: int = 16 * 1024 * 1024
    batch_wait_s: float = 0.025
    transport: Transport = field(default_factory=PythonTransport)

    @property
    def transaction_timeout_ms(self) -> int:
        return int(self.transaction_timeout_s * 1000)

    def number(self, name: str) -> float:
        """A numeric property: the user's or our default."""
        return float(self.user.get(name, {**_CONSUMER, **_PRODUCER, **_SHARED, **_CLASSIC_GROUP}[name]))

    @property
    def slow_call_s(self) -> float:
        """A guarded call that takes longer may have been sent twice: see guard.py."""
        return 0.4 * min(self.number("reconnect.backoff.ms"), self.number("reconnect.backoff.max.ms")) / 1000

    def consumer(self) -> Properties:
        return {
            **self._shared("consumer"),
            **_CONSUMER,
            # the next batch, and one more: of each partition in events, where the client's 100,000 small ones are 40 MB
            # of memory, and of all of them in bytes
            "queued.min.messages": max(FEWEST_QUEUED, 2 * min(self.batch_events, USUAL)),
            "queued.max.messages.kbytes": max(LEAST_QUEUED_KB, 2 * self.batch_bytes // 1024),
            **self._group(),
            **self._user(PRODUCER_ONLY),
            **_CONSUMER_OWNED,
        }

    def producer(self) -> Properties:
        return {
            **self._shared("producer"),
            **_PRODUCER,
            "queue.buffering.max.messages": max(100_000, 4 * self.batch_events),
            # librdkafka makes no transactional producer whose requests may outlive the transaction
            "socket.timeout.ms": min(SOCKET_TIMEOUT_MS, self.transaction_timeout_ms),
            **self._user(CONSUMER_ONLY),
            **_PRODUCER_OWNED,
            # at info level the third identical disconnect within 30 s is not logged, and the guard must see it
            "debug": ",".join(filter(None, (self.user.get("debug"), "broker"))),
            "transactional.id": str(self.slot),
            "transaction.timeout.ms": self.transaction_timeout_ms,
            # R8: a message must not outlive its transaction
            "message.timeout.ms": self.transaction_timeout_ms,
        }

    def _shared(self, role: str) -> Properties:
        return {**_SHARED, "client.id": f"{self.slot}-{role}"}

    def _group(self) -> Properties:
        group: Properties = {"group.id": self.slot.pipeline, "group.protocol": self.group_protocol}
        if self.group_protocol == CLASSIC:
            # KIP-345: a killed worker that comes back within the session takes its partitions back at once
            return {**group, **_CLASSIC_GROUP, "group.instance.id": str(self.slot)}
        # a static KIP-848 member cannot take over before the broker's session ends: dynamic members
        return group

    def _user(self, other_client: frozenset[str]) -> Properties:
        return {k: v for k, v in self.user.items() if k not in other_client}


@contextmanager
def refused_settings(client: str) -> Iterator[None]:
    """Around the making of a client: properties that it does not take together are the configuration's mistake."""
    try:
        yield
    except KafkaException as error:
        raise ConfigurationError([f"the Kafka {client} does not take its settings: {error.args[0].str()}"]) from error


_SHARED: Properties = {
    # with 1000 a resend after a disconnect cannot come back quickly, so a quick answer proves a single send
    "reconnect.backoff.ms": 1000,
    "reconnect.backoff.max.ms": 1000,
    "socket.timeout.ms": SOCKET_TIMEOUT_MS,
    "log.connection.close": True,
    "enable.metrics.push": False,
}
_CONSUMER: Properties = {
    "max.poll.interval.ms": 300_000,
    # the default of 1000 stops fetching a partition for a second when its local queue is full
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 100,
}
_CLASSIC_GROUP: Properties = {
    "session.timeout.ms": 15_000,
    # how soon a member learns of a rebalance: when another leaves, its partitions stand still until then
    "heartbeat.interval.ms": 1_000,
    "partition.assignment.strategy": "cooperative-sticky",
}
_CONSUMER_OWNED: Properties = {
    # R11: what we read is committed, whole, and the start is ours to decide
    "isolation.level": "read_committed",
    "check.crcs": True,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
}
_PRODUCER: Properties = {
    # a transaction's flush sends at once; until then a request that goes early only makes the others wait
    "linger.ms": 50,
    "compression.type": "lz4",
    # one request a partition and transaction: an idempotent producer has one in flight a partition
    "batch.size": 1_000_000,
    # the default of 100 costs 100 ms for every transaction that follows another at once
    "retry.backoff.ms": 5,
    "retry.backoff.max.ms": 100,
    # "rebootstrap" forgets the brokers when all connections are gone, as they are with one broker after any cut, and
    # send_offsets then waits for one of them for ever (librdkafka 2.16); a new producer begins with bootstrap anyway
    "metadata.recovery.strategy": "none",
}
_PRODUCER_OWNED: Properties = {
    "enable.idempotence": True,
    "acks": "all",
    # Java's placing of keys, so that producers in other languages keep the order per key
    "partitioner": "murmur2_random",
}
CONSUMER_ONLY = frozenset(
    {
        "check.crcs",
        "fetch.error.backoff.ms",
        "fetch.max.bytes",
        "fetch.message.max.bytes",
        "fetch.min.bytes",
        "fetch.queue.backoff.ms",
        "fetch.wait.max.ms",
        "group.remote.assignor",
        "heartbeat.interval.ms",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "partition.assignment.strategy",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "session.timeout.ms",
    }
)
PRODUCER_ONLY = frozenset(
    {
        "batch.num.messages",
        "batch.size",
        "compression.codec",
        "compression.level",
        "compression.type",
        "delivery.timeout.ms",
        "linger.ms",
        "message.send.max.retries",
        "queue.buffering.backpressure.threshold",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.messages",
        "queue.buffering.max.ms",
        "request.timeout.ms",
        "retries",
        "sticky.partitioning.linger.ms",
    }
)
