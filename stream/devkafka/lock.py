"""Writes `jars.json`: `python -m stream.devkafka.lock`, after changing a version here.

For developers of this package only; needs the network. Everybody else gets exactly what the file pins.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Final

from stream.devkafka.jars import LOCK_FILE, Jar, MavenRepository

KAFKA: Final = "4.3.1"
LOG4J: Final = "2.25.4"
BUILDS: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}+org.apache.logging.log4j:log4j-core:{LOG4J}",
)
"""Resolved one by one: in one call the dependency management of log4j wins, and kafka-clients becomes 3.8.0."""
ALONE: Final = (f"org.apache.kafka:kafka-tools:{KAFKA}",)
"""Without its dependencies: those are Kafka Connect's, the tools run on the broker's."""


def resolve() -> list[str]:
    """All artifacts of the class path, sorted, one version of each."""
    import jgo

    found = {f"{a.groupId}:{a.artifactId}:{a.version}" for build in BUILDS for a in jgo.resolve(build)}
    artifacts = sorted(found | set(ALONE))
    names = [artifact.rsplit(":", 1)[0] for artifact in artifacts]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise SystemExit(f"more than one version of {', '.join(doubled)}: align the versions in {__file__}")
    return artifacts


def pin(artifact: str, path: Path) -> Jar:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise SystemExit(f"{path} is damaged at {damaged}: delete it and run this again")
    content = path.read_bytes()
    return Jar(artifact, len(content), hashlib.sha256(content).hexdigest())


def main() -> None:
    repository = MavenRepository()
    jars = []
    for artifact in resolve():
        if not repository.path(artifact).exists():
            repository.download(artifact)
        jars.append(pin(artifact, repository.path(artifact)))
    lines = [json.dumps({"artifact": j.artifact, "bytes": j.bytes, "sha256": j.sha256}) for j in jars]
    LOCK_FILE.write_text(f'{{"kafka": "{KAFKA}", "jars": [\n' + ",\n".join(lines) + "\n]}\n", "utf-8")
    sys.stdout.write(f"{LOCK_FILE.name}: {len(jars)} jars, {sum(j.bytes for j in jars) / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
