"""An HTTP service that answers as a test tells it, and the tiny pipeline that asks it for each reading.

Plain http.server, so that nothing here shares a mistake with the product's client.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from acceptance import tiny
from acceptance.kafka_io import Record
from acceptance.running import Project

ECHO: Final = "ECHO-OF-THE-EVENT"
"""In the body of every answer that is no success: no log line or header may have it."""
PIPELINE: Final = """\
pipeline: {name}
input: {{topic: {name}.in, schema: schemas/reading.avsc}}
stages:
  - http:
      url: {url}
      body: [id, x]
      response: {{y: float, half: double, model: string}}
      {http}
outputs:
  - {{topic: {name}.low, schema: schemas/score.avsc}}
failures: {{order: {order}, retry: {retry}, dead_letter: {{limit: {{ratio: 1, consecutive: 1000000}}}}}}
batch: {{events: {events}, bytes: 4MiB, wait: 20ms}}
transaction: {{timeout: 2s}}
"""


class Call(NamedTuple):
    """One call as the service saw it. at: seconds since the epoch, before it was answered."""

    at: float
    id: int
    key: str
    status: int
    authorization: str


class Reply(NamedTuple):
    """status 0 hangs up without an answer. body: sent as it is; by default the scores, or the echo."""

    status: int = 200
    headers: Mapping[str, str] = {}
    wait_s: float = 0.0
    body: str | None = None


FINE: Final = Reply()
BUSY: Final = Reply(503)
Script = Callable[[int, int], Reply]
"""(id of the event, how often it was asked for before) -> reply"""


def scored(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"y": event["x"] + 1, "half": event["x"] / 2, "model": "service"}


@dataclass
class ScriptedService:
    """A context: serves on a port of its own until left. script may be replaced at any time."""

    script: Script = lambda _id, _before: FINE
    calls: list[Call] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)
    _asked: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/score"

    def calls_of(self, number: int) -> list[Call]:
        with self._lock:
            return [call for call in self.calls if call.id == number]

    def ids(self) -> list[int]:
        with self._lock:
            return [call.id for call in self.calls]

    def _answer(self, event: Mapping[str, Any], headers: Mapping[str, str]) -> Reply:
        number, now = int(event["id"]), time.time()
        with self._lock:
            reply = self.script(number, self._asked[number])
            self._asked[number] += 1
            authorization = headers.get("Authorization", "")
            self.calls.append(Call(now, number, headers["Idempotency-Key"], reply.status, authorization))
        self._stopping.wait(reply.wait_s)
        if reply.status == 200 and reply.body is None:
            return reply._replace(body=json.dumps(scored(event)))
        return reply if reply.body is not None else reply._replace(body=ECHO)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 30

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = service._answer(event, self.headers)
                if reply.status == 0:
                    self.close_connection = True
                    return
                body = (reply.body or "").encode()
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler


def calling(project: Project, service: ScriptedService, retry: str = "{}", **settings: Any) -> Project:
    """The project's pipeline asks the service, and its retry topics are there. retry: as in the pipeline file."""
    from stream.config import load

    given = {"http": "breaker: 100000", "order": "relaxed", "events": 50, "url": service.url, **settings}
    project.pipeline.write_text(PIPELINE.format(name=project.name, retry=retry, **given))
    tiers = load(project.pipeline, {}).file.retry_tiers
    partitions = len(project.admin.list_topics(project.input, timeout=30).topics[project.input].partitions)
    if tiers:
        project.io.create_topics({tier.topic: partitions for tier in tiers})
    return project


def readings(numbers: Iterable[int], partition: int | None = None) -> list[tuple[bytes, bytes, None, int | None]]:
    """Readings as the topic's records; x is half of the id."""
    return [(tiny.key(n), tiny.reading(n, n / 2), None, partition) for n in numbers]


def score_ids(records: Iterable[Record]) -> list[int]:
    return [tiny.score(record.value)["id"] for record in records]


def reading_ids(records: Iterable[Record]) -> list[int]:
    return [tiny.read_back(record.value)["id"] for record in records]


def header(record: Record, name: str) -> str:
    """Its only value."""
    (value,) = [value for key, value in record.headers if key == name]
    return (value or b"").decode()
