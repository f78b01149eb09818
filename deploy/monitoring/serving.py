"""The boards as a page of this machine: the same JSON that Grafana gets, drawn from the same Prometheus.

GET only, on 127.0.0.1 only. What is passed on to Prometheus are the questions that panels and variables ask.
"""

from __future__ import annotations

import html
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.monitoring import grafana
from deploy.monitoring.boards import BOARDS

PAGE: Final = Path(__file__).with_name("page")
RUNBOOK: Final = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
REQUEST_S: Final = 30.0
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_ASKED: Final = re.compile(r"/api/v1/(query|query_range|label/\w+/values)")


@dataclass(slots=True)
class BoardServer:
    """Serves until close(). prometheus: host:port; scrape_s: seconds between scrapes; port 0 takes any free one."""

    prometheus: str
    scrape_s: float
    port: int = 0
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        answer = self._answer

        class Handler(_Handler):
            found = staticmethod(answer)

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="boards", daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, target: str) -> tuple[int, str, bytes]:
        """(status, content type, body)"""
        path = urlsplit(target).path
        if _ASKED.fullmatch(path):
            return self._ask(target)
        if path == "/boards.json":
            return _json([grafana.dashboard(board, BOARDS) for board in BOARDS])
        if path == "/settings.json":
            return _json({"scrape_s": self.scrape_s})
        if path == "/runbook":
            return 200, "text/html", runbook_page(RUNBOOK.read_text("utf-8")).encode()
        if path == "/" or re.fullmatch(r"/d/[\w-]+", path):
            return 200, "text/html", (PAGE / "index.html").read_bytes()
        return _file(path)

    def _ask(self, target: str) -> tuple[int, str, bytes]:
        try:
            with urllib.request.urlopen(f"http://{self.prometheus}{target}", timeout=REQUEST_S) as answer:
                return 200, "application/json", answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, "application/json", error.read()
        except OSError as error:
            body = {"status": "error", "error": f"Prometheus at {self.prometheus} does not answer: {error}"}
            return 502, "application/json", json.dumps(body).encode()


def runbook_page(text: str) -> str:
    """The runbook with a place to go to for each alert; the rest as it is written."""
    body = re.sub(r"^## (\w+)$", lambda m: f'<h2 id="{m[1].lower()}">{m[1]}</h2>', html.escape(text), flags=re.M)
    style = '<link rel="stylesheet" href="/page/boards.css">'
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Runbook</title>{style}'
        f'<main><a href="/">boards</a><article>{body}</article></main></html>'
    )


def _file(path: str) -> tuple[int, str, bytes]:
    there: Mapping[str, Path] = {
        f"/page/{file.relative_to(PAGE).as_posix()}": file for file in PAGE.rglob("*") if file.suffix in _TYPES
    }
    if path not in there:
        return 404, "text/plain", b"no such page\n"
    return 200, _TYPES[there[path].suffix], there[path].read_bytes()


def _json(content: Any) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(content).encode()


class _Handler(BaseHTTPRequestHandler):
    found: Any

    def do_GET(self) -> None:
        status, content_type, body = self.found(self.path)
        self.send_response(status)
        self.send_header("Content-Type", f"{content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests of one's own browser are no news."""
