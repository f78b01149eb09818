"""The stage `http`: call a service for each event, or for groups of events; what it answers becomes columns.

- http:
    url: https://scorer.example.com/customers/{customer_id}/score
    headers: {Authorization: "Bearer ${env:SCORER_TOKEN}"}
    body: [amount, country]
    response: {score: double, label: {field: result.label, type: string}}
    retry: {delays: [10s, 1m, 10m]}

What a failed call means is in `stream.http.verdict`; docs/http-stage.md has it for users.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from stream.batch import Batch, Failure, FailureClass, Result
from stream.errors import ConfigurationError
from stream.http.answers import Field, shown
from stream.http.breaker import Breaker
from stream.http.calls import Caller, Limits, Watcher
from stream.http.client import Client
from stream.http.pace import Pace
from stream.http.plan import Plan
from stream.http.verdict import Kind, Verdict, poison
from stream.stages.http_checks import Checks
from stream.stages.http_settings import Settings
from stream.stages.stage import Project, Stage
from stream.units import format_duration, format_rate

__all__ = ["Http", "Settings", "build"]

CLASSES: Final = {
    Kind.POISON: FailureClass.POISON,
    Kind.TRANSIENT: FailureClass.TRANSIENT,
    Kind.UNTRIED: FailureClass.UNTRIED,
}
T = TypeVar("T")


@dataclass(slots=True, repr=False)
class Http:
    """Passes on the events that the service answered, with the columns of its answers.

    budget_s: the longest time for one batch. For one thread; close() ends the connections.
    """

    name: str
    schema: pa.Schema
    budget_s: float
    _settings: Settings
    _plan: Plan
    _caller: Caller
    _client: Client
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def reads(self) -> frozenset[str]:
        return self._plan.reads

    def apply(self, batch: Batch) -> Result:
        """Raises SystemicError("service") when the service is down or does not take the stage's credentials."""
        calls = self._plan.calls(batch)
        groups = calls.groups()
        verdicts = self._wait_for(self._caller.run(groups, calls)) if groups else {}
        failures = [self._failure(batch, row, poison(e.reason, e.detail)) for row, e in calls.refused.items()]
        values: dict[int, list[Any]] = {}
        for row, verdict in verdicts.items():
            read = self._plan.read(verdict)
            if isinstance(read, Verdict):
                failures.append(self._failure(batch, row, read))
            else:
                values[row] = read
        return Result(self._answered(batch, values), sorted(failures, key=lambda f: f.row))

    @property
    def summary(self) -> str:
        """In one line, without what references stand for."""
        return f"{self._settings.method} {self._settings.url}"

    def watched(self, watcher: Watcher) -> None:
        """Tell it of each call from now on."""
        self._caller.watcher = watcher

    def hurry(self) -> None:
        """Make no further call: what is left of the batch counts as untried."""
        self._caller.hurried = True

    def close(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.run_until_complete(self._client.close())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def explain(self) -> list[str]:
        """How the service is called, what is sent and what is read."""
        return [*_how(self._settings), *_what(self._settings), *map(_read, self._plan.fields)]

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """The loop lives as long as the stage, since the connections are of it; it turns only in here."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(work)

    def _failure(self, batch: Batch, row: int, verdict: Verdict) -> Failure:
        return Failure(int(batch.rows[row]), self.name, CLASSES[verdict.kind], verdict.reason, verdict.detail)

    def _answered(self, batch: Batch, values: Mapping[int, Sequence[Any]]) -> Batch:
        keep = np.zeros(len(batch), np.bool_)
        keep[list(values)] = True
        columns = (
            zip(*(values[row] for row in sorted(values)), strict=True) if values else ([] for _ in self._plan.fields)
        )
        arrays = zip(self._plan.fields, columns, strict=False)
        return batch.filter(keep).with_columns({f.column: pa.array(list(c), f.type) for f, c in arrays})


def adds(settings: Settings) -> set[str]:
    return set(settings.response)


def build(settings: Settings, name: str, schema: pa.Schema, project: Project) -> Stage:
    """Check everything that can be checked without a call. Raises ConfigurationError with all mistakes."""
    checks = Checks(settings, name, schema, project)
    plan, connection = checks.plan(), checks.connection()
    if plan is None or connection is None or checks.problems:
        raise ConfigurationError(checks.problems)
    client = Client(connection)
    limits = Limits(settings.timeout_s, settings.budget_s, settings.concurrency, settings.retry_after_s)
    pace = Pace(1 / settings.rate if settings.rate else 0.0)
    caller = Caller(f"stage {name}, service {plan.url.host}", client, Breaker(settings.breaker), pace, limits)
    for found in plan.fields:
        schema = schema.append(pa.field(found.column, found.type, nullable=found.optional))
    return Http(name, schema, settings.budget_s, settings, plan, caller, client)


def _how(s: Settings) -> list[str]:
    group = "a call for each event" if s.per == "event" else f"a call for up to {s.group_size} events"
    rate = f", at most {format_rate(s.rate)}" if s.rate else ""
    times = f"{format_duration(s.timeout_s)} for a call, {format_duration(s.budget_s)} for a batch"
    return [f"{s.method} {s.url}: {group}", f"{s.concurrency} at a time{rate}; {times}", _breaker(s)]


def _breaker(s: Settings) -> str:
    return f"{s.breaker} failed calls in a row: the service is down, the pipeline pauses and commits nothing"


def _what(s: Settings) -> list[str]:
    if s.body is None:
        return ["sends no body"]
    return ["sends " + (", ".join(s.body) if isinstance(s.body, list) else f"JSON with {', '.join(s.body)}")]


def _read(found: Field) -> str:
    return f"{found.column}: {found.type} from {shown(found.path)}" + (" or null" if found.optional else "")
