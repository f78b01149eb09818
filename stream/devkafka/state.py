"""`cluster.json`: what another process must know to report on a cluster, stop it or start it again."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from stream.devkafka.ports import HOST
from stream.devkafka.process import Process
from stream.errors import ConfigurationError, UnreachableError

FILE_NAME: Final = "cluster.json"
LOCK_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Node:
    """One broker: its number from 1, its three ports, and its process while it has one."""

    id: int
    port: int
    internal_port: int
    controller_port: int
    process: Process | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A cluster as last written down; whether its processes still live is another question."""

    version: str
    cluster_id: str
    nodes: tuple[Node, ...]

    @property
    def bootstrap(self) -> str:
        """`bootstrap.servers` for clients."""
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    @property
    def internal_bootstrap(self) -> str:
        """The same for the listener that is always plaintext."""
        return ",".join(f"{HOST}:{node.internal_port}" for node in self.nodes)

    def node(self, number: int) -> Node:
        for node in self.nodes:
            if node.id == number:
                return node
        raise ValueError(f"no node {number}: this cluster has 1 to {len(self.nodes)}")

    def with_process(self, number: int, process: Process | None) -> State:
        nodes = (replace(n, process=process) if n.id == number else n for n in self.nodes)
        return replace(self, nodes=tuple(nodes))


def read_state(folder: Path) -> State | None:
    """The cluster in the folder, None when there is none. ConfigurationError when the file is not ours."""
    file = folder / FILE_NAME
    try:
        content = json.loads(file.read_text("utf-8"))
        nodes = tuple(_node(node) for node in content["nodes"])
        return State(content["version"], content["cluster_id"], nodes)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError([f"{file} cannot be read ({error!r}): end its brokers, remove {folder}"]) from error


def write_state(folder: Path, state: State) -> None:
    """Replace the file as a whole: a reader sees the old or the new."""
    content = {**asdict(state), "bootstrap": state.bootstrap}
    draft = folder / f"{FILE_NAME}.{os.getpid()}"
    draft.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    draft.replace(folder / FILE_NAME)


@contextmanager
def locked(
    file: Path,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the file's lock (flock(2): gone with its process). UnreachableError when it is not free in time."""
    deadline = clock() + timeout_s
    with file.open("a") as handle:
        while not _try_lock(handle.fileno()):
            if clock() >= deadline:
                raise UnreachableError(f"another process has held {file} for {timeout_s:.0f} s: see what it is doing")
            sleep(LOCK_POLL_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _node(content: dict[str, Any]) -> Node:
    process = content["process"]
    return Node(**{**content, "process": Process(**process) if process else None})
