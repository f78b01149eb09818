"""A thread that runs one transaction at a time, so that the next batch can be processed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field


@dataclass(slots=True)
class Committer:
    """begin() and finish() belong to one thread; await_end() may be called by a rebalance callback there."""

    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "commit"))
    _running: Future[float] | None = None

    def begin(self, transaction: Callable[[], float]) -> None:
        """Start a transaction, which answers with its seconds; the one before must have been finished."""
        assert self._running is None, "one transaction at a time"
        self._running = self._threads.submit(transaction)

    def finish(self) -> float | None:
        """Wait for the transaction under way; its seconds, or None when there is none. Raises what it raised."""
        if self._running is None:
            return None
        running, self._running = self._running, None
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
        """What is under way is not waited for: the process is about to end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
