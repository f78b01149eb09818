"""The memory of a worker stays flat: under events of 1 MiB, and under a flood of dead letters.

What bounds it is counted in bytes (docs/limits.md): the batch, and the client's queue of fetched events. The same
backlog is worked off once more with both raised above it, which shows that the bounds are what keeps it flat.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import pytest
from acceptance import tiny
from acceptance.kafka_io import Input, KafkaIO
from acceptance.running import Project, Worker

MIB: Final = 2**20
PAGE: Final = 4096
EVENTS: Final = 320
FLOOD: Final = 150_000
BIG_MESSAGES: Final = {"STREAM_KAFKA_MESSAGE_MAX_BYTES": str(2 * MIB)}
DEFAULTS: Final = "batch: {}"
RAISED: Final = "batch: {events: 1000000, bytes: 1GiB, wait: 8s}"
RAISED_QUEUE: Final = {"STREAM_KAFKA_QUEUED_MAX_MESSAGES_KBYTES": "1000000"}
MOST_MIB: Final = 640
"""A worker with its libraries and a small model is 180 MiB; 64 are the client's queue, the rest two batches of 16 MiB:
as they came, as columns, as outputs and as what is being sent.
"""

pytestmark = pytest.mark.timeout(240)


@dataclass
class Memory:
    """A context: resident MiB of a process, looked at many times a second."""

    worker: Worker
    samples: list[float] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def most(self) -> float:
        """Since it was asked last."""
        samples, self.samples = self.samples, []
        return max(samples)

    def _watch(self) -> None:
        statm = Path(f"/proc/{self.worker.popen.pid}/statm")
        while not self._ended.wait(0.02) and self.worker.alive:
            self.samples.append(int(statm.read_text().split()[1]) * PAGE / MIB)


def large() -> Iterator[Input]:
    text = random.Random(7).randbytes(MIB // 2).hex()
    for number in range(EVENTS):
        yield tiny.key(number), tiny.reading(number, number % 400, number % 4, text), None, number % 2


def flood() -> Iterator[Input]:
    """Nothing but dead letters, some of them large."""
    rng = random.Random(7)
    for number in range(FLOOD):
        yield tiny.key(number), rng.randbytes(MIB if number % 500 == 0 else 60), None, number % 2


INPUTS: Final = {"events of 1 MiB": (large, EVENTS), "a flood of dead letters": (flood, FLOOD)}


@dataclass
class Backlog:
    """A project whose worker has so many events before it, and as many again whenever asked."""

    project: Project
    make: Callable[[], Iterator[Input]]
    count: int
    _asked: int = 0

    def produce(self) -> None:
        self.project.io.produce(self.project.input, self.make())
        self._asked += self.count

    def worker(self, batch: str, environ: Mapping[str, str] = {}) -> Worker:
        file = self.project.pipeline
        file.write_text(re.sub("^batch: .*$", batch, file.read_text(), flags=re.MULTILINE))
        return self.project.start(**BIG_MESSAGES, **environ)

    def await_done(self) -> None:
        self.project.await_progress(self._asked)


@pytest.fixture(params=INPUTS)
def backlog(request, kafka, tiny_files, tmp_path, unique_name) -> Iterator[Backlog]:
    io, name = KafkaIO(kafka.bootstrap, {"message.max.bytes": 2 * MIB}), unique_name("memory")
    with Project.create(tiny_files, tmp_path, name, io, partitions=0) as p:
        io.create_topics(dict.fromkeys((p.input, *p.ends), 2), {"max.message.bytes": str(2 * MIB)})
        found = Backlog(p, *INPUTS[request.param])
        found.produce()
        yield found


def test_memory_is_bounded_and_flat(backlog: Backlog) -> None:
    worker = backlog.worker(DEFAULTS)
    rounds = []
    with Memory(worker) as memory:
        backlog.await_done()
        rounds.append(memory.most)
        for _ in range(2):
            backlog.produce()
            backlog.await_done()
            rounds.append(memory.most)
    print("MiB at most, of each round:", [round(most) for most in rounds])
    assert max(rounds) < MOST_MIB, f"MiB at most, of each round: {rounds}"
    assert worker.stop() == 0


def test_without_the_bounds_it_follows_the_backlog(backlog: Backlog) -> None:
    with Memory(backlog.worker(RAISED, RAISED_QUEUE)) as memory:
        backlog.await_done()
    most = memory.most
    print("MiB at most:", round(most))
    assert most > MOST_MIB
