"""The straight line: decode, stages, route, encode. No I/O and no Kafka in here.

Every message of a poll ends in exactly one place: an output, a failure, or filtered. `build`
(in `stream.assembly`) makes a Pipeline from a checked configuration.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.arrow import booleans
from stream.avro.codec import Encoded
from stream.batch import (
    Batch,
    Failure,
    FailureClass,
    FailureGroup,
    Failures,
    Messages,
    Outcome,
    Result,
    Rows,
    StageReport,
    failures_of,
    grouped,
)
from stream.errors import EventError, TransientError
from stream.stages.stage import Stage

ROUTE = "route"
ENCODE = "encode"
DECODE = "decode"


class Reader(Protocol):
    def read(self, messages: Messages) -> Result: ...


class Writer(Protocol):
    @property
    def reads(self) -> frozenset[str]: ...
    def register(self) -> None: ...
    def write(self, batch: Batch) -> Encoded: ...


class Condition(Protocol):
    @property
    def columns(self) -> tuple[str, ...]: ...
    def evaluate(self, batch: Batch) -> pa.Array: ...


@dataclass(frozen=True, slots=True)
class Output:
    """Where an event goes that meets `when`; without one, every event that is left."""

    topic: str
    writer: Writer
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One configured line. max_event_bytes bounds key + value + headers of an output message."""

    name: str
    reader: Reader
    stages: Sequence[Stage]
    outputs: Sequence[Output]
    max_event_bytes: int = 1_000_000
    clock: Callable[[], float] = time.perf_counter

    def process(self, messages: Messages) -> Outcome:
        """Account for every message; raises SystemicError when no event can pass now."""
        run = _Run(self.clock)
        batch = run.step(DECODE, len(messages), lambda: self.reader.read(messages))
        for stage in self.stages:
            batch = run.apply(stage, batch)
        outputs = []
        for output in self.outputs:
            chosen, batch = run.route(output, batch)
            outputs.append(run.encode(output, chosen, self.max_event_bytes))
        return Outcome(
            messages=messages,
            outputs=[rows for rows in outputs if len(rows)],
            failures=Failures(run.failures),
            filtered=len(batch),
            warnings=run.warnings,
            warning_counts=run.warning_counts,
            reports=run.reports,
            scores=run.scores,
        )

    def hurry(self) -> None:
        """Stages that wait for others leave the rest of their batch untried; for a signal handler."""
        for stage in self.stages:
            if hasattr(stage, "hurry"):
                stage.hurry()

    def close(self) -> None:
        """End the connections that stages hold."""
        for stage in self.stages:
            if hasattr(stage, "close"):
                stage.close()


