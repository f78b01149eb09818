"""Where a run takes place: Kafka, perhaps a proxy before it, a registry, topics, a project, and who acts there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream.avro.framing import id_prefix
from stream.chaos.brokers import Brokers, unmount_left
from stream.chaos.events import Place
from stream.chaos.faults import ON_NETWORK, Kind
from stream.chaos.following import Follower
from stream.chaos.injector import Injector
from stream.chaos.load import Load
from stream.chaos.network import Network
from stream.chaos.plan import Plan
from stream.chaos.project import INPUT, SUBJECT, Project
from stream.chaos.proxy import Proxy
from stream.chaos.recovery import Pulse
from stream.chaos.rhythm import due
from stream.chaos.workers import Crew, run_command
from stream.config import load as load_config
from stream.devkafka import Cluster
from stream.devkafka.registry_server import RegistryServer
from stream.errors import UnreachableError
from stream.kafka.connection import Connection
from stream.kafka.topics import Role, TopicAdmin, needed, plan

TOPICS_WITHIN_S: Final = 30.0
TRY_AGAIN_S: Final = 0.1
PARTITIONS: Final = 6
SESSION_MS: Final = "6000"
KEPT: Final = frozenset({"STREAM_TRANSPORT", "STREAM_CODEC"})
"""The user's own variables that workers are given: which of the product's parts is put to the test."""
HIGH, LOW, DEAD, WAITING = "chaos.high", "chaos.low", "chaos.dlq", "chaos.retry.1h"
ENDS: Final[Mapping[str, Place]] = {HIGH: Place.HIGH, LOW: Place.LOW, DEAD: Place.DEAD, WAITING: Place.WAITING}
PASSING: Final = ("chaos.retry.1s", "chaos.retry.2s")
"""Tiers that events leave again before a run ends."""


@dataclass(slots=True)
class Scene:
    """What set_up starts is ended by `stack`. No worker runs yet, and nothing is produced."""

    run: Plan
    folder: Path
    environ: Mapping[str, str]
    say: Callable[[str], None]
    stack: ExitStack
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def set_up(self) -> Injector:
        """Raises ProcessError when a part does not start."""
        cluster, brokers, network = self._kafka()
        registry = self.stack.enter_context(RegistryServer())
        project = Project.copied(self.folder / "project", self.run.protocol, self.run.load)
        schema = registry.registry.register(SUBJECT, {"schema": project.schema_text(0)})
        environ = self._variables(network.proxy.bootstrap if network else cluster.bootstrap, registry)
        connection = Connection({"bootstrap.servers": cluster.internal_bootstrap})  # not through the proxy
        self._topics(project, environ, connection)
        cluster.await_in_sync()  # each partition has a leader that knows it
        follower = Follower(connection, ENDS, Pulse(), self.wall_clock)
        crew = self._crew(project, environ)
        amount = due(self.run.load, self.run.rate, self.run.seed)
        load = Load(connection, INPUT, amount, id_prefix(schema.id), self.run.events)
        injector = Injector(crew, brokers, registry, project, load, follower, network, PARTITIONS, self.say, self.clock)
        crew.excuse = injector.excuse
        return injector

    def _kafka(self) -> tuple[Cluster, Brokers, Network | None]:
        folder = self.folder / "kafka"
        if folder.exists():
            Cluster(folder).stop()  # one that an earlier run kept, or left
        unmount_left(folder)
        shutil.rmtree(folder, ignore_errors=True)
        proxy = None
        if ON_NETWORK.intersection(self.run.chosen.kinds):
            proxy = self.stack.enter_context(Proxy(self.run.brokers))
        ports = proxy.ports if proxy else None
        cluster = Cluster(folder, self.run.brokers, advertised=ports, report=self.say)
        brokers = Brokers(cluster)
        self.stack.callback(self._clear, cluster, brokers)
        if Kind.DISK in self.run.chosen.kinds:
            brokers.mount_disks()
        cluster.start()
        if proxy:
            proxy.forward_to([node.port for node in cluster.state.nodes])
        self.stack.callback(brokers.close)
        self.say(f"Apache Kafka runs at {cluster.bootstrap}: {self.run.brokers} brokers")
        return cluster, brokers, Network(proxy) if proxy else None

    def _clear(self, cluster: Cluster, brokers: Brokers) -> None:
        if self.run.keep:
            return
        cluster.stop()
        brokers.unmount_disks()
        shutil.rmtree(cluster.folder, ignore_errors=True)

    def _variables(self, bootstrap: str, registry: RegistryServer) -> dict[str, str]:
        own = {name for name in self.environ if name.startswith("STREAM_")} - KEPT
        plain = {name: text for name, text in self.environ.items() if name not in own}
        return {
            **plain,
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "STREAM_SCHEMA_REGISTRY_URL": registry.url,
            "STREAM_LOG_FORMAT": "json",
            "STREAM_HTTP_ADDRESS": "127.0.0.1:0",
            **({"STREAM_KAFKA_SESSION_TIMEOUT_MS": SESSION_MS} if self.run.protocol == "classic" else {}),
        }

    def _topics(self, project: Project, environ: Mapping[str, str], connection: Connection) -> None:
        needs = needed(load_config(project.pipeline, environ).file)
        admin = TopicAdmin(connection)
        admin.create(plan(needs, admin.existing(needs), PARTITIONS))
        deadline = self.clock() + TOPICS_WITHIN_S
        while len(admin.existing([n for n, role in needs.items() if role is not Role.RESOLVED])) < len(needs) - 1:
            if self.clock() > deadline:
                raise UnreachableError(f"{TOPICS_WITHIN_S:.0f} s after they were created topics are not there")
            self.sleep(TRY_AGAIN_S)

    def _crew(self, project: Project, environ: Mapping[str, str]) -> Crew:
        logs = self.folder / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        crew = Crew(run_command(project.pipeline), lambda slot: {**environ, "STREAM_INSTANCE": f"chaos-{slot}"}, logs)
        self.stack.callback(crew.end)
        return crew
