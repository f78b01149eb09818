"""Everything that happens once per machine before a broker can start: jars, Java, AOT cache.

Kept in the user's cache folder; safe when several processes come at once; without network once it is done.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from stream.devkafka.jars import MavenRepository, fetch, read_lock
from stream.devkafka.java import Java, cache_key, executable
from stream.devkafka.node import await_ready, configure, format_storage, spawn_broker
from stream.devkafka.ports import free_ports
from stream.devkafka.process import end, kill
from stream.devkafka.state import Node, locked
from stream.errors import ConfigurationError, ProcessError

PREPARATION_TIMEOUT_S: Final = 600.0
TRAINING_START_TIMEOUT_S: Final = 120.0
TRAINING_STOP_TIMEOUT_S: Final = 120.0
TRAINING_HEAP_MIB: Final = 384
KEPT_CACHES: Final = 3
CLUSTER_ID: Final = "AAAAAAAAQAAAAAAAAAAAAA"


def default_cache(environ: Mapping[str, str]) -> Path:
    """`$XDG_CACHE_HOME/stream-inference`, by default `~/.cache/stream-inference`."""
    base = environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "stream-inference"


def prepare(cache: Path, report: Callable[[str], None], rng: random.Random) -> Java:
    """A Java that can run Kafka, with an AOT cache if one could be made.

    Raises ConfigurationError when the extra is not installed or the cache folder cannot be written,
    UnreachableError when the jars are not here and cannot be downloaded.
    """
    lock, repository, java = read_lock(), MavenRepository(), executable()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError([f"cannot write to {cache} ({error.strerror}): set XDG_CACHE_HOME"]) from error
    with locked(cache / "lock", PREPARATION_TIMEOUT_S):
        plain = Java(java, tuple(fetch(lock, repository, report)))
        aot = cache / "aot" / f"{cache_key(plain)}.aot"
        if not aot.exists() and not _failed(aot).exists():
            _train(plain, aot, report, rng)
    return replace(plain, aot=(f"-XX:AOTCache={aot}",)) if aot.exists() else plain


def _train(java: Java, aot: Path, report: Callable[[str], None], rng: random.Random) -> None:
    """Write the AOT cache; if that fails, say so and leave a mark, so that not every start tries again."""
    aot.parent.mkdir(parents=True, exist_ok=True)
    report("preparing Apache Kafka for this machine (about 10 s, once)")
    try:
        with tempfile.TemporaryDirectory(prefix="training-", dir=aot.parent) as folder:
            draft = Path(folder) / "kafka.aot"
            _run_once(replace(java, aot=(f"-XX:AOTCacheOutput={draft}",)), java, Path(folder), rng)
            draft.replace(aot)
    except (OSError, ProcessError) as error:
        _failed(aot).write_text(f"{error}\n", "utf-8")
        report(f"brokers will start slower: no AOT cache, see {_failed(aot)}")
    _prune(aot.parent)


def _run_once(recording: Java, java: Java, folder: Path, rng: random.Random) -> None:
    """Start a broker of its own and stop it; the cache is written while the JVM ends."""
    client, internal, controller = free_ports(3, rng)
    node = Node(1, client, internal, controller)
    configure(node, (node,), folder, {})
    format_storage(java, folder, node, CLUSTER_ID)
    process = spawn_broker(recording, folder, node, TRAINING_HEAP_MIB)
    try:
        await_ready((replace(node, process=process),), frozenset({1}), folder, TRAINING_START_TIMEOUT_S)
        end((process,), TRAINING_STOP_TIMEOUT_S)
    finally:
        kill((process,))


def _failed(aot: Path) -> Path:
    return aot.with_suffix(".failed")


def _prune(folder: Path) -> None:
    """Keep the newest caches: each is 66 MB, and each upgrade of Java or of a jar makes another."""
    caches = sorted(folder.glob("*.aot"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in caches[KEPT_CACHES:]:
        old.unlink(missing_ok=True)
