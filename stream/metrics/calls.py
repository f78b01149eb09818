"""What an `http` stage tells of its calls as they are made; other numbers wait for the commit of their batch."""

from __future__ import annotations

from dataclasses import dataclass

from stream.metrics import table
from stream.metrics.ledger import Ledger


@dataclass(slots=True)
class StageCalls:
    """The Watcher (`stream.http.calls`) of one stage."""

    stage: str
    _ledger: Ledger
    _in_flight: int = 0

    def __post_init__(self) -> None:
        for outcome in table.CALL_OUTCOMES:
            self._ledger.add(table.CALLS, 0, self.stage, outcome)
        self._ledger.set(table.CALLS_IN_FLIGHT, 0, self.stage)
        self.breaker(is_open=False)

    def began(self) -> None:
        self._in_flight += 1
        self._ledger.set(table.CALLS_IN_FLIGHT, self._in_flight, self.stage)

    def ended(self, outcome: str, seconds: float) -> None:
        self._in_flight -= 1
        with self._ledger.series.together():
            self._ledger.set(table.CALLS_IN_FLIGHT, self._in_flight, self.stage)
            self._ledger.add(table.CALLS, 1, self.stage, outcome)
            self._ledger.observe(table.CALL_SECONDS, seconds, self.stage)

    def breaker(self, *, is_open: bool) -> None:
        self._ledger.set(table.BREAKER, float(is_open), self.stage)
