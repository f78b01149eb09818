"""An event that kills the process is found and dead-lettered unread; a process killed from outside accuses nobody."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from acceptance import tiny
from acceptance.kafka_io import Record
from acceptance.running import Project, wait_until

from stream.errors import ExitCode

SIGSEGV: Final = "os.kill(os.getpid(), signal.SIGSEGV)"
MEMORY: Final = "np.empty(1 << 50, np.uint8)"
EXCEPTION: Final = "1 / 0"
HOOK: Final = """\
import os, signal
import numpy as np
import pyarrow as pa

def watch(batch):
    if not {killers}.isdisjoint(batch.column("id").to_pylist()):
        {does}
    return batch.append_column("seen", pa.array([True] * batch.num_rows))
"""


def with_hook(p: Project, does: str, killers: Iterable[int] = (5,)) -> None:
    """A stage that does this when one of these events is in its batch."""
    (p.folder / "hooks.py").write_text(HOOK.format(killers=set(killers), does=does))
    stage = "  - call: {function: hooks:watch, adds: {seen: boolean}}\n"
    text = p.pipeline.read_text()
    p.pipeline.write_text(text.replace("stages:\n", "stages:\n" + stage))


def reasons(records: list[Record]) -> dict[int, str]:
    """Dead letters: id -> reason."""
    return {tiny.read_back(r.value)["id"]: (dict(r.headers)["stream.reason"] or b"").decode() for r in records}


def assert_each_once(p: Project, numbers: Iterable[int]) -> dict[int, str]:
    """Every event is in exactly one place; gives the reasons of the dead letters."""
    high, low, dead = (p.io.read_committed(topic) for topic in p.ends)
    found = Counter(tiny.score(r.value)["id"] for r in (*high, *low))
    found.update(tiny.read_back(r.value)["id"] for r in dead)
    assert found == dict.fromkeys(numbers, 1)
    return reasons(dead)


def planted(numbers: Iterable[int]) -> set[int]:
    return {n for n in numbers if n % tiny.PLANTED_EVERY == 7}


def assert_quarantined(p: Project, killers: tuple[int, ...], how: str) -> None:
    """These and no others are dead letters for that reason, raw as they came; each event is in one place."""
    found = assert_each_once(p, range(600))
    assert {n for n, reason in found.items() if reason == "quarantined"} == set(killers)
    assert found.keys() == planted(range(600)) | set(killers)
    for record in p.io.read_committed(p.dead_letters):
        if (number := tiny.read_back(record.value)["id"]) in killers:
            headers = dict(record.headers)
            assert how in (headers["__streams.errors.message"] or b"").decode()
            assert headers["stream.stage"] == b"quarantine"
            assert (record.key, record.value) == (tiny.key(number), tiny.plain(number))


def test_events_that_end_the_process_are_dead_lettered_unread_and_the_rest_goes_on(
    project: Callable[..., Project],
) -> None:
    """Two of them in different partitions, two workers, restarted by the supervisor."""
    p = project()
    with_hook(p, SIGSEGV, (77, 500))
    p.produce(range(600))
    worker = p.start("--workers", "2", "--until-caught-up")
    assert worker.wait(200) == 0, worker.tail()
    assert_quarantined(p, (77, 500), "SIGSEGV")


def test_an_event_that_takes_all_memory_is_found_too(project: Callable[..., Project]) -> None:
    p = project(partitions=1)
    with_hook(p, MEMORY)
    p.produce(range(600))
    lives = [p.start("--until-caught-up").wait() for _ in range(3)]
    assert 0 not in lives
    assert p.drain()["dead_letters"]["quarantined"] == 1
    assert_quarantined(p, (5,), "more memory than there is")


def test_a_worker_that_is_killed_at_the_same_place_by_others_accuses_nobody(project: Callable[..., Project]) -> None:
    """With its first batch in hand, over and over, and while it tries the events: they are found innocent."""
    p = project(partitions=1)
    p.produce(range(300))
    for _ in range(3):
        assert p.start(STREAM_FAILPOINT="after_process:1").wait() == -9
    for _ in range(2):
        trying = p.start()
        wait_until(lambda: trying.logged("trying events in a process of their own") or p.progress(), "a trial")  # noqa: B023
        time.sleep(random.uniform(0.0, 1.5))
        trying.end()  # and the process of the trial with it
    worker = p.start("--until-caught-up")
    assert worker.wait() == 0, worker.tail()
    assert any(w.logged("events were tried", guilty=0, held=True) for w in p.workers)
    p.verify(range(300))


def test_an_exception_ends_the_process_and_is_never_dead_lettered(project: Callable[..., Project]) -> None:
    """It is a defect of the hook: to be seen with its traceback, and mended."""
    p = project(partitions=1)
    with_hook(p, EXCEPTION)
    p.produce(range(600))
    for _ in range(4):
        ended = p.start("--until-caught-up")
        assert ended.wait() == ExitCode.FATAL
        assert "ZeroDivisionError" in ended.tail()
    assert ended.logged("events were tried", guilty=0)
    assert "quarantined" not in reasons(p.io.read_committed(p.dead_letters)).values()
    with_hook_mended(p)
    p.drain()
    p.verify(range(600))


def with_hook_mended(p: Project) -> None:
    (p.folder / "hooks.py").write_text(HOOK.format(killers={-1}, does="pass"))


def test_random_kills_quarantine_nothing(project: Callable[..., Project]) -> None:
    """25 kills of two workers, many of them before anything could be committed since the last one."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    p = project()
    p.produce(range(20_000))
    workers = {name: p.start(instance=name) for name in ("one", "two")}
    for _ in range(25):
        time.sleep(chance.choice([0.2, 0.8, 1.6, 2.4]) * chance.uniform(0.7, 1.3))
        name = chance.choice(list(workers))
        workers[name].kill()
        workers[name] = p.start(instance=name)
    for worker in workers.values():
        worker.kill()
    p.drain()
    p.verify(range(20_000))  # every dead letter among them is a planted one
    assert set(reasons(p.io.read_committed(p.dead_letters)).values()) == {"expectation"}
    print("tried", sum(len(w.logged("events were tried")) for w in p.workers))
