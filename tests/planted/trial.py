"""A scenario run once, with a planted bug or without, and the harm that it finds."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from acceptance import tiny
from acceptance.kafka_io import Record
from acceptance.running import PATIENCE_S, Project, Worker, wait_until
from planted.bugs import Harm
from planted.plants import STRUCK

from stream.chaos.proxy import Proxy

LAUNCH: Final = Path(__file__).parent / "launch.py"
FAILED: Final = "attempt failed: reading again from the committed offsets"


class HarmError(Exception):
    """A harm after which the scenario cannot go on."""

    def __init__(self, harm: Harm, told: str) -> None:
        super().__init__(f"{harm}: {told}")
        self.harm = harm


@dataclass
class Trial:
    """create_project: as the fixture `project`. behind_proxy: the same for a broker behind the proxy, and that.
    bug: planted in every worker; "" for none.

    patience_s: how long progress may take. What is found is in harms, and told in words in notes.
    """

    create_project: Callable[..., Project]
    behind_proxy: Callable[[], tuple[Callable[..., Project], Proxy]]
    bug: str = ""
    patience_s: float = PATIENCE_S
    harms: set[Harm] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def run(self, scenario: Callable[[Trial], None]) -> None:
        try:
            scenario(self)
        except HarmError as found:
            self.note(found.harm, str(found))
        finally:
            for worker in self.workers:
                worker.end()

    def note(self, harm: Harm, told: str) -> None:
        self.harms.add(harm)
        self.notes.append(told)

    def struck(self, name: str = "") -> bool:
        """The bug, or that fault, was at work, not only in its place."""
        return any(worker.logged(STRUCK, bug=name or self.bug) for worker in self.workers)

    def create(self, base: str, **settings: Any) -> Project:
        return self.create_project(self._name(base), **settings)

    def create_behind_proxy(self, base: str, **settings: Any) -> tuple[Project, Proxy]:
        create, proxy = self.behind_proxy()
        return create(self._name(base), **settings), proxy

    def start(self, p: Project, *arguments: str, faults: str = "", healthy: bool = False, **named: str) -> Worker:
        """A worker with the bug; healthy: without. faults: planted in either case."""
        planted = ",".join(filter(None, (faults, "" if healthy else self.bug)))
        p.command = (sys.executable, str(LAUNCH), planted)
        named = {"STREAM_TRANSPORT": "python", **named}  # some bugs are planted in it
        worker = p.start(*arguments, instance=named.pop("instance", "one"), pipeline=None, **named)
        self.workers.append(worker)
        return worker

    def drain(self, p: Project, *, healthy: bool = False, **named: str) -> None:
        """A worker runs until it is caught up, and ends well."""
        self.ends(self.start(p, "--until-caught-up", "--output", "json", healthy=healthy, **named))

    def ends(self, worker: Worker, code: int = 0) -> None:
        try:
            worker.popen.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            raise HarmError(Harm.STUCK, f"still running after {self.patience_s:.0f} s: {worker.tail(3)}") from None
        if worker.popen.returncode != code:
            raise HarmError(Harm.ENDED, f"with {worker.popen.returncode} instead of {code}: {worker.tail(3)}")

    def dies_at(self, worker: Worker) -> None:
        """By its failpoint, in the middle of its work."""
        self.ends(worker, -signal.SIGKILL)
        assert worker.committed_events() > 0, f"nothing was committed before it died:\n{worker.tail()}"

    def until(self, condition: Callable[[], Any], what: str, *running: Worker) -> None:
        """Wait for a state while these workers run."""

        def look() -> Any:
            ended = [worker for worker in running if not worker.alive]
            try:
                found = condition()
            except OSError:  # its health pages, while it ends
                found = None
            if ended and not found:
                raise HarmError(Harm.ENDED, f"with {ended[0].popen.returncode} before {what}: {ended[0].tail(3)}")
            return found

        try:
            wait_until(look, what, self.patience_s)
        except AssertionError as error:
            raise HarmError(Harm.STUCK, str(error)) from None

    def reach(self, p: Project, events: int, *running: Worker) -> None:
        self.until(lambda: p.progress() >= events, f"{events} events committed", *running)

    def stop(self, *workers: Worker) -> None:
        for worker in workers:
            worker.send(signal.SIGTERM)
        for worker in workers:
            self.ends(worker)

    def judge(self, p: Project, numbers: Iterable[int]) -> dict[str, list[Record]]:
        """Compare sets of ids, read by an independent reader from where events end; gives what it found."""
        found = {topic: p.io.read_committed(topic) for topic in p.ends}
        *outputs, letters = ([(_id(topic, p, r), r.key) for r in records] for topic, records in found.items())
        pairs = [*outputs[0], *outputs[1], *letters]
        times, wanted = Counter(number for number, _ in pairs), set(numbers)
        twice = {number for number, count in times.items() if count > 1}
        outside = {number for number, count in Counter(n for n, _ in letters).items() if count > 1}
        self._judged(Harm.LOST, wanted - times.keys())
        self._judged(Harm.UNEXPECTED, times.keys() - wanted)
        self._judged(Harm.DOUBLED, twice - outside)
        self._judged(Harm.LETTERS, outside if twice == outside else set())
        self._judged(Harm.DOUBLED, outside if twice != outside else set())
        self._judged(Harm.KEYS, {number for number, key in pairs if key != tiny.key(number)})
        return found

    def judge_counts(self, events: int, *workers: Worker) -> None:
        """Of workers that lived through it all: what their logs say is committed is what there was."""
        told = sum(worker.committed_events() for worker in workers)
        if told != events:
            self.note(Harm.MISCOUNTED, f"{Harm.MISCOUNTED}: {told} counted of {events}")

    def judge_fences(self, *workers: Worker) -> None:
        """Nobody took another one's seat in the group."""
        said = [line["message"] for worker in workers for line in worker.lines()]
        if fences := sum(text.startswith("making a new consumer") for text in said):
            self.note(Harm.FENCED, f"{Harm.FENCED}: {fences} times")

    def _name(self, base: str) -> str:
        return f"{base}-{self.bug or 'control'}"

    def _judged(self, harm: Harm, numbers: set[int]) -> None:
        if numbers:
            self.note(harm, f"{harm}: {len(numbers)}, such as {sorted(numbers)[:5]}")


def stopped(worker: Worker) -> bool:
    """By SIGSTOP."""
    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(worker.popen.pid)], capture_output=True, text=True, check=False)
    return ps.stdout.startswith("T")


def _id(topic: str, p: Project, record: Record) -> int:
    read = tiny.read_back if topic == p.dead_letters else tiny.score
    return int(read(record.value)["id"])
