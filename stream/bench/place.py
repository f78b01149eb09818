"""Where a measurement takes place: which Kafka, and topics that are made for it and go with it."""

from __future__ import annotations

import enum
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from stream.config import PipelineFile
from stream.devkafka import Cluster
from stream.errors import ConfigurationError, UnreachableError
from stream.kafka.connection import Connection
from stream.kafka.removal import remove
from stream.kafka.topics import Role, TopicAdmin, needed, plan

TRIES: Final = 100
TRY_AGAIN_S: Final = 0.1
KAFKA: Final = "STREAM_KAFKA_"
BOOTSTRAP: Final = "STREAM_KAFKA_BOOTSTRAP_SERVERS"
NOT_TAKEN: Final = ("STREAM_SCHEMA_REGISTRY_", "STREAM_FAILPOINT")
"""Variables that a measured worker does without: its schemas are files, and it is not killed by itself."""


class Kafka(enum.StrEnum):
    """embedded: a fresh one of one broker, for this measurement alone; given: that of the environment."""

    EMBEDDED = "embedded"
    GIVEN = "given"


@contextmanager
def environment(
    kafka: Kafka, folder: Path, environ: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """The variables of the workers. The embedded Kafka is started, and stopped in the end."""
    plain = {name: value for name, value in environ.items() if not name.startswith(NOT_TAKEN)}
    own = {"STREAM_INSTANCE": "bench", "STREAM_LOG_FORMAT": "json", "STREAM_HTTP_ADDRESS": "127.0.0.1:0"}
    if kafka is Kafka.GIVEN:
        if not environ.get(BOOTSTRAP):
            raise ConfigurationError([f"--kafka given: {BOOTSTRAP} is missing: host:port of one or more brokers"])
        yield {**plain, **own}
        return
    cluster = Cluster(folder / "kafka", report=say)
    cluster.stop()  # one that an interrupted measurement left
    shutil.rmtree(cluster.folder, ignore_errors=True)
    try:
        cluster.start()
        yield {**{n: v for n, v in plain.items() if not n.startswith(KAFKA)}, **own, BOOTSTRAP: cluster.bootstrap}
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


@contextmanager
def topics(connection: Connection, file: PipelineFile, partitions: int) -> Iterator[dict[str, Role]]:
    """Creates the topics of a pipeline, each with as many partitions; deletes them and the group in the end."""
    needs = needed(file)
    admin = TopicAdmin(connection)
    try:
        admin.create(plan(needs, admin.existing(needs), partitions))
        _await(admin, needs)
        yield needs
    finally:
        remove(connection, needs, file.name)


def _await(admin: TopicAdmin, needs: Mapping[str, Role]) -> None:
    """Brokers learn of a new topic a moment after it was made."""
    for _ in range(TRIES):
        if len(admin.existing(needs)) == len(needs):
            return
        time.sleep(TRY_AGAIN_S)
    late_s = TRIES * TRY_AGAIN_S
    raise UnreachableError(f"{late_s:.0f} s after they were created topics are not there: {', '.join(needs)}")
