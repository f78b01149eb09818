"""Transactions of a command: several records become visible together or not at all, and no offset is committed.

The same producer, rules and late-request guard as the loop's (`sink.py`): after any trouble it is thrown
away, and the next one with the same transactional id first ends what it left open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stream.batch import Record
from stream.errors import ConfigurationError, TransactionError, UnreachableError
from stream.kafka.settings import ClientSettings
from stream.kafka.sink import REFUSED, Sink

MAX_OPENINGS: Final = 5
"""Tries to get a producer before Kafka counts as away."""
BETWEEN_S: Final = 1.0


@dataclass(slots=True)
class TransactionalWriter:
    """Of one thread. open() first, and again after every TransactionError."""

    settings: ClientSettings
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    failpoint: Callable[[str], None] = lambda _name: None
    _sink: Sink | None = None

    def open(self) -> None:
        """Fences any other writer of this transactional id. Raises UnreachableError when Kafka does not let it."""
        self.close()
        for attempt in range(1, MAX_OPENINGS + 1):
            try:
                self._sink = Sink(self.settings, self.clock)
            except TransactionError as error:
                if error.reason == REFUSED:
                    raise ConfigurationError([str(error)]) from error
                if attempt == MAX_OPENINGS:
                    raise UnreachableError(f"cannot begin a transaction: {error}") from error
                self.sleep(BETWEEN_S)
            else:
                return

    def write(self, records: Sequence[Record]) -> None:
        """All records in one transaction. Raises TransactionError when it failed or its outcome is not certain."""
        sink = self._sink
        assert sink is not None, "open() it first"
        sink.begin()
        for index, record in enumerate(records):
            sink.produce(record)
            if index == 0:
                self.failpoint("mid_produce")
        sink.flush()
        self.failpoint("before_commit")
        sink.commit()
        self.failpoint("after_commit")

    def close(self) -> None:
        if self._sink is not None:
            self._sink.discard()
            self._sink = None
