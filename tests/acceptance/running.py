"""Whole worker processes as a test sees them: started, watched by log and health pages, killed, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from acceptance import tiny
from acceptance.kafka_io import KafkaIO, Record
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 60.0
"""The longest wait for something that takes a few seconds on a quiet machine."""
LOOK_EVERY_S: Final = 0.05
TRANSPORT: Final = os.environ.get("STREAM_TRANSPORT", "python")
"""Of all workers: make acceptance TRANSPORT=native."""
STREAM: Final = (sys.executable, "-m", "stream")
"""What a worker is started as; the tests of planted bugs have a launcher of their own."""
QUICK_GROUP: Final = {
    "STREAM_KAFKA_SESSION_TIMEOUT_MS": "4000",
    "STREAM_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
}
"""A killed member's partitions move after 4 s; for the classic group protocol."""
DESCRIBE: Final = """\
import json, os, sys
from confluent_kafka.admin import AdminClient
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
(future,) = admin.describe_consumer_groups([sys.argv[2]], request_timeout=20).values()
members = future.result().members
print(json.dumps({m.client_id: len(m.assignment.topic_partitions) for m in members}), flush=True)
os._exit(0)
"""


def wait_until(
    condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S, standing: Callable[[], str] = lambda: ""
) -> Any:
    """The first true answer of the condition; fails after timeout_s, saying what it waited for and how it stands."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"after {timeout_s:.0f} s still not: {what}\n{standing()}"
        time.sleep(LOOK_EVERY_S)
    return found


@dataclass
class Worker:
    """One `stream` process in a session of its own; its standard error, the log, goes to a file."""

    popen: subprocess.Popen[bytes]
    log: Path
    output: Path

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; what is no JSON line (an error message, a traceback) is under "message"."""
        *whole, last = self.log.read_text(errors="replace").split("\n")
        parsed = []
        for line in whole if self.alive else [*whole, last]:
            try:
                parsed.append(json.loads(line))
            except ValueError:
                parsed.append({"message": line})
        return parsed

    def logged(self, message: str, **fields: Any) -> list[dict[str, Any]]:
        """The log lines with this message and these fields."""
        found = [line for line in self.lines() if line.get("message") == message]
        return [line for line in found if fields.items() <= line.items()]

    def wait_for(self, message: str, count: int = 1, timeout_s: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """The count-th such log line, once it is there."""

        def look() -> dict[str, Any] | None:
            ended = not self.alive  # before reading: a last line is not missed
            found = self.logged(message, **fields)
            assert len(found) >= count or not ended, f"ended with {self.popen.returncode}:\n{self.tail()}"
            return found[count - 1] if len(found) >= count else None

        line: dict[str, Any] = wait_until(look, f"{count} lines {message} {fields}", timeout_s, self.tail)
        return line

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def committed_events(self) -> int:
        """Events of the batches that the log says are committed."""
        return sum(line["events"] for line in self.logged("committed"))

    def page(self, path: str) -> tuple[int, str]:
        """(status, body) of a health page."""
        address = self.wait_for("started")["health"].rstrip("/")
        try:
            with urllib.request.urlopen(address + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def ready(self) -> dict[str, Any]:
        """What /readyz says, its status among it."""
        status, body = self.page("/readyz")
        facts: dict[str, Any] = json.loads(body)
        return {**facts, "status": status}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        _, text = self.page("/metrics")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """The exit code, once it has ended."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s:.0f} s:\n{self.tail()}") from None

    def stop(self, timeout_s: float = PATIENCE_S) -> int:
        """SIGTERM, and the exit code."""
        self.send(signal.SIGTERM)
        return self.wait(timeout_s)

    def end(self) -> None:
        """Whatever is left of it and of its children is gone afterwards."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@dataclass
class Project:
    """A folder with a tiny pipeline, its topics on a cluster, and the workers that run it.

    name is the pipeline's: topics are <name>.in, .high, .low and .dlq. settings are those of
    tiny.pipeline_text, environ is for every worker.
    """

    folder: Path
    name: str
    io: KafkaIO
    environ: Mapping[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    command: Sequence[str] = STREAM
    _consumers: dict[str, Consumer] = field(default_factory=dict)

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.io.bootstrap})

    @classmethod
    def create(
        cls,
        template: Path,
        folder: Path,
        name: str,
        io: KafkaIO,
        *,
        environ: Mapping[str, str] = QUICK_GROUP,
        partitions: int = 4,
        **settings: Any,
    ) -> Project:
        """template: a folder of tiny.write_files. A group of the consumer protocol has no QUICK_GROUP."""
        shutil.copytree(template, folder / name)
        if settings.get("protocol") == "consumer":
            environ = {k: v for k, v in environ.items() if k not in QUICK_GROUP}
        project = cls(folder / name, name, io, environ)
        project.write(**settings)
        if partitions:
            io.create_topics(dict.fromkeys((f"{name}.in", *project.ends), partitions))
        return project

    @property
    def input(self) -> str:
        return f"{self.name}.in"

    @property
    def outputs(self) -> tuple[str, str]:
        return f"{self.name}.high", f"{self.name}.low"

    @property
    def dead_letters(self) -> str:
        return f"{self.name}.dlq"

    @property
    def ends(self) -> tuple[str, ...]:
        """The topics in which events end."""
        return (*self.outputs, self.dead_letters)

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipeline.yaml"

    def write(self, **settings: Any) -> None:
        """The pipeline file, anew."""
        self.pipeline.write_text(tiny.pipeline_text(self.name, **settings))

    def start(self, *arguments: str, instance: str = "one", pipeline: Path | None = None, **environ: str) -> Worker:
        """`stream run` of the pipeline; by default one worker that runs until it is stopped."""
        files = [str(pipeline or self.pipeline)]
        worker = start(
            ["run", *files, *arguments],
            self.folder / f"worker-{len(self.workers)}",
            {
                "STREAM_KAFKA_BOOTSTRAP_SERVERS": self.io.bootstrap,
                "STREAM_INSTANCE": instance,
                **self.environ,
                **environ,
            },
            self.command,
        )
        self.workers.append(worker)
        return worker

    def drain(self, *arguments: str, instance: str = "one", timeout_s: float = PATIENCE_S, **environ: str) -> Any:
        """Run until caught up; the JSON that the run reports."""
        worker = self.start("--until-caught-up", "--output", "json", *arguments, instance=instance, **environ)
        code = worker.wait(timeout_s)
        assert code == 0, f"ended with {code}:\n{worker.tail()}"
        return json.loads(worker.output.read_text())

    def produce(self, numbers: Iterable[int]) -> None:
        self.io.produce(self.input, tiny.plain_inputs(numbers))

    def committed_offsets(self, topic: str | None = None, group: str | None = None) -> dict[int, int]:
        """Partition -> committed offset of the group; partitions without one are left out.

        Those of open transactions do not count. Empty while the group's coordinator moves. A consumer asks
        that never joins: the admin client's call crashes on a coordinator that is loading (librdkafka 2.16.0).
        """
        topic = topic or self.input
        consumer = self._asking(group or self.name)
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            found = consumer.committed([TopicPartition(topic, p) for p in partitions], 10)
        except KafkaException:
            return {}
        return {p.partition: p.offset for p in found if p.error is None and p.offset >= 0}

    def members(self) -> dict[str, int]:
        """Client id -> number of partitions, for each member of the group.

        Asked by a process of its own: an admin client that has asked this can hang when it is closed
        (librdkafka 2.16.0).
        """
        asked = [sys.executable, "-c", DESCRIBE, self.io.bootstrap, self.name]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, int] = json.loads(done.stdout)
        return found

    def progress(self) -> int:
        """Events of the input that are committed (the input holds nothing but events, each an offset)."""
        return sum(self.committed_offsets().values())

    def await_progress(self, events: int, timeout_s: float = PATIENCE_S) -> None:
        def look() -> bool:
            return self.progress() >= events

        wait_until(look, f"{events} events committed", timeout_s, self._standing)

    def read(self) -> dict[str, list[Record]]:
        """All that a fresh read_committed reader finds in the topics where events end."""
        return {topic: self.io.read_committed(topic) for topic in self.ends}

    def verify(self, numbers: Iterable[int]) -> dict[str, list[Record]]:
        """Every plain reading is in exactly one place, the right one, with the right result, in the order of its key.

        Compares sets of ids read from the values by an independent reader; gives the records found.
        """
        found = self.read()
        high, low, dead = (found[topic] for topic in self.ends)
        scores = [tiny.score(record.value) for record in (*high, *low)]
        letters = [tiny.read_back(record.value) for record in dead]
        times = Counter([s["id"] for s in scores] + [d["id"] for d in letters])
        wanted = set(numbers)
        lost, twice = wanted - times.keys(), {n for n, count in times.items() if count > 1}
        strange = times.keys() - wanted
        counts = f"{len(lost)} lost, {len(twice)} duplicated, {len(strange)} unexpected of {len(wanted)}"
        wrong = [*sorted(lost)[:5], *sorted(twice)[:5], *sorted(strange)[:5]]
        assert wrong == [], f"{counts}: {wrong}"
        assert {d["id"] for d in letters} == {n for n in wanted if n % tiny.PLANTED_EVERY == 7}
        for part, records in ((True, high), (False, low)):
            assert all((tiny.score(r.value)["y"] > tiny.HIGH) is part for r in records), "each in the topic for it"
        _assert_order(high, tiny.score)
        _assert_order(low, tiny.score)
        _assert_order(dead, tiny.read_back)
        return found

    def _asking(self, group: str) -> Consumer:
        if group not in self._consumers:
            settings = {"group.id": group, "isolation.level": "read_uncommitted", "enable.auto.commit": False}
            self._consumers[group] = Consumer({"bootstrap.servers": self.io.bootstrap, **settings})
        return self._consumers[group]

    def end(self) -> None:
        for worker in self.workers:
            worker.end()
        for consumer in self._consumers.values():
            consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _standing(self) -> str:
        return "\n".join([f"now {self.progress()}", *(w.tail(5) for w in self.workers if w.alive)])


def shares(*workers: Worker) -> list[int]:
    """How many partitions each worker says it has, brought up to date by it once a second; the fewest first."""
    return sorted(worker.ready()["assigned_partitions"] for worker in workers)


def start(arguments: list[str], base: Path, environ: Mapping[str, str], command: Sequence[str] = STREAM) -> Worker:
    """`python -m stream ...` of this repository, with these STREAM_ variables only; base names its two files."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")}
    defaults = {"STREAM_HTTP_ADDRESS": "127.0.0.1:0", "STREAM_LOG_FORMAT": "json", "STREAM_TRANSPORT": TRANSPORT}
    log, output = base.with_suffix(".log"), base.with_suffix(".out")
    with log.open("wb") as errors, output.open("wb") as out:
        popen = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**plain, **defaults, **environ},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
    return Worker(popen, log, output)


def _assert_order(records: list[Record], read: Callable[[bytes | None], dict[str, Any]]) -> None:
    """Within a partition the events of one key rise."""
    last: dict[tuple[int, bytes | None], int] = {}
    for record in records:
        number, place = read(record.value)["id"], (record.partition, record.key)
        assert last.get(place, -1) < number, f"{place}: {number} came after {last[place]}"
        last[place] = number
