"""Every command that a page tells is run, in the page's order; those that are not are listed here, each with why."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest
from acceptance.kafka_io import KafkaIO
from acceptance.page_commands import FENCE, ROOT, Command, commands, run, scratch_project
from confluent_kafka.admin import AdminClient

from stream.avro import DirectorySchemas, load_schema
from stream.demo import flights
from stream.devkafka import Cluster
from stream.scaffold.project_files import make_project

PAGES: Final = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))]
PROJECT_README: Final = "stream/scaffold/project/README.md.tmpl"
BENCH: Final = "bench/README.md"
QUICK_START: Final = "docs/quick-start.md"
TUTORIAL: Final = "docs/tutorial.md"
INSTALLED: Final = "the tests have the environment already"
LONG: Final = "a measurement of minutes"
NOT_RUN: Final[Mapping[tuple[str, str], str]] = {
    ("README.md", "make demo"): "tests/acceptance/test_examples.py runs the demonstration",
    (QUICK_START, "make demo"): "tests/acceptance/test_examples.py runs the demonstration",
    (QUICK_START, ". .venv/bin/activate"): INSTALLED,
    (TUTORIAL, "make install"): INSTALLED,
    (TUTORIAL, ". .venv/bin/activate"): INSTALLED,
    (
        "docs/release.md",
        "make wheel",
    ): "builds for minutes; make wheel-test is run before a release, and by its workflow",
    ("docs/performance.md", "make bench-all"): LONG,
    ("docs/performance.md", "stream bench"): "tests/acceptance/test_bench.py runs it",
    ("docs/monitoring.md", "make watch"): "runs until Ctrl-C; tests/acceptance/test_watch.py runs it",
    ("docs/deployment.md", "make image"): "needs Docker; make container builds the same file by buildah",
    ("docs/deployment.md", "docker compose"): "needs Docker; make compose starts the same services by hand",
    (
        "docs/deployment.md",
        "kubectl kustomize",
    ): "needs a cluster; tests/acceptance/test_kubernetes.py renders and judges it",
    (BENCH, "make bench"): LONG,
    (BENCH, "make bench-growth"): LONG,
}
"""(page, how the command begins) -> why it is not run."""
KEPT: Final = re.compile(r"127\.0\.0\.1:20626\b")
"""Where the demonstration's Kafka is in the pages; the tests' Kafka takes its place."""
STARTED: Final = re.compile(r"127\.0\.0\.1:9092\b")
"""Where a page's own Kafka is, or, when it starts none, the reader's."""
START: Final = re.compile(r"stream kafka start( --port 9092)?$")
FLIGHTS: Final = 3000


def flights_scored(cluster: Cluster, folder: Path) -> None:
    """Flights in their topic, a few damaged, and the pipeline run over them once: what the page looks back on."""
    setup = [
        "stream topics pipelines/flights.yaml --apply --partitions 3",
        "stream run pipelines/flights.yaml --until-caught-up",
    ]
    schema = load_schema(ROOT / "schemas" / "flight.avsc")
    prefix = DirectorySchemas([], known=[schema]).prefix("flights", schema)
    run([Command("setup", 1, setup[0])], folder, environ(cluster))
    for chunk in flights.events(schema, prefix, FLIGHTS):
        KafkaIO(cluster.bootstrap).produce("flights", ((key, value, None, None) for key, value in chunk))
    run([Command("setup", 2, setup[1])], folder, environ(cluster))


def new_project(_cluster: Cluster, folder: Path) -> None:
    """What the README of a new project tells is told in that project."""
    make_project(folder / "machines", "machines")


@dataclass(frozen=True)
class Page:
    """A page with commands: what must have happened before, and where its commands run."""

    name: str
    setup: Callable[[Cluster, Path], None] = field(default=lambda _cluster, _folder: None)
    within: str = "."

    def text(self) -> str:
        return (ROOT / self.name).read_text("utf-8").replace("@NAME@", "machines")


SETUPS: Final = {name: Page(name, flights_scored) for name in ("docs/dead-letters.md", "docs/operating.md")}
WITH_COMMANDS: Final = [
    *(SETUPS.get(name) or Page(name) for name in PAGES if commands(name, (ROOT / name).read_text("utf-8"))),
    Page(BENCH),
    Page(PROJECT_README, new_project, "machines"),
]


def environ(cluster: Cluster) -> dict[str, str]:
    return {
        "STREAM_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
        "STREAM_INSTANCE": "docs",
        "STREAM_HTTP_ADDRESS": "127.0.0.1:0",
    }


def why_not(command: Command) -> str | None:
    """Why a command is not run; None when it is."""
    found = [why for (page, start), why in NOT_RUN.items() if page == command.page and command.text.startswith(start)]
    return found[0] if found else None


def to_run(page: Page) -> list[Command]:
    return [command for command in commands(page.name, page.text()) if why_not(command) is None]


def settled(steps: list[Command], tests_kafka: str) -> list[Command]:
    """With the addresses of today: a page's own Kafka is started for real, at a port that is free."""
    own = f"127.0.0.1:{free_port()}" if any(START.match(step.text) for step in steps) else tests_kafka
    port = own.rpartition(":")[2]
    texts = [START.sub(f"stream kafka start --port {port}", KEPT.sub(tests_kafka, step.text)) for step in steps]
    return [replace(step, text=STARTED.sub(own, text)) for step, text in zip(steps, texts, strict=True)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def docs_kafka(kafka: Cluster) -> Iterator[Cluster]:
    """The tests' Kafka; the topics that a page makes are gone when the next one begins."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    before = set(admin.list_topics(timeout=30).topics)
    yield kafka
    made = [name for name in admin.list_topics(timeout=30).topics if name not in before and not name.startswith("__")]
    for future in (admin.delete_topics(made, operation_timeout=30) if made else {}).values():
        future.result(60)


@pytest.mark.parametrize("page", [p for p in WITH_COMMANDS if to_run(p)], ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_the_page_says(page: Page, docs_kafka: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    scratch_project(folder)
    page.setup(docs_kafka, folder)
    try:
        run(settled(to_run(page), docs_kafka.bootstrap), folder / page.within, environ(docs_kafka))
    finally:
        for left in folder.rglob(".stream/kafka"):  # of a page that ended before it stopped its own
            Cluster(left).stop()


def test_every_exception_is_still_a_command_of_its_page() -> None:
    told = [command for page in WITH_COMMANDS for command in commands(page.name, page.text())]
    for page, start in NOT_RUN:
        assert any(command.page == page and command.text.startswith(start) for command in told), (page, start)


def test_no_block_of_the_tutorial_is_left_out() -> None:
    """What is no command is a file, so that it is used by the commands behind it."""
    text = (ROOT / TUTORIAL).read_text("utf-8")
    left = [block[2] for block in FENCE.finditer(text) if block[1] is None and block[2] != "console"]
    assert left == []
    assert text.count("<!-- file: ") == sum(block[1] is not None for block in FENCE.finditer(text)) > 5


def test_a_file_of_a_page_is_written_as_it_stands_when_its_turn_comes(tmp_path: Path) -> None:
    text = "<!-- file: a/b.txt -->\n```python\nx = '$HOME' \\\n```\n```console\n$ cat a/b.txt > c\n```\n"
    (tmp_path / "page").mkdir()
    run(commands("page.md", text), tmp_path / "page", {})
    assert (tmp_path / "page" / "c").read_text() == "x = '$HOME' \\\n"


def test_a_page_that_starts_kafka_gets_a_port_of_its_own() -> None:
    told = ["stream kafka start", "export A=127.0.0.1:9092", "export B=127.0.0.1:20626"]
    start, own, kept = (step.text for step in settled([Command("p", 1, t) for t in told], "127.0.0.1:7"))
    port = start.removeprefix("stream kafka start --port ")
    assert (own, kept) == (f"export A=127.0.0.1:{port}", "export B=127.0.0.1:7")
    assert [s.text for s in settled([Command("p", 1, told[1])], "127.0.0.1:7")] == ["export A=127.0.0.1:7"]


def test_a_command_that_fails_fails_its_page_and_is_named(tmp_path: Path) -> None:
    text = (
        "```console\n$ export NOW=here\nsome output\n$ test $NOW = here \\\n> && false\n```\n```sh\necho never\n```\n"
    )
    found = commands("page.md", text)
    assert [(c.line, c.text) for c in found] == [
        (2, "export NOW=here"),
        (4, "test $NOW = here \\\n&& false"),
        (8, "echo never"),
    ]
    (tmp_path / "page").mkdir()
    with pytest.raises(AssertionError, match="ended with 1") as failed:
        run(found, tmp_path / "page", {})
    assert ">>> page.md:4: test $NOW" in str(failed.value)
    assert "never" not in str(failed.value)
