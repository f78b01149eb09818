"""`stream health`: what a container's HEALTHCHECK gets to know."""

import json
import time
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from stream.cli import app
from stream.cli.health import reachable
from stream.errors import ConfigurationError
from stream.health import Answer, Health, Server, State, pages


def run(*arguments: str, address: str) -> Result:
    return CliRunner().invoke(app, ["health", *arguments], env={"STREAM_HTTP_ADDRESS": address})


@pytest.fixture
def health() -> Health:
    return Health(lambda: 100.0)


@pytest.fixture
def server(health: Health) -> Iterator[Server]:
    served = Server("127.0.0.1:0", pages(health, lambda _accept: (b"", "text/plain")), time.monotonic)
    yield served
    served.close()


def test_a_loop_that_goes_round_is_alive_also_when_it_is_not_ready(health: Health, server: Server) -> None:
    health.set_state(State.PAUSED, "broker away")
    assert run(address=server.address).exit_code == 0
    told = run("--ready", address=server.address)
    assert told.exit_code == 1
    assert "paused" in told.stdout
    assert "broker away" in told.stdout


def test_running_with_partitions_is_ready(health: Health, server: Server) -> None:
    health.set_state(State.RUNNING)
    health.set_assigned(3)
    told = run("--ready", "--output", "json", address=server.address)
    assert told.exit_code == 0
    assert json.loads(told.stdout) | {"ready": True, "status": 200, "assigned_partitions": 3} == json.loads(told.stdout)


def test_a_loop_that_stands_still_is_not_alive(health: Health, server: Server) -> None:
    health.beat(0.0)
    assert run(address=server.address).exit_code == 1


def test_nobody_there_is_told_with_the_address() -> None:
    served = Server("127.0.0.1:0", {}, time.monotonic)
    address = served.address
    served.close()
    told = run(address=address)
    assert told.exit_code == 1
    assert address in told.stdout
    assert "no answer" in told.stdout


@pytest.mark.parametrize("body", [b"hello", b"[1]"])
def test_a_page_that_is_not_a_workers_is_told(body: bytes) -> None:
    served = Server("127.0.0.1:0", {"/livez": lambda _accept: Answer(404, body)}, time.monotonic)
    try:
        told = run(address=served.address)
    finally:
        served.close()
    assert told.exit_code == 1
    assert "not a worker" in told.stdout


def test_a_server_for_every_address_is_asked_on_this_machine() -> None:
    assert reachable("0.0.0.0:9464") == "127.0.0.1:9464"
    assert reachable("[::]:9464") == "[::1]:9464"
    assert reachable("pod-1:80") == "pod-1:80"


@pytest.mark.parametrize("address", ["127.0.0.1:0", "9464", "host:", ":80"])
def test_an_address_that_cannot_be_asked_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        reachable(address)
