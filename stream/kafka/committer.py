"""A thread that runs one transaction at a time, so that the next batch can be processed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from stream.errors import FatalError, TransactionError

MAX_ABANDONED: Final = 3
"""Transactions whose calls do not return; each keeps its thread and its producer."""


Order = tuple[Callable[[], float], Future[float]]


@dataclass(slots=True)
class Committer:
    """begin() and finish() belong to one thread; await_end() may be called by a rebalance callback there."""

    _running: Future[float] | None = None
    _orders: SimpleQueue[Order | None] | None = None
    """What the thread waits for; None ends it."""
    _abandoned: list[Future[float]] = field(default_factory=list)

    def begin(self, transaction: Callable[[], float]) -> None:
        """Start a transaction, which answers with its seconds; the one before must have been finished."""
        assert self._running is None, "one transaction at a time"
        self._running = running = Future[float]()
        if self._orders is None:
            self._orders = orders = SimpleQueue[Order | None]()
            # a daemon: the process may end while a call of the client hangs
            threading.Thread(target=_serve, args=(orders,), name="commit", daemon=True).start()
        self._orders.put((transaction, running))

    def finish(self, timeout_s: float | None = None) -> float | None:
        """Wait for the transaction under way; its seconds, or None when there is none. Raises what it raised.

        After timeout_s it is abandoned: its call may return whenever it likes, to nobody. That is safe only
        because the next producer of the same transactional id ends what it left, and fences it. Raises
        TransactionError then, and FatalError for one too many.
        """
        if self._running is None:
            return None
        running, self._running = self._running, None
        if not wait([running], timeout_s).done:
            raise self._abandon(running, timeout_s or 0.0)
        return running.result()

    def await_end(self, timeout_s: float) -> bool:
        """Whether no transaction is under way after at most timeout_s, or one that ended well.

        finish() still tells how it ended.
        """
        if self._running is None:
            return True
        wait([self._running], timeout_s)
        return self._running.done() and self._running.exception() is None

    def close(self) -> None:
        """Let the thread end, once it has nothing to do; begin() would start another."""
        if self._orders is not None:
            self._orders.put(None)
            self._orders = None

    def _abandon(self, running: Future[float], seconds: float) -> Exception:
        self.close()
        self._abandoned = [*(f for f in self._abandoned if not f.done()), running]
        text = f"a transaction did not end within {seconds:.0f} s, the client ignores its own timeouts"
        if len(self._abandoned) > MAX_ABANDONED:
            return FatalError(f"{text}: {len(self._abandoned)} of them hang")
        return TransactionError(f"{text}: going on with a new producer")


def _serve(orders: SimpleQueue[Order | None]) -> None:
    while (order := orders.get()) is not None:
        transaction, answer = order
        try:
            answer.set_result(transaction())
        except BaseException as error:  # whatever it is, the thread that waits raises it
            answer.set_exception(error)
        del order, transaction, answer  # a batch of memory, until the next one comes
