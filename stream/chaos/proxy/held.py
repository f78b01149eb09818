"""A request that is kept back, seen from the thread that decides about it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from stream.chaos.proxy.frames import Request

LONGEST_HOLD_S: Final = 600.0
"""A request that nobody released by then is dropped: no test waits that long, and nothing is kept for ever."""


class Held:
    """The one request that a hold takes.

    wait(), release(), drop() and answer() belong to the controlling thread, the rest to the proxy's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, what: str) -> None:
        self._loop = loop
        self._what = what
        self._gate = asyncio.Event()
        self._arrived: Future[Request] = Future()
        self._answer: Future[bytes] = Future()
        self._dropped = False

    # The controlling thread

    @property
    def arrived(self) -> bool:
        return self._arrived.done()

    @property
    def over(self) -> bool:
        """Dropped, answered, or lost with its connection."""
        return self._dropped or self._answer.done()

    def wait(self, timeout_s: float) -> Request:
        """The request, once it has arrived. Raises TimeoutError when none came."""
        try:
            return self._arrived.result(timeout_s)
        except FutureTimeoutError:
            raise TimeoutError(f"no {self._what} came within {timeout_s:g} s") from None

    def release(self) -> None:
        """Let it go to the broker, on the connection it came on, though its client may be gone from there.

        Called before it has arrived, it will pass without a stop.
        """
        self._loop.call_soon_threadsafe(self._gate.set)

    def drop(self) -> None:
        """It never reaches the broker, and the client never hears of it."""

        def never() -> None:
            self._dropped = True
            self._gate.set()

        self._loop.call_soon_threadsafe(never)

    def answer(self, timeout_s: float) -> bytes:
        """The broker's answer after its correlation id, once it was released.

        Raises TimeoutError when none came, ConnectionError when the way to the broker ended before it did.
        """
        try:
            return self._answer.result(timeout_s)
        except FutureTimeoutError:
            raise TimeoutError(f"no answer to the held {self._what} within {timeout_s:g} s") from None

    # The proxy's

    def took(self, request: Request) -> None:
        self._arrived.set_result(request)

    async def let_go(self) -> bool:
        """Whether it is to be forwarded, once that was decided; no decision in LONGEST_HOLD_S drops it."""
        try:
            await asyncio.wait_for(self._gate.wait(), LONGEST_HOLD_S)
        except TimeoutError:
            self._dropped = True
        return not self._dropped

    def answered(self, answer: bytes) -> None:
        if not self._answer.done():
            self._answer.set_result(answer[4:])

    def lost(self, why: str) -> None:
        """The connection it would have gone on, or was answered on, is no more."""
        if not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the held {self._what} was not answered: {why}"))
