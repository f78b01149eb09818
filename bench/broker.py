"""The broker that all systems share: a fresh Apache Kafka on a core of its own, as a server would run it.

Built from the parts of the development Kafka, with another Java: both compilers and a heap of 1 GiB, where
that one is made to start quickly.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.pinning import pinned
from stream.devkafka.java import Java, clean_environment
from stream.devkafka.node import await_ready, configure, format_storage, node_folder
from stream.devkafka.ports import HOST, free_ports
from stream.devkafka.preparation import default_cache, prepare
from stream.devkafka.process import Process, kill, spawn
from stream.devkafka.state import Node, locked

HEAP_MIB: Final = 1024
START_TIMEOUT_S: Final = 60.0
QUICK_START: Final = "-XX:TieredStopAtLevel=1"
LOCK_WITHIN_S: Final = 1.0
CLUSTER_ID: Final = "AAAAAAAAQAAAAAAAAAAAAA"


@dataclass(frozen=True, slots=True)
class Broker:
    """Its process, the address of its clients, and one that leads past a proxy, should there be one."""

    process: Process
    bootstrap: str
    direct: str

    @property
    def cpu_s(self) -> float:
        """CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def broker(
    folder: Path,
    cores: Sequence[int],
    *,
    proxy: tuple[int, int] | None = None,
    properties: Mapping[str, str] | None = None,
) -> Iterator[Broker]:
    """A broker with nothing in it, pinned to cores; killed in the end. properties are added to its own.

    proxy: (port that clients are told, port that is theirs): whoever listens on the first passes on to the second.
    Raises UnreachableError while another measurement holds the folder: two at a time would measure each other.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock"), LOCK_WITHIN_S):
        shutil.rmtree(folder, ignore_errors=True)
        client, internal, controller = free_ports(3, random.Random())
        node = Node(1, proxy[1] if proxy else client, internal, controller)
        java = prepare(default_cache(os.environ), lambda text: print(text, file=sys.stderr), random.Random())
        configure(node, (node,), folder, properties or {})
        if proxy:
            _advertise(folder, node, proxy[0])
        format_storage(java, folder, node, CLUSTER_ID)
        with pinned(cores):
            process = _spawn(java, folder, node)
        try:
            await_ready((replace(node, process=process),), frozenset({1}), folder, START_TIMEOUT_S)
            yield Broker(process, f"{HOST}:{proxy[0] if proxy else node.port}", f"{HOST}:{node.internal_port}")
        finally:
            kill((process,))
            shutil.rmtree(folder, ignore_errors=True)


def _spawn(java: Java, folder: Path, node: Node) -> Process:
    home = node_folder(folder, node.id)
    options = (f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}", f"-Dstream.devkafka.log={home / 'log'}")
    plain = replace(java, aot=())  # the cache belongs to the other flags
    command = plain.command("kafka.Kafka", str(home / "server.properties"), heap_mib=HEAP_MIB, options=options)
    command.remove(QUICK_START)
    return spawn(command, home / "console.log", clean_environment(os.environ))


def _advertise(folder: Path, node: Node, port: int) -> None:
    """Clients are told another port than the one that the broker listens on."""
    settings = node_folder(folder, node.id) / "server.properties"
    lines = settings.read_text("ascii").splitlines()
    told = [
        line.replace(f":{node.port}", f":{port}") if line.startswith("advertised.listeners=") else line
        for line in lines
    ]
    settings.write_text("\n".join(told) + "\n", "ascii")
