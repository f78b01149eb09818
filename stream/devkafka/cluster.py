"""Cluster: a real Apache Kafka of one or three brokers on loopback, for the demo, the tests and a laptop."""

from __future__ import annotations

import base64
import os
import random
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final

from stream.devkafka import probe
from stream.devkafka.jars import read_lock
from stream.devkafka.java import Java, clean_environment
from stream.devkafka.node import (
    PROBE_INTERVAL_S,
    PROBE_TIMEOUT_S,
    await_ready,
    configure,
    format_storage,
    spawn_broker,
)
from stream.devkafka.ports import HOST, free_ports, is_free
from stream.devkafka.preparation import PREPARATION_TIMEOUT_S, default_cache, prepare
from stream.devkafka.process import end, is_alive, kill, resident_bytes
from stream.devkafka.properties import TOOL_LOG4J2
from stream.devkafka.state import Node, State, locked, read_state, write_state
from stream.errors import ConfigurationError, UnreachableError

START_TIMEOUT_S: Final = 120.0
STOP_GRACE_S: Final = 20.0
LOCK_TIMEOUT_S: Final = PREPARATION_TIMEOUT_S + START_TIMEOUT_S
HEAP_MIB: Final[Mapping[int, int]] = {1: 512, 3: 384}
"""Heap of each broker by size of the cluster."""
TOOL_HEAP_MIB: Final = 256


