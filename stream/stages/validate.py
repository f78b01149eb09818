"""The stage `validate`: events against a Great Expectations suite.

- validate: {suite: suites/departed-flight.json}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from stream.batch import Batch, FailureClass, FailureGroup, Failures, Result
from stream.errors import ConfigurationError
from stream.stages.stage import Project, Stage
from stream.validation import Misses, Plan, Verdict, compile_suite, load_suite

REASON: Final = "expectation"


class Settings(BaseModel):
    """What stands under `validate` in the pipeline file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str = Field(
        min_length=1,
        description="A suite file as Great Expectations writes it. Severity critical sets an event aside, warning "
        "passes and marks it, info only counts.",
        examples=["suites/departed-flight.json"],
    )


@dataclass(slots=True)
class Validate:
    """Sets aside events that miss a critical expectation, marks those that miss a warning."""

    name: str
    schema: pa.Schema
    plan: Plan

    @property
    def reads(self) -> frozenset[str]:
        return self.plan.reads

    def apply(self, batch: Batch) -> Result:
        """Raises FatalError when Great Expectations fails at a check."""
        verdict = self.plan.evaluate(batch)
        missed = verdict.critical.any()
        passed = batch if missed is None else batch.filter(~missed)
        marked = replace(passed, warnings=_marks(batch, verdict)) if verdict.warning.bits is not None else passed
        return Result(marked, self._failures(batch, verdict.critical), self._counts(verdict))

    def _failures(self, batch: Batch, critical: Misses) -> Failures:
        groups = []
        for ids, rows in critical.groups():
            detail = f"{len(ids)} of {self.plan.critical} critical expectations not met"
            facts = {"suite": self.plan.suite, "expectations": ",".join(ids)}
            groups.append(FailureGroup(batch.rows[rows], self.name, FailureClass.POISON, REASON, detail, facts))
        return Failures(groups)

    def _counts(self, verdict: Verdict) -> Counter[tuple[str, str]]:
        """Expectations that passing events do not meet, and those about the batch."""
        missed = verdict.critical.any()
        counts: Counter[tuple[str, str]] = Counter()
        for misses in (verdict.warning, verdict.info):
            for ids, rows in misses.groups(None if missed is None else ~missed):
                counts.update({(self.plan.suite, id): len(rows) for id in ids})
        counts.update((self.plan.suite, id) for id in verdict.batch)
        return counts


def _marks(batch: Batch, verdict: Verdict) -> Mapping[int, tuple[str, ...]]:
    """Message -> ids of warnings, those of earlier stages first; only of events that pass."""
    missed = verdict.critical.any()
    marks = dict(batch.warnings)
    for ids, rows in verdict.warning.groups(None if missed is None else ~missed):
        for row in batch.rows[rows].tolist():
            earlier = marks.get(row, ())
            marks[row] = (*earlier, *(id for id in ids if id not in earlier))
    return marks


def adds(_settings: Settings) -> set[str]:
    return set()


def build(settings: Settings, name: str, schema: pa.Schema, project: Project) -> Stage:
    """Raises ConfigurationError with every mistake of the suite, each at its place in the suite file."""
    try:
        plan = compile_suite(load_suite(project.find(settings.suite)), schema)
    except ConfigurationError as error:
        raise ConfigurationError(problem.under("suite") for problem in error.problems) from None
    return Validate(name, schema, plan)
