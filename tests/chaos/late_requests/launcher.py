"""`stream` with its late-request guard as it is, or with a part of it switched off: `launcher.py MODE run ...`.

    guarded    as it is
    time       only the time signal
    log        only the log signal
    info       both, but the log only as far as the client shows it by itself
    off        no signal: a call that returned is believed
    aborting   the guard as it is, in a loop that aborts a failed batch and goes on with the same producer
    naive      the same loop without the guard: what most applications do

The loops of the last two are not the product's, which never aborts; Kafka's own guide and most applications do.
LATE_REQUEST_TRIGGER names a file: while it is there, the next batch fails once, after its outputs were written.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream.cli import main
from stream.errors import TransactionError
from stream.kafka.guard import LateRequestGuard
from stream.kafka.session import Session
from stream.kafka.settings import ClientSettings
from stream.kafka.sink import Sink

ABORT_S = 10.0


class Silence:
    """A client log without a line."""

    lines = 0
    last = ""


def without(*signals: str) -> None:
    """Guards made from now on do not have these signals."""
    make = LateRequestGuard.__init__

    def init(self: LateRequestGuard, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        if "log" in signals:
            self.log = Silence()
        if "time" in signals:
            self.slow_call_s = math.inf

    LateRequestGuard.__init__ = init  # type: ignore[method-assign]


def showing_only_what_the_client_shows() -> None:
    """Of identical disconnects the third within 30 s is not logged then."""
    product = ClientSettings.producer
    ClientSettings.producer = lambda self: {k: v for k, v in product(self).items() if k != "debug"}  # type: ignore[method-assign]


def aborting(failed_by_itself: Callable[[], bool]) -> None:
    """A failed batch is aborted and its producer used again, if it failed by itself; else the product's road."""
    product = Session.recover

    def recover(self: Session) -> dict[tuple[str, int], int]:
        if self._sink is None or not failed_by_itself():
            return product(self)
        self.source.require_alive()
        abort = self._sink._outlet._producer.abort_transaction  # type: ignore[attr-defined]
        try:
            self._sink._guard.call("abort", abort, ABORT_S)
        except TransactionError:
            return product(self)
        return self.source.rewind()

    Session.recover = recover  # type: ignore[method-assign]


def failing_when_told(file: Path) -> Callable[[], bool]:
    """Gives a function that says, once, whether a batch was told to fail."""
    product = Sink.send_offsets
    failed: list[bool] = []

    def send_offsets(self: Sink, *arguments: Any) -> None:
        if file.exists():
            file.unlink()
            failed.append(True)
            raise TransactionError("told to fail")
        product(self, *arguments)

    Sink.send_offsets = send_offsets  # type: ignore[method-assign]
    return lambda: bool(failed and failed.pop())


def prepare(mode: str, trigger: Path) -> None:
    told = failing_when_told(trigger)
    if mode == "naive":
        without("log", "time")
        aborting(lambda: True)
    elif mode == "aborting":
        aborting(told)
    elif mode == "info":
        showing_only_what_the_client_shows()
    else:
        without(*{"guarded": (), "time": ("log",), "log": ("time",), "off": ("log", "time")}[mode])


if __name__ == "__main__":
    prepare(sys.argv.pop(1), Path(os.environ.pop("LATE_REQUEST_TRIGGER")))
    main()
