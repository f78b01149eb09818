"""The image of deploy/Dockerfile, built here, and the broker and project that it is run with."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from acceptance.conftest import kafka, kafka_io, project, terminated_tests_stop_their_brokers, tiny_files, unique_name
from container.engine import ROOT, Engine

__all__ = ["kafka", "kafka_io", "project", "terminated_tests_stop_their_brokers", "tiny_files", "unique_name"]

STORAGE = ROOT / ".stream" / "containers"
"""Kept between runs: the stand-ins for the base images, and the layers that did not change."""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Images and containers of the tests' own; its containers end with the tests."""
    engine = Engine(STORAGE, tmp_path_factory.mktemp("containers"))
    engine.require()
    yield engine
    engine.end()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The image's name."""
    return engine.build("deploy/Dockerfile", "stream-inference:test", "worker")


@pytest.fixture(scope="session")
def demo_image(engine: Engine) -> str:
    """The one with the flights."""
    return engine.build("deploy/Dockerfile", "stream-inference-demo:test", "demo")


@pytest.fixture
def free_ports() -> list[int]:
    """Two ports of this machine that are free now."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in (one, other)]
