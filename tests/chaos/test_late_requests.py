"""Late requests, forced by a proxy: harmless with the guard, harmful without it. `make late-requests` is long."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos.late_requests.__main__ import guarded, unguarded, ways
from chaos.late_requests.lane import Lane, Verdict
from chaos.late_requests.shapes import FLAPPING_COMMIT, LATE_ABORT, LATE_COMMIT, LATE_OFFSETS, Shape, Trial

from stream.chaos.proxy import Proxy, proxied
from stream.devkafka import Cluster

INVALID_PRODUCER_EPOCH = 47
SHAPES = (LATE_COMMIT, LATE_OFFSETS, LATE_ABORT, FLAPPING_COMMIT)
Lanes = Callable[[str], Lane]


@pytest.fixture(scope="module")
def late_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Proxy]]:
    """One broker that is reached through the proxy."""
    with proxied(tmp_path_factory.mktemp("late-kafka-")) as both:
        yield both


@pytest.fixture
def lanes(late_kafka: tuple[Cluster, Proxy], tiny_files: Path, tmp_path: Path) -> Iterator[Lanes]:
    """lanes("off") is a worker in that mode."""
    kafka, proxy = late_kafka
    made: list[Lane] = []

    def create(mode: str) -> Lane:
        folder = tmp_path / mode
        folder.mkdir()
        made.append(Lane.create(tiny_files, folder, f"late-{mode}", kafka=kafka, proxy=proxy, mode=mode))
        return made[-1]

    yield create
    for lane in made:
        lane.end()


def run(lanes: Lanes, trials: list[Trial]) -> list[tuple[Trial, Verdict]]:
    """A worker for each mode, side by side."""
    modes = sorted({trial.mode for trial in trials})
    workers = {mode: lanes(mode) for mode in modes}

    def work(mode: str) -> list[tuple[Trial, Verdict]]:
        return [(trial, workers[mode].run(trial)) for trial in trials if trial.mode == mode]

    with ThreadPoolExecutor(len(modes)) as pool:
        return [found for lane in pool.map(work, modes) for found in lane]


@pytest.mark.timeout(300)
def test_no_late_request_tears_a_transaction_and_each_does_without_the_guard(lanes, rng: random.Random) -> None:
    """Each harmful shape in each way with the guard, in an order by chance; and once, in one way, without it."""

    def off(shape: Shape) -> Trial:
        return Trial(shape, rng.choice(ways(shape)), unguarded(shape))

    trials = [Trial(shape, then, guarded(shape)) for shape in SHAPES for then in ways(shape)]
    trials += [off(shape) for shape in SHAPES]
    rng.shuffle(trials)

    found = run(lanes, trials)
    torn = {(t.shape.name, t.then, t.mode): v for t, v in found if v.torn and t.mode == guarded(t.shape)}
    assert torn == {}, "the guard let a late request through"
    whole = {(t.shape.name, t.then, t.mode): v for t, v in found if not v.torn and t.mode == unguarded(t.shape)}
    assert whole == {}, "without the guard nothing happened: this test would not notice if it failed"
    answers = {v.answer for t, v in found if t.mode == guarded(t.shape)}
    assert answers == {INVALID_PRODUCER_EPOCH}, "the broker was asked, and refused"
