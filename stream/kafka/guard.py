"""The late-request guard: notices when a transactional request may have been sent twice (R1).

librdkafka has no client side of KIP-890: a resent TxnOffsetCommit or EndTxn that reaches the broker late
can end, or rewind the offsets of, the *next* transaction of the same producer epoch, and the broker
accepts it (the KAFKA-17754 shape). The call that was resent may even return OK. Two signals show that a
request may still be on its way; either one means: throw the producer away and start a new epoch.

* The client's log had a line about a broken connection or a request timeout since the transaction began. Lines at
  info level do not do: librdkafka keeps the third identical one within 30 s to itself. So the producer is made with
  debug=broker, which leaves none out.
* The call took longer than a threshold below reconnect.backoff.ms. Alone it is not enough: the backoff counts from when
  the lost connection was made, so the client makes one that was older anew, and sends again, at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from stream.errors import TransactionError

LATE: Final = "late_request"
FENCED: Final = "fenced"
TROUBLE: Final = ("FAIL", "REQTMOUT", "Disconnected", "disconnected", "Connection reset", "timed out")


class Trouble(Protocol):
    """Lines of a client's log that tell of a broken connection or a request timeout: how many, and the last."""

    @property
    def lines(self) -> int: ...
    @property
    def last(self) -> str: ...


@dataclass(slots=True)
class TroubleLog:
    """A client's `logger`: counts the lines that tell of a broken connection or a request timeout.

    It is given all lines, down to debug, and hands on those that `forward` is set to take. The client calls nothing but
    log(); a logging.Logger in its place takes ten times as long for a line, and each transaction has five of them.
    """

    forward: logging.Logger | None = None
    lines: int = 0
    last: str = ""

    def log(self, level: int, form: str, *values: object) -> None:
        text = form % values if values else form
        if any(sign in text for sign in TROUBLE):
            self.lines += 1
            self.last = text
        if self.forward is not None and self.forward.isEnabledFor(level):
            self.forward.log(level, "%s", text)


@dataclass(slots=True)
class LateRequestGuard:
    """Runs the calls of one producer. serve_log makes the client hand over its pending log lines.

    The lines are queued before the resend, so serving them right after a call cannot miss one.
    """

    log: Trouble
    serve_log: Callable[[], object]
    clock: Callable[[], float]
    slow_call_s: float
    _lines_at_begin: int = field(default=0)

    def begin(self) -> None:
        """A transaction begins: trouble from before it, on idle connections, is harmless."""
        self.serve_log()
        self._lines_at_begin = self.log.lines

    def call(self, name: str, request: Callable[..., Any], *arguments: Any) -> None:
        """Run one request; raises TransactionError when it raised or may have been sent twice."""
        started = self.clock()
        try:
            request(*arguments)
        except Exception as error:
            raise failed(name, error) from error
        seconds = self.clock() - started
        self.serve_log()
        if seconds > self.slow_call_s:
            text = f"{name} took {seconds:.3f} s, over {self.slow_call_s:.3f} s: the request may have been sent twice"
            raise TransactionError(text, LATE)
        if self.log.lines != self._lines_at_begin:
            raise TransactionError(f"{name}: connection trouble inside the transaction: {self.log.last}", LATE)


def failed(name: str, error: Exception) -> TransactionError:
    """A call's exception as a failed attempt. A fence also shows as a fatal error of a call made later.

    With it set already, the client's own log lines make CPython wrap it in a SystemError, whose cause it is.
    """
    told = f"{name} {error} {error.__cause__ or ''} {error.__context__ or ''}"
    fenced = any(sign in told for sign in ("_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"))
    return TransactionError(f"{name}: {error}", FENCED if fenced else "transaction")
