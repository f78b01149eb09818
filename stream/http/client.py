"""One call over HTTP with a kept client: bounded in time and size, with nothing carried over between events.

Redirects are not followed, cookies not kept, compressed answers not asked for (a small one could grow
without bound), certificates always checked. Of exceptions only their kind is told: their texts may hold
the address, and with it a piece of the event.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

from stream.http.verdict import Request, Verdict, of_status, poison, retry_after, transient

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""draft-ietf-httpapi-idempotency-key-header"""
KEEP_ALIVE_S: Final = 20.0
"""How long an unused connection is kept; most servers keep it at least that long."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How the service is called. headers may hold secrets; tls is None for the system's authorities."""

    method: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connections: int = 8
    max_answer_bytes: int = 1_048_576
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class Client:
    """A pool of connections, for one event loop. wall_clock: seconds since the epoch, for Retry-After dates."""

    connection: Connection
    wall_clock: Callable[[], float] = time.time
    transport: Any = None
    """Of httpx2, for tests without a network."""
    _client: Any = None

    async def call(self, request: Request, timeout_s: float) -> Verdict:
        """Never raises for what the network or the service does. timeout_s is for all of it, connecting included."""
        import httpx2

        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(request)
        except (TimeoutError, httpx2.TimeoutException):
            return transient("timeout", f"no answer within {timeout_s:.3g} s")
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            return transient("unreachable", f"no connection to the service{_tls(error)}")
        except (httpx2.NetworkError, httpx2.RemoteProtocolError, OSError) as error:
            return transient("disconnected", f"the connection was lost ({type(error).__name__})", again=True)
        except httpx2.InvalidURL:
            return poison("url_value", "the url cannot be called")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _exchange(self, request: Request) -> Verdict:
        client = self._client = self._client or self._open()
        headers = {IDEMPOTENCY_KEY: request.key}
        method = self.connection.method
        async with client.stream(method, request.url, content=request.content, headers=headers) as response:
            body = await self._body(response)
        if body is None and response.is_success:
            return poison("too_large_answer", f"the answer is larger than {self.connection.max_answer_bytes} bytes")
        wait_s = retry_after(response.headers.get("Retry-After"), self.wall_clock)
        return of_status(response.status_code, body or b"", wait_s)

    async def _body(self, response: Any) -> bytes | None:
        """None for more than may be read; the connection is not used again then."""
        chunks, size = [], 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > self.connection.max_answer_bytes:
                return None
            chunks.append(chunk)
        return b"".join(chunks)

    def _open(self) -> Any:
        import httpx2

        c = self.connection
        limits = httpx2.Limits(
            max_connections=c.connections, max_keepalive_connections=c.connections, keepalive_expiry=KEEP_ALIVE_S
        )
        return httpx2.AsyncClient(
            headers={"Accept": "application/json", **c.headers, "Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            verify=True if c.tls is None else c.tls,
            timeout=None,  # the whole call has one
            limits=limits,
            transport=self.transport,
        )


def _tls(error: BaseException | None) -> str:
    """Why a certificate was refused: of a failed call the one thing that a person cannot guess."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f": its certificate is refused: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return f": TLS failed: {error.reason}"
        error = error.__cause__ or error.__context__
    return ""
