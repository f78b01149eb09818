"""A service for pipelines/enrich.yaml that fails on purpose: python examples/enrichment_service.py [--port 8091]

POST /tickets/<id> with {"subject": ..., "tier": ...} answers {"language": ..., "sentiment": {"score": ...}, ...}.
Which tickets are in trouble follows from their Idempotency-Key, so every run has the same:

    of 100 tickets   4   503 at the first two attempts
                     3   no answer for longer than the stage waits, at the first attempt
                     3   429 with Retry-After: 1, at the first attempt
                     2   the connection is cut, at the first attempt
                     1   500 always: a dead letter after the last attempt
    no subject           422 always: a dead letter at once

An outage, as long as you like:

    curl -X POST http://127.0.0.1:8091/down      everything answers 503: the pipeline pauses and says so
    curl -X POST http://127.0.0.1:8091/up        and goes on by itself
    curl http://127.0.0.1:8091/                  what it did so far

Nothing but the standard library is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

HANG_S = 5.0
NEGATIVE = ("lost", "cannot", "error", "slow", "crash", "broken", "down", "wrong", "fail")
POSITIVE = ("thanks", "great", "request", "question")


class Trouble(NamedTuple):
    """What goes wrong with a ticket: the status, or "hang" and "cut", at the first `attempts` attempts."""

    what: int | str
    attempts: int


ALWAYS = 1_000_000
OF_100 = [
    *[Trouble(503, 2)] * 4,
    *[Trouble("hang", 1)] * 3,
    *[Trouble(429, 1)] * 3,
    *[Trouble("cut", 1)] * 2,
    *[Trouble(500, ALWAYS)] * 1,
]


class Service:
    """What is known of all calls so far; handlers of several threads share it."""

    def __init__(self) -> None:
        self.down = False
        self.answers: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def trouble(self, key: str) -> int | str:
        """What goes wrong this time: 0 for nothing."""
        with self._lock:
            attempt = self._asked[key]
            self._asked[key] += 1
        if self.down:
            return 503
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100
        found = OF_100[number] if number < len(OF_100) else Trouble(0, 0)
        return found.what if attempt < found.attempts else 0

    def count(self, answer: int | str) -> None:
        with self._lock:
            self.answers[str(answer)] += 1


def enriched(ticket: dict[str, Any]) -> dict[str, Any]:
    """What the service finds out of a subject; a real one would have a language model here."""
    words = str(ticket["subject"]).lower().split()
    score = (sum(w in POSITIVE for w in words) - sum(w in NEGATIVE for w in words)) / max(1, len(words))
    tags = sorted({word.strip(".,!?") for word in words if len(word) > 4})
    return {"language": "en", "sentiment": {"score": score}, "tags": tags, "handled_at": time.time()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    service: Service

    def do_GET(self) -> None:
        self._answer(200, {"down": self.service.down, "answers": dict(self.service.answers)})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in ("/down", "/up"):
            self.service.down = self.path == "/down"
            self._answer(200, {"down": self.service.down})
            return
        trouble = self.service.trouble(self.headers.get("Idempotency-Key", ""))
        if trouble:
            self._fail(trouble)
        else:
            self._enrich(json.loads(body))

    def log_message(self, format: str, *args: Any) -> None:
        return

    def _enrich(self, ticket: dict[str, Any]) -> None:
        status = 200 if ticket.get("subject") else 422
        self.service.count(status)
        self._answer(status, enriched(ticket) if status == 200 else {"error": "a ticket needs a subject"})

    def _fail(self, trouble: int | str) -> None:
        self.service.count(trouble)
        if trouble == "hang":
            time.sleep(HANG_S)
        if isinstance(trouble, str):
            self.close_connection = True
            return
        self._answer(trouble, {"error": "on purpose"}, {"Retry-After": "1"} if trouble == 429 else {})

    def _answer(self, status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that did not wait is no news here."""


def serve(port: int) -> Server:
    """The server, bound to 127.0.0.1; port 0 takes any free one."""
    handler = type("ServiceHandler", (Handler,), {"service": Service()})
    return Server(("127.0.0.1", port), handler)


def main() -> None:
    parser = argparse.ArgumentParser(description="The service of pipelines/enrich.yaml, which fails on purpose.")
    parser.add_argument("--port", type=int, default=8091)
    server = serve(parser.parse_args().port)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}/\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
