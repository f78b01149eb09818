"""When each event was seen by an independent reader: latency, and how long an interruption lasted.

Every output and dead letter has the timestamp of the event it came from, so a receipt alone gives the
latency, from the producer's clock to the reader's; both are this machine's. Timestamps are whole
milliseconds, rounded down: a latency is at most 1 ms too high.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stream.batch import Int32s, Int64s
from stream.bench.statistics import Floats
from stream.kafka.connection import Connection
from stream.kafka.receiving import Receiver

WAIT_S: Final = 0.1
"""How late the end is seen."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Messages that became visible together: when, and their partitions and timestamps (ms)."""

    at_s: float
    partitions: Int32s
    stamps_ms: Int64s


@dataclass(slots=True)
class Receipts:
    """Reads topics from their present ends in a thread of its own. wall_clock: seconds since the epoch.

    Topics of one pipeline have the same number of partitions, and a key has the same place in each of them:
    partition p of any of them holds what came from partition p of the input.
    """

    connection: Connection
    topics: Sequence[str]
    wall_clock: Callable[[], float] = time.time
    seen: list[Receipt] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Returns when everything produced from now on will be seen."""
        receiver = Receiver(self.connection, self.topics)
        self._thread = threading.Thread(target=self._follow, args=(receiver,), name="receipts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self, receiver: Receiver) -> None:
        try:
            while not self._ended.is_set():
                if (messages := receiver.receive(WAIT_S)) is not None:
                    self.seen.append(Receipt(self.wall_clock(), messages.partition, messages.timestamp))
        except Exception as error:  # told by the thread that started this one
            self.errors.append(error)
        finally:
            receiver.close()


def latencies_s(seen: Sequence[Receipt], start_s: float, end_s: float) -> Floats:
    """Of the events whose timestamps lie from start_s to end_s (seconds since the epoch)."""
    parts = [np.zeros(0)]
    for receipt in seen:
        stamps = receipt.stamps_ms / 1000
        parts.append(receipt.at_s - stamps[(stamps >= start_s) & (stamps < end_s)])
    return np.maximum(np.concatenate(parts), 0.0)


def newest_ms(seen: Sequence[Receipt]) -> dict[int, int]:
    """The latest timestamp of an event seen from each partition."""
    newest: dict[int, int] = {}
    for receipt in seen:
        for partition in np.unique(receipt.partitions).tolist():
            stamp = int(receipt.stamps_ms[receipt.partitions == partition].max())
            newest[partition] = max(newest.get(partition, 0), stamp)
    return newest


def flows_again_s(seen: Sequence[Receipt], moment_s: float) -> dict[int, float]:
    """For each partition, seconds from a moment until an event produced after it was seen."""
    found: dict[int, float] = {}
    for receipt in seen:
        if receipt.at_s < moment_s:
            continue
        for partition in np.unique(receipt.partitions[receipt.stamps_ms > moment_s * 1000]).tolist():
            found.setdefault(partition, receipt.at_s - moment_s)
    return found
