"""The development registry over HTTP, on this machine only."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from stream.devkafka.registry import Json, RefusedError, Registry

MAX_BODY_BYTES: Final = 4 << 20
CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
Answer = Callable[[Registry, list[str], Json], Any]

ROUTES: Final[list[tuple[str, str, Answer]]] = [
    ("GET", r"/subjects", lambda r, _, __: sorted(r.subjects)),
    ("GET", r"/subjects/([^/]+)/versions", lambda r, p, _: r.versions(p[0])),
    ("POST", r"/subjects/([^/]+)/versions", lambda r, p, body: r.register(p[0], body).answer()),
    ("GET", r"/subjects/([^/]+)/versions/([^/]+)", lambda r, p, _: r.version(p[0], p[1])),
    ("POST", r"/subjects/([^/]+)", lambda r, p, body: r.lookup(p[0], body)),
    ("DELETE", r"/subjects/([^/]+)", lambda r, p, _: r.delete(p[0])),
    ("GET", r"/schemas/types", lambda _, __, ___: ["AVRO"]),
    ("GET", r"/schemas/ids/(\d+)", lambda r, p, _: r.find(lambda e: e.id == int(p[0]))),
    ("GET", r"/schemas/guids/([^/]+)", lambda r, p, _: r.find(lambda e: e.guid == p[0])),
    (
        "POST",
        r"/compatibility/subjects/([^/]+)/versions/([^/]+)",
        lambda r, p, body: r.compatible(p[0], p[1], body),
    ),
    ("GET", r"/config", lambda r, _, __: {"compatibilityLevel": r.level}),
    ("GET", r"/config/([^/]+)", lambda r, p, _: {"compatibilityLevel": r.levels.get(p[0], r.level)}),
    ("PUT", r"/config", lambda r, _, body: r.set_level(None, str(body.get("compatibility")))),
    ("PUT", r"/config/([^/]+)", lambda r, p, body: r.set_level(p[0], str(body.get("compatibility")))),
]


MAX_REQUESTS: Final = 1_000
"""Requests that a server remembers."""


class RegistryServer:
    """Serves a registry on 127.0.0.1 from a thread of its own until it is closed; port 0 takes a free one.

    For tests of failure: while `failing` is a status, every request is answered with it; `delay` is called
    before each answer; `authorization` is the header that requests must have.
    """

    def __init__(self, port: int = 0) -> None:
        self.registry = Registry()
        self.failing: int | None = None
        self.delay: Callable[[], None] = lambda: None
        self.authorization: str | None = None
        self.requests: list[str] = []
        """Method and path of what was asked, the last MAX_REQUESTS."""
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> RegistryServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, method: str, path: str, body: Json, authorization: str | None) -> Any:
        """The JSON that answers a request; raises RefusedError."""
        self.delay()
        if self.failing is not None:
            raise RefusedError(self.failing, self.failing, "failing, as it was told to")
        if self.authorization is not None and authorization != self.authorization:
            raise RefusedError(401, 40101, "Unauthorized")
        for wanted, pattern, answer in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and wanted == method:
                with self._lock:
                    return answer(self.registry, [unquote(part) for part in match.groups()], body)
        raise RefusedError(404, 404, "HTTP 404 Not Found")


def _handler(server: RegistryServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            path = urlsplit(self.path).path
            server.requests = [*server.requests[1 - MAX_REQUESTS :], f"{self.command} {path}"]
            try:
                self.send(200, server.answer(self.command, path, self.body(), self.headers.get("Authorization")))
            except RefusedError as error:
                self.send(error.status, error.body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 (the names that http.server calls)

        def body(self) -> Json:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY_BYTES:
                raise RefusedError(413, 413, "Request too large")
            try:
                parsed = json.loads(self.rfile.read(length) or b"{}")
            except (ValueError, RecursionError):
                raise RefusedError(400, 400, "Request is not JSON") from None
            return parsed if isinstance(parsed, dict) else {}

        def send(self, status: int, answer: Any) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

    return Handler
