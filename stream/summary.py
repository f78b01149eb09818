"""What one run of a worker did, added up over its committed batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from stream.batch import Outcome, StageReport, grouped


@dataclass(slots=True)
class Summary:
    """What one run did. wall_s and cpu_s (of the whole process) are from the first batch polled to the last commit."""

    events: int = 0
    outputs: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    filtered: int = 0
    retried: int = 0
    batches: int = 0
    recoveries: int = 0
    first_poll_s: float | None = None
    last_commit_s: float = 0.0
    first_poll_cpu_s: float = 0.0
    last_commit_cpu_s: float = 0.0
    transaction_s: float = 0.0
    stages: dict[str, StageReport] = field(default_factory=dict)
    """The reports of all batches added up, by stage."""

    @property
    def cpu_s(self) -> float:
        return max(0.0, self.last_commit_cpu_s - self.first_poll_cpu_s)

    @property
    def wall_s(self) -> float:
        return 0.0 if self.first_poll_s is None else max(0.0, self.last_commit_s - self.first_poll_s)

    def began(self, now_s: float, cpu_s: float) -> None:
        """A batch was polled; only the first one matters."""
        if self.first_poll_s is None:
            self.first_poll_s, self.first_poll_cpu_s = now_s, cpu_s

    def add(self, outcome: Outcome, retried: frozenset[int], transaction_s: float, now_s: float, cpu_s: float) -> None:
        self.events += len(outcome.messages)
        self.batches += 1
        self.filtered += outcome.filtered
        self.outputs.update({rows.topic: len(rows) for rows in outcome.outputs})
        _, dead = grouped(outcome.failures).split(retried)
        self.dead_letters += dead.count(lambda group: group.reason)
        self.retried += len(retried)
        self.transaction_s += transaction_s
        self.last_commit_s, self.last_commit_cpu_s = now_s, cpu_s
        for report in outcome.reports:
            sofar = self.stages.get(report.stage, StageReport(report.stage, 0.0, 0, 0))
            self.stages[report.stage] = sofar.plus(report)
