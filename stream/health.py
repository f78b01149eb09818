"""Is the loop alive, is it at work, and the small HTTP server that says so.

http.server is enough: a scrape every few seconds. What it lacks are bounds, so those are here.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import json
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from stream.errors import ConfigurationError

MAX_CONNECTIONS: Final = 16
"""Served at the same time; one more is closed at once."""
CONNECTION_S: Final = 10.0
"""Longest life of one connection, so that slow clients cannot hold all of them."""
POLL_S: Final = 0.2
"""How late a close, or a connection past its life, is seen."""
STALE_AFTER_S: Final = 60.0
"""A loop that has not gone round for this long is stuck. Longer than any call the loop makes."""
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

INDEX: Final = b"""\
/metrics  the numbers, for Prometheus
/livez    200 while the loop goes round, whatever Kafka does
/readyz   200 when running and assigned, else 503 and why
"""

Page = Callable[[str], "Answer"]
"""The answer to a request with this Accept header."""

log = logging.getLogger(__name__)


class State(enum.StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"
    FAILED = "failed"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the loop last said of itself, replaced as a whole: readers in other threads need no lock."""

    state: State
    reason: str
    assigned: int
    beat: float


class Health:
    """What the loop says of itself, read by the server's threads. clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float], stale_after_s: float = STALE_AFTER_S) -> None:
        self._clock = clock
        self._stale_after_s = stale_after_s
        self._standing = _Standing(State.STARTING, "not yet in the group", 0, clock())

    @property
    def state(self) -> State:
        return self._standing.state

    def set_state(self, state: State, reason: str = "") -> None:
        """reason: for a person, why it is in this state; never a piece of an event."""
        self._standing = replace(self._standing, state=state, reason=reason)

    def set_assigned(self, partitions: int) -> None:
        self._standing = replace(self._standing, assigned=partitions)

    def beat(self, now: float) -> None:
        """The loop went round at `now`, by the clock given."""
        self._standing = replace(self._standing, beat=now)

    def live(self) -> Answer:
        """Only whether the loop goes round: a restart cannot help against a broker that is away."""
        silent_s = self._clock() - self._standing.beat
        live = silent_s <= self._stale_after_s
        return _json(200 if live else 503, {"live": live, "last_iteration_age_seconds": round(silent_s, 3)})

    def ready(self) -> Answer:
        """Running and assigned. A worker without partitions is a stand-by: not ready, and nothing is wrong."""
        standing = self._standing
        ready = standing.state is State.RUNNING and standing.assigned > 0
        waiting = "no partition assigned: waiting, or more workers than partitions"
        reason = waiting if standing.state is State.RUNNING and not ready else standing.reason
        facts = {"ready": ready, "state": standing.state, "reason": reason, "assigned_partitions": standing.assigned}
        return _json(200 if ready else 503, facts)


def pages(health: Health, exposition: Callable[[str], tuple[bytes, str]]) -> dict[str, Page]:
    """Path -> page. exposition: Accept header -> (body, content type) of /metrics."""
    return {
        "/": lambda _accept: Answer(200, INDEX, TEXT),
        "/metrics": lambda accept: Answer(200, *exposition(accept)),
        "/livez": lambda _accept: health.live(),
        "/readyz": lambda _accept: health.ready(),
    }


class Server:
    """Serves pages in threads of its own until close(). address: host:port, port 0 for any free one."""

    def __init__(
        self, address: str, pages: Mapping[str, Page], clock: Callable[[], float], connection_s: float = CONNECTION_S
    ) -> None:
        """Raises ConfigurationError when the address is not one, is taken, or is not of this machine."""
        try:
            self._http = _HTTP(_split(address), pages, clock, connection_s)
        except OSError as error:
            why = "is in use by another process" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
            raise ConfigurationError([f"STREAM_HTTP_ADDRESS={address} {why}: set another host:port"]) from error
        self._thread = threading.Thread(target=self._http.serve_forever, args=(POLL_S,), name="http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """host:port as bound."""
        host, port = self._http.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _HTTP(ThreadingHTTPServer):
    """http.server with a bound on the connections and on the life of each."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], pages: Mapping[str, Page], clock: Callable[[], float], connection_s: float
    ) -> None:
        self.pages = pages
        self.connection_s = connection_s
        self._clock = clock
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """http.server looks up the host's name here, which can take seconds; nobody needs it."""
        socketserver.TCPServer.server_bind(self)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            room = len(self._open) < MAX_CONNECTIONS
            if room:
                self._open[request] = self._clock()
        return room

    def service_actions(self) -> None:
        """End connections past their life. serve_forever calls this every POLL_S."""
        with self._lock:
            old = [s for s, opened in self._open.items() if self._clock() - opened > self.connection_s]
            for connection in old:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a defect of ours."""
        if isinstance(sys.exception(), OSError):
            log.debug("http client went away")
        else:
            log.exception("http request failed")


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the server's pages; one request a connection (HTTP/1.0)."""

    server: _HTTP
    server_version = "stream"
    sys_version = ""

    def setup(self) -> None:
        self.request.settimeout(self.server.connection_s)
        super().setup()

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def _answer(self, *, with_body: bool) -> None:
        page = self.server.pages.get(urlsplit(self.path).path)
        answer = page(self.headers.get("Accept", "")) if page else Answer(404, b"no such page\n\n" + INDEX, TEXT)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)


def _split(address: str) -> tuple[str, int]:
    """("127.0.0.1", 9464) of "127.0.0.1:9464", ("::1", 9464) of "[::1]:9464"."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(
            [f"STREAM_HTTP_ADDRESS={address} is not host:port, such as 127.0.0.1:9464, or 0.0.0.0:9464 in a container"]
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _json(status: int, facts: Mapping[str, object]) -> Answer:
    return Answer(status, json.dumps(facts).encode() + b"\n")
