"""A compiled suite: evaluate a batch of events, explain what is checked how."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from stream.batch import Batch
from stream.validation.columns import Columns
from stream.validation.frames import to_frame
from stream.validation.gx import quietly
from stream.validation.gx_checks import BatchCheck, RowCheck, Session
from stream.validation.kernels import Kernel
from stream.validation.suite import Expectation, Severity
from stream.validation.verdict import Misses, Verdict

BATCH_SHARE: Final = 0.05
"""Share of the worker's time that expectations about whole batches may take."""


class Tier(enum.StrEnum):
    """Who decides."""

    COMPILED = "compiled"
    GX = "gx"
    BATCH = "batch"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation of the suite and how it is evaluated; `schema` ones are already decided."""

    expectation: Expectation
    tier: Tier
    why: str
    notes: Sequence[str] = ()
    kernel: Kernel | None = None
    row_check: RowCheck | None = None
    batch_check: BatchCheck | None = None
    reads: Sequence[str] = ()
    """Columns that evaluating it looks at."""

    def lines(self) -> list[str]:
        head = f"{self.expectation.id}: {self.tier}, {self.expectation.severity}: {self.why}"
        return [head, *(f"  note: {note}" for note in self.notes)]


class Plan:
    """The checks of a suite on columns of one schema. For one thread; keeps nothing of events.

    Expectations about whole batches are evaluated on the first batch, and after that as often as BATCH_SHARE
    of the time allows, by `clock` (seconds): the longer they take, the fewer batches they see.
    """

    def __init__(self, suite: str, checks: Sequence[Check], clock: Callable[[], float]) -> None:
        self.suite = suite
        self.checks = tuple(checks)
        self._clock = clock
        self._next_batch_checks = float("-inf")
        of_rows = [check for check in checks if check.kernel or check.row_check]
        self._by_severity = {s: [c for c in of_rows if c.expectation.severity is s] for s in Severity}
        self._batch_checks = [check.batch_check for check in checks if check.batch_check]
        self._row_fields = _distinct(check.row_check.fields for check in of_rows if check.row_check)
        self._batch_fields = _distinct(check.fields for check in self._batch_checks)

    def evaluate(self, batch: Batch) -> Verdict:
        """Raises FatalError when Great Expectations fails at a check: that is never taken for a verdict."""
        columns = Columns(batch)
        session = _session(columns, self._row_fields) if self._row_fields and len(batch) else None
        misses = {severity: self._misses(severity, columns, session) for severity in Severity}
        batch_misses = self._batch_misses(columns) if len(batch) else ()
        return Verdict(misses[Severity.CRITICAL], misses[Severity.WARNING], misses[Severity.INFO], batch_misses)

    def explain(self) -> list[str]:
        """For each expectation its id, tier, severity and why; notes below it say what to look out for."""
        return [line for check in self.checks for line in check.lines()]

    @property
    def reads(self) -> frozenset[str]:
        """Columns, by path, that evaluating a batch looks at."""
        return frozenset(column for check in self.checks for column in check.reads)

    @property
    def critical(self) -> int:
        """How many expectations can set an event aside."""
        return len(self._by_severity[Severity.CRITICAL])

    def _misses(self, severity: Severity, columns: Columns, session: Session | None) -> Misses:
        checks = self._by_severity[severity]
        misses = Misses([check.expectation.id for check in checks], len(columns))
        for index, check in enumerate(checks if len(columns) else ()):
            if check.kernel is not None:
                misses.add(index, check.kernel(columns))
            elif check.row_check is not None and session is not None:
                misses.add(index, check.row_check.misses(session))
        return misses

    def _batch_misses(self, columns: Columns) -> tuple[str, ...]:
        started = self._clock()
        if not self._batch_checks or started < self._next_batch_checks:
            return ()
        session = _session(columns, self._batch_fields)
        missed = tuple(check.expectation.id for check in self._batch_checks if not check.is_met(session))
        ended = self._clock()
        self._next_batch_checks = ended + (ended - started) * (1 / BATCH_SHARE - 1)
        return missed


def _session(columns: Columns, fields: Sequence[pa.Field]) -> Session:
    with quietly():
        return Session(to_frame(columns.__getitem__, len(columns), fields))


def _distinct(groups: Iterable[Sequence[pa.Field]]) -> list[pa.Field]:
    return list({field.name: field for fields in groups for field in fields}.values())
