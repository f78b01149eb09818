"""A pipeline that obeys: it gets stuck, slow, or fails as a file tells it, under a steady load, and is scraped."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from acceptance import tiny
from acceptance.kafka_io import Input
from acceptance.running import Project, Worker, wait_until
from acceptance.scripted_service import BUSY, FINE, Reply, ScriptedService
from confluent_kafka import Producer

from deploy.monitoring.boards import BOARDS
from deploy.monitoring.panels import Board, Panel
from deploy.monitoring.rules import Scale
from deploy.monitoring.servers import Monitoring, free_address

PIPELINE: Final = """\
pipeline: {name}
input: {{topic: {name}.in, schema: schemas/reading.avsc}}
stages:
  - validate: {{suite: suites/reading.json}}
  - transform: {{half: x / 2}}
  - call: {{function: obedience:obey, columns: [note], adds: {{obeyed: boolean}}}}
  - http:
      url: {url}
      body: [id, x]
      response: {{asked: {{field: y, type: double}}}}
      breaker: 100000
      retry: {{delays: [3s], on_exhausted: hold}}
  - infer: {{model: models/root, outputs: {{y: y, _model: model}}}}
outputs:
  - {{topic: {name}.high, schema: schemas/score.avsc, when: y > 12}}
  - {{topic: {name}.low, schema: schemas/score.avsc}}
failures:
  dead_letter: {{limit: {{ratio: 1, consecutive: 1000000}}}}
  retry: {{delays: [2s]}}
