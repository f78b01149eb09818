"""A real Apache Kafka for the tests: one cluster each of one and of three brokers, started when first asked for.

That it cannot start is a failure of the tests that need it, never a reason to skip them.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from acceptance import tiny
from acceptance.kafka_io import KafkaIO
from acceptance.running import Project

from stream.devkafka import Cluster


@pytest.fixture(scope="session", autouse=True)
def terminated_tests_stop_their_brokers(request: pytest.FixtureRequest) -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does: with every fixture torn down, so that no broker is left behind."""

    def terminate(_number: int, _frame: object) -> None:
        request.session.shouldstop = "SIGTERM"  # for code that swallows the interrupt
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


def _running(tmp_path_factory: pytest.TempPathFactory, brokers: int) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp(f"kafka{brokers}-"), brokers)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        for data in cluster.folder.glob("node-*/data"):
            shutil.rmtree(data)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker for all tests; for those that do not stop it."""
    yield from _running(tmp_path_factory, 1)


@pytest.fixture(scope="session")
def kafka3_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    yield from _running(tmp_path_factory, 3)


@pytest.fixture
def kafka3(kafka3_session: Cluster) -> Cluster:
    """Three brokers, all there and in sync when the test starts; a test may kill and stop them."""
    kafka3_session.start()
    kafka3_session.await_in_sync()
    return kafka3_session


@pytest.fixture
def kafka_io(kafka: Cluster) -> KafkaIO:
    """Topics, records in and records out on the single broker."""
    return KafkaIO(kafka.bootstrap)


@pytest.fixture
def kafka3_io(kafka3: Cluster) -> KafkaIO:
    """The same on the three."""
    return KafkaIO(kafka3.bootstrap)


@pytest.fixture
def create_topics(kafka_io: KafkaIO) -> Callable[..., None]:
    """create_topics({name: partitions})"""
    return kafka_io.create_topics


@pytest.fixture
def produce(kafka_io: KafkaIO) -> Callable[..., None]:
    """produce(topic, [(key, value, headers, partition)])"""
    return kafka_io.produce


@pytest.fixture
def read_committed(kafka_io: KafkaIO) -> Callable[..., list]:
    """read_committed(topic, timeout_s) -> [(partition, offset, key, value, headers, timestamp)]"""
    return kafka_io.read_committed


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """unique_name("flights") is a name of a topic, group or pipeline that no other test has."""
    mark = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    return lambda base: f"{base}-{mark}"


@pytest.fixture
def topic_factory(kafka_io: KafkaIO, unique_name: Callable[[str], str]) -> Callable[..., str]:
    """topic_factory("flights", partitions=3) creates a topic on the single broker and returns its name."""

    def create(base: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        name = unique_name(base)
        kafka_io.create_topics({name: partitions}, config)
        return name

    return create


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Schemas, suite and packed model of the tiny pipeline; copied by every project."""
    folder = tmp_path_factory.mktemp("tiny") / "files"
    tiny.write_files(folder)
    return folder


def _projects(io: KafkaIO, files: Path, folder: Path, name: Callable[[str], str]) -> Iterator[Callable[..., Project]]:
    with ExitStack() as stack:

        def create(base: str = "readings", **settings: Any) -> Project:
            return stack.enter_context(Project.create(files, folder, name(base), io, **settings))

        yield create


@pytest.fixture
def project(
    kafka_io: KafkaIO, tiny_files: Path, tmp_path: Path, unique_name: Callable[[str], str]
) -> Iterator[Callable[..., Project]]:
    """project(events=100) is a tiny pipeline with its topics on the single broker; its workers end with the test."""
    yield from _projects(kafka_io, tiny_files, tmp_path, unique_name)


@pytest.fixture
def project3(
    kafka3_io: KafkaIO, tiny_files: Path, tmp_path: Path, unique_name: Callable[[str], str]
) -> Iterator[Callable[..., Project]]:
    """The same on the three."""
    yield from _projects(kafka3_io, tiny_files, tmp_path, unique_name)
