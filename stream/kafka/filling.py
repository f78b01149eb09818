"""Filling a batch from what the client has queued, in the size and the time that `batching` allows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stream.batch import Messages
from stream.kafka.batching import BatchSize, BatchWait
from stream.kafka.settings import ClientSettings
from stream.kafka.transport import Intake

NAP_S: Final = 0.05
"""How long the client is left alone at most while a batch fills: rebalances are served when it is asked again."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Filler:
    """Fills batches of one source, and watches how long each takes until the next is asked for."""

    settings: ClientSettings
    clock: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    size: BatchSize = field(init=False)
    wait: BatchWait = field(init=False)
    waited_s: float = 0.0
    """Since the last wait for a first event: in it, and in naps. A backlog's waits are no rest, fetching goes on."""
    _mean_bytes: float = 1.0
    _handed_out: tuple[int, float] | None = None
    """(events, when) of the batch that is being processed."""
    _awaited_s: float = 0.0
    """How long it waited since for the commit of the batch before."""

    def __post_init__(self) -> None:
        self.size = BatchSize(self.settings.batch_events, self.settings.number("max.poll.interval.ms") / 1000)
        self.wait = BatchWait(self.settings.batch_wait_s)

    def wait_for_first(self, intake: Intake, wait_s: float) -> None:
        began = self.clock()
        intake.fetch(1, wait_s)
        self.waited_s = self.clock() - began

    def fill(self, intake: Intake) -> None:
        """After the first event. A call that waits is woken by each answer of a broker, so a light load gets naps."""
        until = self.wait.until(self.clock())
        if not self.wait.backlog:
            self._gather(intake, until)
        else:
            while (room := self._room(intake)) > 0 and (left := until - self.clock()) > 0:
                if not intake.fetch(room, left):
                    break
        self.wait.closed(self.clock(), full=self._room(intake) <= 0)

    def handed_out(self, read: Messages) -> None:
        """A batch was filled and goes to be processed."""
        self._mean_bytes = max(1.0, len(read.values) / max(1, len(read)))
        self._handed_out, self._awaited_s = (len(read), self.clock()), 0.0

    def asked_again(self) -> None:
        """The batch is done, and the size of the next ones follows from the time it took."""
        if self._handed_out is None:
            return
        (events, since), self._handed_out = self._handed_out, None
        size, seconds = self.size.size, self.clock() - since
        self.size.took(events, seconds, self._awaited_s)
        if self.size.size < size:
            log.info("a batch of %d events took %.1f s: of at most %d from here on", events, seconds, self.size.size)

    def awaited_commit(self, seconds: float) -> None:
        """The batch in hand could not be sent before the transaction under way had ended."""
        self._awaited_s += seconds

    def interrupted(self) -> None:
        """What the batch waits for now is no time of its own."""
        self._handed_out = None

    def _gather(self, intake: Intake, until: float) -> None:
        while (room := self._room(intake)) > 0:
            intake.fetch(room, 0)
            left = until - self.clock()
            if left <= 0:
                return
            if self._room(intake) > 0:
                self._nap(min(left, NAP_S))

    def _nap(self, seconds: float) -> None:
        began = self.clock()
        self.sleep(seconds)
        self.waited_s += self.clock() - began

    def _room(self, intake: Intake) -> int:
        """How many more events fit, judged by the mean size of the last batch and of this one."""
        events = intake.events
        more = self.size.size - events
        if more <= 0:
            return 0  # the usual end under a backlog: no message is asked for its size
        size = intake.size
        mean = max(self._mean_bytes, size / max(1, events))
        return min(more, int((self.settings.batch_bytes - size) / mean))
