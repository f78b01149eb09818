"""The jars of Apache Kafka: which ones (`jars.json`), where they are, and whether they are whole.

`jars.json` pins every jar by version and SHA-256, so what runs is the same on every machine, nothing is
resolved at start, and a broken download is recognised. `lock.py` writes that file.
Files are kept in the Maven repository of the user (`~/.m2/repository`, or `M2_REPO`) and fetched by jgo;
behind a mirror, name it under `[repositories]` in jgo's own configuration file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from stream.errors import ConfigurationError, UnreachableError

LOCK_FILE: Final = Path(__file__).with_name("jars.json")
PARALLEL_DOWNLOADS: Final = 4
DOWNLOAD_ATTEMPTS: Final = 3
DOWNLOAD_TIMEOUT_S: Final = 60
RETRY_DELAY_S: Final = 1.0
CAUSE_LENGTH: Final = 200
"""Characters kept of the reason why a download failed."""
EXTRA_MISSING: Final = "the development Kafka is not installed: pip install 'stream-inference[devkafka]'"


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned file; artifact is "group:name:version"."""

    artifact: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What `jars.json` holds: the version of Kafka, and all jars of its class path in order."""

    kafka: str
    jars: tuple[Jar, ...]


class Repository(Protocol):
    """A local folder of artifacts that can be filled from afar."""

    def path(self, artifact: str) -> Path:
        """Where the artifact is, or would be."""
        ...

    def download(self, artifact: str) -> None:
        """Put the artifact at its path, where no file may be. Raises OSError or RuntimeError."""
        ...


class MavenRepository:
    """The user's Maven repository, filled by jgo. ConfigurationError when jgo is not installed."""

    def __init__(self) -> None:
        try:
            from jgo.config import GlobalSettings
            from jgo.constants import MAVEN_CENTRAL_URL
            from jgo.maven import MavenContext
        except ModuleNotFoundError as error:
            raise ConfigurationError([EXTRA_MISSING]) from error
        settings = GlobalSettings.load()
        self._context = MavenContext(
            repo_cache=settings.repo_cache,
            remote_repos={**settings.repositories, "central": MAVEN_CENTRAL_URL},
            timeout=DOWNLOAD_TIMEOUT_S,
        )

    def path(self, artifact: str) -> Path:
        return Path(self._artifact(artifact).cached_path)

    def download(self, artifact: str) -> None:
        self._artifact(artifact).resolve()

    def _artifact(self, artifact: str):  # type: ignore[no-untyped-def]  # jgo has no types
        group, name, version = artifact.split(":")
        return self._context.project(group, name).at_version(version).artifact()


def read_lock(file: Path = LOCK_FILE) -> Lock:
    content = json.loads(file.read_text("utf-8"))
    return Lock(content["kafka"], tuple(Jar(**jar) for jar in content["jars"]))


def is_whole(path: Path, jar: Jar) -> bool:
    """Whether the file is exactly the pinned one; truncated, changed and missing files are not."""
    try:
        return path.stat().st_size == jar.bytes and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def fetch(
    lock: Lock,
    repository: Repository,
    report: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Local paths of all jars, each one checked; whatever is missing or broken is downloaded (again).

    Needs no network when all are there. Raises UnreachableError naming the jar that could not be had.
    The caller holds the file lock of `preparation.py`: two processes must not repair the same file.
    """
    paths = {jar: repository.path(jar.artifact) for jar in lock.jars}
    absent = [jar for jar, path in paths.items() if not is_whole(path, jar)]
    if absent:
        megabytes = sum(jar.bytes for jar in absent) / 1e6
        report(f"downloading Apache Kafka {lock.kafka} ({len(absent)} files, {megabytes:.0f} MB, once)")
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            list(pool.map(lambda jar: _replace(jar, paths[jar], repository, sleep), absent))
    return list(paths.values())


def _replace(jar: Jar, path: Path, repository: Repository, sleep: Callable[[float], None]) -> None:
    cause: Exception | None = None
    for attempt in range(DOWNLOAD_ATTEMPTS):
        if attempt:
            sleep(RETRY_DELAY_S)
        path.unlink(missing_ok=True)
        try:
            repository.download(jar.artifact)
        except (OSError, RuntimeError) as error:
            cause = error
        if is_whole(path, jar):
            return
    path.unlink(missing_ok=True)
    detail = (
        f"{type(cause).__name__}: {str(cause)[:CAUSE_LENGTH]}" if cause else "the file that came is not the pinned one"
    )
    raise UnreachableError(
        f"{jar.artifact} could not be downloaded in {DOWNLOAD_ATTEMPTS} attempts ({detail}). The development Kafka"
        f" needs the network once; behind a mirror, name it under [repositories] in jgo's configuration file."
    )
