"""The nouns that travel down the line: Messages, Batch, Failure, Result, Rows, Outcome.

Messages are bytes as Kafka gave them (`stream.messages`). A Batch is the decoded events as Arrow columns.
Whatever leaves the line is a Failure; what stays to the end becomes Rows. Nothing here knows Kafka.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.arrow import of_booleans, of_bytes, of_numbers, of_texts
from stream.failure import Failure, FailureClass, FailureGroup, FailureList, Failures, failures_of, grouped
from stream.messages import NULL_KEY, NULL_VALUE, Bytes, Header, Int32s, Int64s, Messages, Origin, pack

__all__ = [
    "ANY_PARTITION",
    "META_SCHEMA",
    "NULL_KEY",
    "NULL_VALUE",
    "Batch",
    "Bytes",
    "Failure",
    "FailureClass",
    "FailureGroup",
    "FailureList",
    "Failures",
    "Header",
    "Int32s",
    "Int64s",
    "Messages",
    "Origin",
    "Outcome",
    "Record",
    "Result",
    "Rows",
    "StageReport",
    "failures_of",
    "grouped",
    "pack",
    "resolve",
]

ANY_PARTITION: Final = -1
"""The partitioner chooses, by key."""

META_SCHEMA: Final = pa.schema(
    [
        pa.field("_topic", pa.string(), nullable=False),
        pa.field("_partition", pa.int32(), nullable=False),
        pa.field("_offset", pa.int64(), nullable=False),
        pa.field("_timestamp", pa.timestamp("ms", "UTC")),
        pa.field("_key", pa.binary()),
    ]
)
"""Columns that every stage and output may use beside those of the event."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded events as columns; rows[i] is the message index of row i, strictly rising.

    warnings: message index -> ids of the warning expectations that the event did not meet.
    """

    messages: Messages
    rows: Int64s
    columns: pa.RecordBatch
    warnings: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __post_init__(self) -> None:
        assert len(self.rows) == self.columns.num_rows, "every row has its message"

    def column(self, path: str) -> pa.Array:
        """A column by name, a field of a record by dotted path ("engine.power"), or a meta column.

        A null record makes its fields null. Raises KeyError for a name that is not there.
        """
        if path in META_SCHEMA.names:
            return self._meta(path)
        head, *rest = (path,) if path in self.columns.schema.names else path.split(".")
        array = self.columns.column(head)
        for name in rest:
            array = _child(array, name)
        return array

    def filter(self, keep: npt.NDArray[np.bool_]) -> Batch:
        """The rows where keep is true; the batch itself when that is all of them."""
        if keep.all():
            return self
        return Batch(self.messages, self.rows[keep], self.columns.filter(of_booleans(keep)), self.warnings)

    def slice(self, start: int, stop: int) -> Batch:
        """Rows start to stop, without a copy of the columns."""
        return Batch(self.messages, self.rows[start:stop], self.columns.slice(start, stop - start), self.warnings)

    def with_columns(self, columns: Mapping[str, pa.Array]) -> Batch:
        """The same rows with columns added, or replaced where the name exists."""
        names = [*self.columns.schema.names, *(c for c in columns if c not in self.columns.schema.names)]
        arrays = [columns[n] if n in columns else self.columns.column(n) for n in names]
        return Batch(self.messages, self.rows, pa.RecordBatch.from_arrays(arrays, names=names), self.warnings)

    def _meta(self, name: str) -> pa.Array:
        m, rows = self.messages, self.rows
        match name:
            case "_topic":
                return of_texts(m.topics).take(of_numbers(m.topic[rows]))
            case "_partition":
                return of_numbers(m.partition[rows])
            case "_offset":
                return of_numbers(m.offset[rows])
            case "_timestamp":
                return of_numbers(m.timestamp[rows], pa.timestamp("ms", "UTC"), m.timestamp[rows] < 0)
            case _:
                return of_bytes([m.key(row) for row in rows.tolist()])


def _child(array: pa.Array, name: str) -> pa.Array:
    """A field of a struct column, null wherever the struct is null."""
    if not pa.types.is_struct(array.type) or array.type.get_field_index(name) < 0:
        raise KeyError(name)
    return array.flatten()[array.type.get_field_index(name)]


def resolve(schema: pa.Schema, path: str) -> pa.Field | None:
    """The field that Batch.column(path) will give for a batch of this schema, or None."""
    if path in META_SCHEMA.names:
        return META_SCHEMA.field(path)
    head, *rest = (path,) if path in schema.names else path.split(".")
    if head not in schema.names:
        return None
    found = schema.field(head)
    nullable = found.nullable
    for name in rest:
        if not pa.types.is_struct(found.type) or found.type.get_field_index(name) < 0:
            return None
        found = found.type.field(found.type.get_field_index(name))
        nullable = nullable or found.nullable
    return found.with_name(path).with_nullable(nullable)


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage answers for the n events it was given: passed + set aside = n.

    warnings counts, by (suite, expectation), warning expectations that were not met: once a row,
    or once a batch for expectations about the whole batch. scores: a sample of the numbers that a model
    answered with, by column.
    """

    batch: Batch
    failures: FailureList = ()
    warnings: Counter[tuple[str, str]] = field(default_factory=Counter)
    scores: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded events for one output topic; rows[i] is the message index that row i came from."""

    topic: str
    rows: Int64s
    values: bytes | memoryview
    value_offsets: Int64s

    def __len__(self) -> int:
        return len(self.rows)


class Record(NamedTuple):
    """One message made by the product itself: a dead letter, or a retry. timestamp in ms, 0 for now."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    timestamp: int = 0
    partition: int = ANY_PARTITION


class RecordList(Protocol):
    """Any number of records, with or without an object for each (`stream.failures.letters`)."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class StageReport:
    """What one stage did with one batch, for the metrics; or with several."""

    stage: str
    seconds: float
    passed: int
    failed: int

    def plus(self, other: StageReport) -> StageReport:
        """Both together."""
        return StageReport(
            self.stage, self.seconds + other.seconds, self.passed + other.passed, self.failed + other.failed
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every message of a poll: outputs + failures + filtered = messages.

    scores: a sample of the numbers that models answered with, by (stage, column).
    """

    messages: Messages
    outputs: Sequence[Rows]
    failures: FailureList
    filtered: int = 0
    warnings: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    warning_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reports: Sequence[StageReport] = ()
    scores: Mapping[tuple[str, str], npt.NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accounted = sum(map(len, self.outputs)) + len(self.failures) + self.filtered
        if accounted != len(self.messages):  # no assert: `python -O` would lose events without a word
            raise AssertionError(f"{len(self.messages)} messages in, {accounted} accounted for")