batch: {{events: 100, wait: 20ms}}
transaction: {{timeout: 3s}}
"""
OBEDIENCE: Final = '''\
"""Does what orders.json beside it says."""
import json
import time
from pathlib import Path

import pyarrow as pa

from stream.errors import SystemicError, TransientError

ORDERS = Path(__file__).with_name("orders.json")


def orders():
    return json.loads(ORDERS.read_text())


def obey(batch):
    while orders().get("stuck"):
        time.sleep(0.05)
    if orders().get("away"):
        raise SystemicError("service", "the orders say so")
    time.sleep(orders().get("slow_s", 0))
    if "later" in batch.column("note").to_pylist():
        raise TransientError("busy", "the event says so")
    return batch.append_column("obeyed", pa.array([True] * len(batch)))
'''
QUICK: Final = Scale(windows=1 / 60, ages=1 / 8640, shortest_s=5)
"""A minute becomes a second, and a day 10 s."""
RANGE_S: Final = 120
FENCE_AGAIN_S: Final = 13.0
"""Six fences within a minute end a worker."""


@dataclass
class Watched:
    """The pipeline with its workers, its load and its Prometheus."""

    project: Project
    monitoring: Monitoring
    service: ScriptedService
    """What its http stage asks."""
    addresses: dict[str, str] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    _rate: float = 150.0
    _mixture: str = "bad"
    _ended: threading.Event = field(default_factory=threading.Event)
    _errors: list[BaseException] = field(default_factory=list)

    def order(self, **orders: Any) -> None:
        """What the workers do from their next batch on; nothing: they work."""
        path = self.project.folder / "orders.json"
        path.with_suffix(".new").write_text(json.dumps(orders))
        path.with_suffix(".new").replace(path)

    def start(self, instance: str) -> Worker:
        """A worker at an address of its own, the same whenever it is started again."""
        address = self.addresses.setdefault(instance, free_address())
        self.monitoring.scrape(list(self.addresses.values()))
        self.workers[instance] = self.project.start(instance=instance, STREAM_HTTP_ADDRESS=address)
        return self.workers[instance]

    def runs(self, instance: str) -> bool:
        return instance in self.workers and self.workers[instance].alive

    def load(self, *, rate: float, mixture: str) -> None:
        """Events a second, and of which kind: "good", or "bad" (a fifth fails, each stage in its way)."""
        self._rate, self._mixture = rate, mixture

    def fence(self, instance: str) -> None:
        """Another producer with the transactional id of this worker."""
        settings = {
            "bootstrap.servers": self.project.io.bootstrap,
            "transactional.id": f"{self.project.name}-{instance}-0",
        }
        Producer(settings).init_transactions(30)

    def fence_until(self, name: str, instance: str = "one", timeout_s: float = 120.0) -> None:
        """Again and again, as another process of this name would, until the alert has reached Alertmanager."""
        deadline = time.monotonic() + timeout_s
        while name not in self.firing():
            assert time.monotonic() < deadline, f"{name} does not fire: {self.standing()}"
            self.fence(instance)
            until = time.monotonic() + FENCE_AGAIN_S
            while time.monotonic() < until and name not in self.firing():
                time.sleep(0.5)

    def firing(self) -> set[str]:
        """The alerts that fire, as Alertmanager knows them; their texts must be whole."""
        found = self.monitoring.alerts()
        for alert in found:
            texts = {**alert["annotations"], **alert["labels"]}
            assert "error expanding" not in str(texts), texts
            assert "<no value>" not in str(texts), texts
        return {alert["labels"]["alertname"] for alert in found if alert["status"]["state"] in ("active", "suppressed")}

    def await_alerts(self, names: Iterable[str], timeout_s: float = 120.0) -> None:
        """Until each of these has reached Alertmanager; they need not be there at the same time."""
        left = set(names)

        def look() -> bool:
            left.difference_update(self.firing())
            return not left

        wait_until(look, f"alerts {sorted(names)}", timeout_s, lambda: f"left: {sorted(left)}; {self.standing()}")

    def standing(self) -> str:
        states = self.monitoring.ask("alerts")["alerts"]
        return str(sorted((a["labels"]["alertname"], a["state"], a["value"]) for a in states))

    def value(self, expr: str) -> float | None:
        found = self.monitoring.ask("query", query=expr)["result"]
        return float(found[0]["value"][1]) if found else None

    def range(self, expr: str) -> list[Any]:
        """The series of the last minutes."""
        now = time.time()
        asked = {"query": expr, "start": str(now - RANGE_S), "end": str(now), "step": "1"}
        found: list[Any] = self.monitoring.ask("query_range", **asked)["result"]
        return found

    @contextmanager
    def under_load(self) -> Iterator[None]:
        thread = threading.Thread(target=self._produce, name="load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(30)
        for error in self._errors:
            raise error

    def _produce(self) -> None:
        number, due = 0, 0.0
        try:
            while not self._ended.wait(0.1):
                due += self._rate * 0.1
                if due >= 1:
                    events = range(number, number + int(due))
                    self.project.io.produce(self.project.input, _events(events, self._mixture))
                    number, due = events.stop, due - len(events)
        except BaseException as error:  # told by the thread that started this one
            self._errors.append(error)


@dataclass
class Panels:
    """Which panels have shown something; each is asked until it has."""

    monitoring: Monitoring
    variables: Mapping[str, str]
    left: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.left = {
            (f"{board.uid}: {panel.title}", query.on_board): query.legend
            for board, panel in every_panel()
            for query in panel.queries
        }

    def look(self) -> bool:
        """Ask those that have shown nothing yet; whether none is left. A wrong query raises ValueError."""
        for (title, expr), legend in list(self.left.items()):
            found = self.monitoring.ask("query", query=self.filled(expr))["result"]
            if found and all(math.isfinite(float(series["value"][1])) for series in found):
                named = set(re.findall(r"{{(\w+)}}", legend))
                assert all(named <= series["metric"].keys() for series in found), f"{title}: {legend} for {found}"
                del self.left[title, expr]
        return not self.left

    def filled(self, expr: str) -> str:
        for name, value in self.variables.items():
            expr = expr.replace(name, value)
        return expr


def every_panel() -> Sequence[tuple[Board, Panel]]:
    return [(board, panel) for board in BOARDS for panel in board.panels]


def write_pipeline(project: Project, service: ScriptedService) -> None:
    """This pipeline in the place of the tiny one, with its retry topics. Its http stage asks the service."""
    service.script = seldom_busy
    project.pipeline.write_text(PIPELINE.format(name=project.name, url=service.url))
    (project.folder / "obedience.py").write_text(OBEDIENCE)
    (project.folder / "orders.json").write_text("{}")
    project.io.create_topics(
        {f"{project.name}.retry.2s": 2, f"{project.name}.retry.3s": 2, f"{project.name}.dlq.resolved": 1}
    )


def seldom_busy(number: int, before: int) -> Reply:
    """Now and then an event uses up its attempts, holds its place for a while, and passes."""
    return BUSY if number % 1000 == 10 and before < 3 else FINE


def often_busy(number: int, before: int) -> Reply:
    return BUSY if number % 2 and before == 0 else FINE


def one_never(number: int, before: int) -> Reply:
    """One event of many never passes."""
    return BUSY if number % 1000 == 10 else FINE


def panels_of(watched: Watched) -> Panels:
    return Panels(
        watched.monitoring,
        {
            "$pipeline": watched.project.name,
            "$instance": ".*",
            "$__rate_interval": "10s",
            "$__range": f"{RANGE_S}s",
        },
    )


def _events(numbers: Iterable[int], mixture: str) -> Iterator[Input]:
    for number in numbers:
        yield tiny.key(number), _value(number, mixture), None, None


def _value(number: int, mixture: str) -> bytes:
    x, k = float(number % 400), number % 4
    if mixture == "bad":
        match number % 25:
            case 0:
                return b"no event"
            case 1 | 2:
                return tiny.reading(number, tiny.TOO_BIG)
            case 3:
                return tiny.reading(number, -1.0)
            case 4:
                return tiny.reading(number, x, k, note="later")
    return tiny.reading(number, x, k)
