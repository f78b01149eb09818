"""What a broker is told: `server.properties` and its logging, as text.

Every node is broker and controller at once (KRaft) and listens three times on loopback:
CLIENT is what users are given; INTERNAL serves the other brokers, Kafka's tools and our probe, and stays
plaintext when a test puts TLS or SASL on CLIENT; CONTROLLER is the quorum's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from stream.devkafka.ports import HOST
from stream.devkafka.state import Node
from stream.errors import ConfigurationError

COMMON: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "inter.broker.listener.name": "INTERNAL",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # A dead process's open transaction holds back every read_committed reader of its partitions until
    # transaction.timeout.ms and the coordinator's next sweep have passed; the sweep's default is 10 s.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # How soon a killed member's partitions move. KIP-848 clients cannot ask for it; the defaults are 45 s and 5 s.
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.session.timeout.ms": "2000",
    "group.consumer.heartbeat.interval.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    "group.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    # How soon a killed broker is known to be gone, and so how soon it may come back: its next life is not
    # let in while the last one has a session. Defaults: 9 s and 2 s.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    # A laptop's size: fewer internal partitions to create and load, fewer threads, less memory.
    "offsets.topic.num.partitions": "10",
    "transaction.state.log.num.partitions": "10",
    "share.coordinator.state.topic.num.partitions": "3",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "16777216",
}
ONE_NODE: Final[Mapping[str, str]] = {
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
THREE_NODES: Final[Mapping[str, str]] = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # How soon the others notice that the leader of the quorum is gone, and elect.
    "controller.quorum.fetch.timeout.ms": "2000",
    "controller.quorum.election.timeout.ms": "1000",
}
OWNED: Final = frozenset(
    {
        "process.roles",
        "node.id",
        "controller.quorum.voters",
        "listeners",
        "advertised.listeners",
        "inter.broker.listener.name",
        "controller.listener.names",
        "log.dirs",
    }
)
"""Properties that a caller may not set: the cluster would not find itself any more."""

LOG4J2: Final = """\
status = error
shutdownHook = disable
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:stream.devkafka.log}
appender.file.filePattern = ${sys:stream.devkafka.log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d] %p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.appenderRef.console.ref = console
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""
"""A broker's log: at most 3 x 16 MB; its few words about its own start and end go to the console too.
Kafka shuts logging down itself, after its last words."""

STARTED: Final = "Kafka Server started"
"""What the console says when every listener is bound. A broker whose client port is taken answers on its
other ports before it ends, so an answer alone is not enough."""

TOOL_LOG4J2: Final = """\
status = error
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.err.ref = err
"""


def broker_properties(
    node: Node, nodes: Sequence[Node], data: Path, extra: Mapping[str, str], advertised: int | None = None
) -> dict[str, str]:
    """All settings of one node of a cluster of 1 or 3; `extra` is added last and wins.

    `advertised` is the port that clients are told: a proxy's in front of the node, or its own.

    Raises ConfigurationError for an extra that is OWNED, and for a data folder that Kafka would split.
    """
    problems = [f"broker property {name} belongs to the development Kafka" for name in sorted(OWNED & extra.keys())]
    if "," in str(data):
        problems.append(f"{data}: the folder of a broker cannot have a comma in its path")
    if problems:
        raise ConfigurationError(problems)
    internal = f"INTERNAL://{HOST}:{node.internal_port}"
    return {
        **COMMON,
        **(ONE_NODE if len(nodes) == 1 else THREE_NODES),
        "node.id": str(node.id),
        "controller.quorum.voters": ",".join(f"{n.id}@{HOST}:{n.controller_port}" for n in nodes),
        "listeners": f"CLIENT://{HOST}:{node.port},{internal},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"CLIENT://{HOST}:{advertised or node.port},{internal}",
        "log.dirs": str(data),
        **extra,
    }


def render(properties: Mapping[str, str]) -> str:
    """The text of a .properties file (java.util.Properties.load), ASCII only."""
    return "".join(f"{name}={_escape(value)}\n" for name, value in properties.items())


def _escape(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    if escaped.startswith(" "):
        escaped = "\\" + escaped
    units = escaped.encode("utf-16-be")
    chars = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return "".join(chr(c) if 0x20 <= c < 0x7F else f"\\u{c:04x}" for c in chars)
