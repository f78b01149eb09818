"""The broker and the projects of the acceptance tests; which tests are in the quick part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from acceptance.conftest import (
    kafka,
    kafka_io,
    project,
    terminated_tests_stop_their_brokers,
    tiny_files,
    unique_name,
)
from acceptance.kafka_io import KafkaIO
from acceptance.running import Project

from stream.chaos.proxy import Proxy, proxied

__all__ = ["kafka", "kafka_io", "project", "terminated_tests_stop_their_brokers", "tiny_files", "unique_name"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: the part of the planted bugs that `make test` runs")


@pytest.fixture(scope="session")
def proxied_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaIO, Proxy]]:
    """A broker behind the proxy, and the way past it."""
    with proxied(tmp_path_factory.mktemp("proxied")) as (cluster, proxy):
        yield KafkaIO(cluster.internal_bootstrap), proxy


@pytest.fixture
def behind_proxy(
    request: pytest.FixtureRequest, tiny_files: Path, tmp_path: Path, unique_name: Callable[[str], str]
) -> Iterator[Callable[[], tuple[Callable[..., Project], Proxy]]]:
    """behind_proxy() -> (what the fixture `project` is, for the broker behind the proxy; the proxy)."""
    with ExitStack() as stack:

        def reach() -> tuple[Callable[..., Project], Proxy]:
            io, proxy = request.getfixturevalue("proxied_kafka")

            def create(base: str, **settings: object) -> Project:
                made = Project.create(tiny_files, tmp_path, unique_name(base), io, **settings)  # type: ignore[arg-type]
                return stack.enter_context(made)

            return create, proxy

        yield reach