class Cluster:
    """The cluster in a folder. Any process may hold a Cluster of the same folder; the truth is on disk.

    Brokers outlive the process that started them. `with Cluster(folder) as kafka:` starts and stops.

    folder      everything of the cluster: state, logs, data; made at start, kept at stop
    brokers     1 or 3; None: what the folder holds, else 1
    port        of the first broker, the next ones follow; None: free ones, kept over restarts
    properties  broker properties added last (not the ones of `properties.OWNED`)
    advertised  ports that clients are told instead of the brokers' own: those of proxies in front of them
    cache       where what is made once per machine is kept; None: the user's cache folder
    report      told what takes long
    """

    def __init__(
        self,
        folder: Path | str,
        brokers: int | None = None,
        *,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        advertised: Sequence[int] | None = None,
        cache: Path | None = None,
        report: Callable[[str], None] = lambda line: None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if brokers not in (None, *HEAP_MIB):
            raise ConfigurationError([f"brokers: {brokers} is not possible, 1 or 3 are"])
        if advertised is not None and len(advertised) != (brokers or 1):
            raise ConfigurationError([f"advertised: {len(advertised)} ports for {brokers or 1} brokers"])
        self.folder = Path(folder).absolute()
        self._brokers = brokers
        self._port = port
        self._properties = dict(properties or {})
        self._advertised = dict(enumerate(advertised or (), 1))
        self._cache = cache
        self._report = report
        self._rng = rng or random.Random()
        self._clock = clock
        self._sleep = sleep

    # What is there

    @property
    def state(self) -> State:
        """Ports, processes, version. UnreachableError when the folder holds no cluster."""
        state = read_state(self.folder)
        if state is None:
            raise UnreachableError(f"no Kafka in {self.folder}: start one (`stream kafka start`)")
        return state

    @property
    def bootstrap(self) -> str:
        """`bootstrap.servers` for clients."""
        return self.state.bootstrap

    @property
    def internal_bootstrap(self) -> str:
        """The listener of brokers and tools: plaintext, whatever `properties` do to the clients'."""
        return self.state.internal_bootstrap

    @property
    def pids(self) -> dict[int, int]:
        """Process ids of the living brokers by node number."""
        state = read_state(self.folder)
        return {n.id: n.process.pid for n in _living(state) if n.process} if state else {}

    def alive(self) -> tuple[int, ...]:
        """Numbers of the nodes whose process lives; empty when the cluster is down or was never started."""
        return tuple(self.pids)

    def resident_bytes(self) -> dict[int, int]:
        """Resident set size of the living brokers, where the operating system tells it."""
        sizes = {n.id: resident_bytes(n.process) for n in _living(self.state) if n.process}
        return {number: size for number, size in sizes.items() if size is not None}

    def metadata(self) -> probe.Metadata:
        """What a living broker says about the cluster. Raises UnreachableError when none answers."""
        if found := self._metadata():
            return found
        raise UnreachableError(f"no broker of {self.folder} answers")

    # Start and stop

    def start(self) -> None:
        """Start the brokers that do not run; return when all answer. Nothing to do is fine.

        Raises ConfigurationError (extra not installed, another size in the folder, port taken),
        UnreachableError (jars not to be had, a broker that ends or does not answer, with its last lines).
        Brokers started by a call that fails are ended before it raises.
        """
        with self._locked():
            state = self._planned()
            missing = [node.id for node in state.nodes if node not in _living(state)]
            if missing:
                self._launch(state, missing)

    def stop(self, number: int | None = None) -> None:
        """SIGTERM to one broker, or to all; SIGKILL after STOP_GRACE_S. Not running is fine; data stays."""
        self._end(number, STOP_GRACE_S)

    def kill(self, number: int) -> None:
        """SIGKILL one broker, and wait until its process is gone."""
        self._end(number, 0.0)

    def restart(self, number: int) -> None:
        """Start a broker again, after stopping it if it runs; its data and ports are the same.

        Returns when it answers and sees the others that live; await_in_sync waits for its replicas.
        """
        self.stop(number)
        with self._locked():
            self._launch(self.state, [number])

    def await_in_sync(self, timeout_s: float = 60.0) -> None:
        """Return when all brokers are there and all replicas in sync. UnreachableError after timeout_s."""
        deadline = self._clock() + timeout_s
        everyone = frozenset(node.id for node in self.state.nodes)
        while not (found := self._metadata()) or found.brokers != everyone or not found.in_sync:
            if self._clock() >= deadline:
                there = sorted(found.brokers) if found else []
                behind = sum(not p.in_sync for p in found.partitions) if found else 0
                raise UnreachableError(
                    f"after {timeout_s:.0f} s brokers {there} of {sorted(everyone)} are there"
                    f" and {behind} of their partitions are not in sync"
                )
            self._sleep(PROBE_INTERVAL_S)

    def tool(
        self, main_class: str, *arguments: str, timeout_s: float = 60.0, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line class of Kafka, `org.apache.kafka.tools.TransactionsCommand` for example.

        Give it `--bootstrap-server` with internal_bootstrap. `text` is its standard input. The exit code is
        not judged here. Raises subprocess.TimeoutExpired after timeout_s.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        logging = self.folder / "tool-log4j2.properties"
        logging.write_text(TOOL_LOG4J2, "ascii")
        options = (f"-Dlog4j2.configurationFile={logging}",)
        command = self._java().command(main_class, *arguments, heap_mib=TOOL_HEAP_MIB, options=options)
        return subprocess.run(
            command,
            env=clean_environment(os.environ),
            input=text or "",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # How

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock", LOCK_TIMEOUT_S, clock=self._clock, sleep=self._sleep):
            yield

    def _metadata(self) -> probe.Metadata | None:
        for node in _living(self.state):
            try:
                return probe.metadata(HOST, node.internal_port, PROBE_TIMEOUT_S)
            except (OSError, ValueError):
                continue
        return None

    def _java(self) -> Java:
        return prepare(self._cache or default_cache(os.environ), self._report, self._rng)

    def _planned(self) -> State:
        """The cluster as it shall run: what the folder holds, with other ports where they are needed and possible."""
        state = read_state(self.folder)
        if state is None:
            fresh = tuple(Node(number, 0, 0, 0) for number in range(1, (self._brokers or 1) + 1))
            return self._with_ports(State(read_lock().kafka, _cluster_id(), fresh))
        if self._brokers not in (None, len(state.nodes)):
            raise ConfigurationError(
                [f"{self.folder} holds a Kafka of {len(state.nodes)}, not {self._brokers}: take another folder"]
            )
        if _living(state):
            return state
        kept = all(is_free(p) for n in state.nodes for p in (n.port, n.internal_port, n.controller_port))
        asked = self._port in (None, state.nodes[0].port)
        return state if kept and asked else self._with_ports(state)

    def _with_ports(self, state: State) -> State:
        count = len(state.nodes)
        free = free_ports(3 * count, self._rng)
        clients = [self._port + i for i in range(count)] if self._port is not None else free[:count]
        if taken := [port for port in clients if not is_free(port)]:
            raise ConfigurationError([f"port {port} on {HOST} is taken: choose another, or none" for port in taken])
        nodes = (
            Node(n.id, clients[i], free[count + 2 * i], free[count + 2 * i + 1]) for i, n in enumerate(state.nodes)
        )
        return replace(state, nodes=tuple(nodes))

    def _launch(self, state: State, numbers: list[int]) -> None:
        """Configure, format and start nodes, and wait for them; none of them is left behind on failure."""
        java = self._java()
        for node in state.nodes:
            if node.id in numbers:
                configure(node, state.nodes, self.folder, self._properties, self._advertised.get(node.id))
                format_storage(java, self.folder, node, state.cluster_id)
        try:
            for number in numbers:
                process = spawn_broker(java, self.folder, state.node(number), HEAP_MIB[len(state.nodes)])
                state = state.with_process(number, process)
                write_state(self.folder, state)
            living = frozenset(node.id for node in _living(state))
            started = [state.node(number) for number in numbers]
            await_ready(
                started, living | set(numbers), self.folder, START_TIMEOUT_S, clock=self._clock, sleep=self._sleep
            )
        except BaseException:
            self._forget(state, numbers, grace_s=0.0)
            raise

    def _end(self, number: int | None, grace_s: float) -> None:
        if read_state(self.folder) is None:
            return
        with self._locked():
            state = self.state
            numbers = [node.id for node in state.nodes] if number is None else [state.node(number).id]
            self._forget(state, numbers, grace_s)

    def _forget(self, state: State, numbers: list[int], grace_s: float) -> None:
        """End the processes of these nodes, and write down that they have none."""
        processes = [p for number in numbers if (p := state.node(number).process)]
        if grace_s > 0:
            late = end(processes, grace_s, clock=self._clock, sleep=self._sleep)
            if late:
                self._report(f"{len(late)} of {len(processes)} brokers took over {grace_s:.0f} s to stop: killed")
        else:
            kill(processes, clock=self._clock, sleep=self._sleep)
        for number in numbers:
            state = state.with_process(number, None)
        write_state(self.folder, state)


def _living(state: State) -> tuple[Node, ...]:
    return tuple(node for node in state.nodes if node.process and is_alive(node.process))


def _cluster_id() -> str:
    """A random UUID as Kafka writes it: URL-safe base64 without padding, and no "-" in front."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
    return "A" + text[1:]