@dataclass(slots=True)
class _Run:
    """What is noted while one batch goes down the line."""

    clock: Callable[[], float]
    failures: list[FailureGroup] = field(default_factory=list)
    warnings: dict[int, tuple[str, ...]] = field(default_factory=dict)
    warning_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reports: list[StageReport] = field(default_factory=list)
    scores: dict[tuple[str, str], npt.NDArray[np.float64]] = field(default_factory=dict)

    def step(self, name: str, events: int, work: Callable[[], Result]) -> Batch:
        """Run one step; it must answer for every event it was given."""
        started = self.clock()
        result = work()
        passed, failed = len(result.batch), len(result.failures)
        if passed + failed != events:  # no assert: `python -O` would lose events without a word
            raise AssertionError(f"stage {name}: {events} events in, {passed} passed, {failed} set aside")
        self.failures += grouped(result.failures).groups
        self.warnings.update(result.batch.warnings)
        self.warning_counts += result.warnings
        self.scores.update({(name, column): values for column, values in result.scores.items()})
        self.reports.append(StageReport(name, self.clock() - started, passed, failed))
        return result.batch

    def apply(self, stage: Stage, batch: Batch) -> Batch:
        return self.step(stage.name, len(batch), lambda: apply(stage.name, stage.apply, batch)) if len(batch) else batch

    def route(self, output: Output, batch: Batch) -> tuple[Batch, Batch]:
        """(the events this output takes, those left for the next one)."""
        condition = output.when
        if condition is None or not len(batch):
            return batch, batch.slice(0, 0)
        masks: list[npt.NDArray[np.bool_]] = []  # of the parts that could be judged, in order

        def choose(part: Batch) -> Result:
            masks.append(booleans(condition.evaluate(part)))
            return Result(part)

        judged = self.step(ROUTE, len(batch), lambda: apply(ROUTE, choose, batch))
        mask = np.concatenate([*masks, np.zeros(0, bool)])
        return judged.filter(mask), judged.filter(~mask)

    def encode(self, output: Output, batch: Batch, max_event_bytes: int) -> Rows:
        if not len(batch):
            return Rows(output.topic, batch.rows, b"", np.zeros(1, np.int64))
        written: list[Rows] = []

        def write(part: Batch) -> Result:
            encoded = output.writer.write(part)
            rows = part.rows[encoded.rows]
            fits = _sizes(part.messages, rows, encoded.offsets) <= max_event_bytes
            failures = [
                Failure(int(part.rows[r.row]), ENCODE, FailureClass.POISON, r.reason, r.detail)
                for r in encoded.rejected
            ] + failures_of(rows[~fits], ENCODE, "too_large", f"the output is larger than {max_event_bytes} bytes")
            written.append(_select(output.topic, encoded, rows, fits))
            kept = written[-1].rows
            return Result(part if len(kept) == len(part) else part.filter(np.isin(part.rows, kept)), failures)

        self.step(ENCODE, len(batch), lambda: write(batch))
        return written[0]


def apply(name: str, work: Callable[[Batch], Result], batch: Batch) -> Result:
    """Run a stage; when it raises for an event it cannot name, halve the batch until it is found."""
    try:
        return work(batch)
    except EventError as error:
        if len(batch) == 1:
            kind = FailureClass.TRANSIENT if isinstance(error, TransientError) else FailureClass.POISON
            failure = Failure(int(batch.rows[0]), name, kind, error.reason, error.detail)
            return Result(batch.slice(0, 0), [failure])
    half = len(batch) // 2
    return _join(apply(name, work, batch.slice(0, half)), apply(name, work, batch.slice(half, len(batch))))


def _join(first: Result, second: Result) -> Result:
    """Two results as one; a half of which nothing is left may still have the columns from before the stage."""
    failures = [*first.failures, *second.failures]
    warnings = first.warnings + second.warnings
    scores = {**second.scores, **first.scores}  # a sample: that of one half will do
    left = [r.batch for r in (first, second) if len(r.batch)]
    if len(left) < 2:
        return Result(left[0] if left else first.batch, failures, warnings, scores)
    a, b = left
    columns = pa.concat_batches([a.columns, b.columns])
    marks: Mapping[int, tuple[str, ...]] = {**a.warnings, **b.warnings}
    return Result(Batch(a.messages, np.concatenate([a.rows, b.rows]), columns, marks), failures, warnings, scores)


def _sizes(messages: Messages, rows: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bytes of each output message: value, key and the headers that go with it."""
    keys = messages.key_offsets[rows + 1] - messages.key_offsets[rows]
    sizes: npt.NDArray[np.int64] = np.diff(offsets) + keys
    if messages.headers is None:
        return sizes
    headers = (sum(len(name) + len(value or b"") for name, value in messages.headers_of(row)) for row in rows.tolist())
    return sizes + np.fromiter(headers, np.int64, len(rows))


def _select(topic: str, encoded: Encoded, rows: npt.NDArray[np.int64], keep: npt.NDArray[np.bool_]) -> Rows:
    if keep.all():
        return Rows(topic, rows, encoded.values, encoded.offsets)
    view, offsets = memoryview(encoded.values), encoded.offsets
    parts = [view[offsets[i] : offsets[i + 1]] for i in np.flatnonzero(keep)]
    kept = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(p) for p in parts], out=kept[1:])
    return Rows(topic, rows[keep], b"".join(parts), kept)
