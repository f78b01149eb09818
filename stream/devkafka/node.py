"""One broker on disk and as a process: configure, format, spawn, wait until it answers, read its last words.

<folder>/node-1/server.properties  log4j2.properties  server.log  console.log  data/
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from stream.devkafka import probe
from stream.devkafka.java import Java, clean_environment
from stream.devkafka.ports import HOST
from stream.devkafka.process import Process, is_alive, spawn
from stream.devkafka.properties import LOG4J2, STARTED, broker_properties, render
from stream.devkafka.state import Node
from stream.errors import UnreachableError

FORMAT_HEAP_MIB: Final = 128
FORMAT_TIMEOUT_S: Final = 60.0
PROBE_TIMEOUT_S: Final = 2.0
PROBE_INTERVAL_S: Final = 0.05
TAIL_LINES: Final = 20
TAIL_BYTES: Final = 256 * 1024
PROBLEM: Final = re.compile(r"\] (ERROR|FATAL) |^Caused by: |Exception: ")


def node_folder(folder: Path, number: int) -> Path:
    return folder / f"node-{number}"


def configure(
    node: Node, nodes: Sequence[Node], folder: Path, extra: Mapping[str, str], advertised: int | None = None
) -> None:
    """Write what the node reads at start; see broker_properties. `extra` may hold passwords, so only we may read it."""
    home = node_folder(folder, node.id)
    home.mkdir(parents=True, exist_ok=True)
    (home / "log4j2.properties").write_text(LOG4J2, "ascii")
    settings = home / "server.properties"
    settings.touch(mode=0o600)
    settings.write_text(render(broker_properties(node, nodes, home / "data", extra, advertised)), "ascii")


def format_storage(java: Java, folder: Path, node: Node, cluster_id: str) -> None:
    """Give the node its empty metadata log, once. UnreachableError with the tool's words when it fails."""
    home = node_folder(folder, node.id)
    if (home / "data" / "meta.properties").exists():
        return
    arguments = ("format", f"--cluster-id={cluster_id}", "--config", str(home / "server.properties"))
    command = java.command(
        "kafka.tools.StorageTool", *arguments, heap_mib=FORMAT_HEAP_MIB, options=_logging(home, home / "format.log")
    )
    try:
        done = subprocess.run(
            command,
            env=clean_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=FORMAT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"broker {node.id}: formatting took over {FORMAT_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        words = _last(done.stdout + done.stderr)
        raise UnreachableError(f"broker {node.id}: formatting {home / 'data'} failed:\n{words}")


def spawn_broker(java: Java, folder: Path, node: Node, heap_mib: int) -> Process:
    """Start the configured and formatted node. Its console output is of this start alone, its log goes on."""
    home = node_folder(folder, node.id)
    console = home / "console.log"
    console.unlink(missing_ok=True)
    options = (*_logging(home, home / "server.log"), f"-XX:ErrorFile={home / 'jvm-crash.log'}")
    command = java.command("kafka.Kafka", str(home / "server.properties"), heap_mib=heap_mib, options=options)
    return spawn(command, console, clean_environment(os.environ))


def await_ready(
    nodes: Sequence[Node],
    expected: frozenset[int],
    folder: Path,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when each of the nodes has started and all expected brokers are in the metadata it answers with.

    Raises UnreachableError, with the last lines of its log, for a node that ended or took too long.
    """
    deadline = clock() + timeout_s
    waiting = list(nodes)
    while waiting:
        if ended := [n for n in waiting if n.process is None or not is_alive(n.process)]:
            raise UnreachableError(f"broker {ended[0].id} ended while it started\n{log_tail(folder, ended[0].id)}")
        if waiting := [n for n in waiting if not (has_started(folder, n.id) and answers(n, expected))]:
            if clock() >= deadline:
                number = waiting[0].id
                raise UnreachableError(f"broker {number} not ready in {timeout_s:.0f} s\n{log_tail(folder, number)}")
            sleep(PROBE_INTERVAL_S)


def has_started(folder: Path, number: int) -> bool:
    """Whether the broker says that its start is complete."""
    return STARTED in _read_end(node_folder(folder, number) / "console.log")


def answers(node: Node, expected: frozenset[int]) -> bool:
    """Whether the node gives metadata in which all the expected brokers are there."""
    try:
        return expected <= probe.metadata(HOST, node.internal_port, PROBE_TIMEOUT_S).brokers
    except (OSError, ValueError):
        return False


def log_tail(folder: Path, number: int) -> str:
    """The last lines of a node's console, and the last errors of its log or its last lines, with their paths."""
    home = node_folder(folder, number)
    log = _read_end(home / "server.log")
    errors = "\n".join(line for line in log.splitlines() if PROBLEM.search(line))
    parts = {home / "console.log": _read_end(home / "console.log"), home / "server.log": errors or log}
    return "\n".join(f"from the end of {file}:\n{_last(text)}" for file, text in parts.items() if text)


def _logging(home: Path, log: Path) -> tuple[str, ...]:
    return (f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}", f"-Dstream.devkafka.log={log}")


def _last(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:])


def _read_end(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            handle.seek(max(0, file.stat().st_size - TAIL_BYTES))
            return handle.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
