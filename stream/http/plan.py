"""What a stage sends and reads, and that for the events of one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa

from stream.batch import Batch
from stream.errors import PoisonError
from stream.http.answers import Field, Path, document_of, items_of
from stream.http.bodies import REASON as BODY_VALUE
from stream.http.bodies import Envelope, EventBody
from stream.http.calls import Rows
from stream.http.urls import REASON as URL_VALUE
from stream.http.urls import Url
from stream.http.values import json_value
from stream.http.verdict import Kind, Request, Verdict, poison


@dataclass(frozen=True, slots=True)
class Plan:
    """size: events of one call at most; 0 calls for each event with a body of its own, not in a list.

    key_prefix and key_suffix stand around topic/partition/offset in the Idempotency-Key.
    """

    url: Url
    body: EventBody | None = None
    fields: Sequence[Field] = ()
    size: int = 0
    envelope: Envelope = field(default_factory=Envelope)
    items: Path = ()
    key_prefix: str = ""
    key_suffix: str = ""

    @property
    def reads(self) -> frozenset[str]:
        """Columns, by path, that requests are made of."""
        return frozenset({*self.url.columns, *(self.body.columns if self.body else ())})

    def calls(self, batch: Batch) -> BatchCalls:
        """The calls for a batch, rendered; events that fit no request are told by `refused`."""
        calls = BatchCalls(self, batch)
        arrays = {path: batch.column(path) for path in self.reads}
        for row in range(len(batch)):
            try:
                calls.events[row] = self._event(_Row(arrays, row))
            except PoisonError as error:
                calls.refused[row] = error
        return calls

    def _event(self, row: _Row) -> _Event:
        return _Event(self.url.render(row.for_url), None if self.body is None else self.body.render(row.for_body))

    def read(self, verdict: Verdict) -> list[Any] | Verdict:
        """The values of the fields, in their order; a verdict of its own when the answer has them not."""
        if verdict.kind is not Kind.ANSWERED:
            return verdict
        try:
            return [found.read(verdict.body) for found in self.fields]
        except PoisonError as error:
            return poison(error.reason, error.detail)


class _Row(NamedTuple):
    """Values of one event; what cannot be said in JSON makes it poison."""

    arrays: Mapping[str, pa.Array]
    row: int

    def for_url(self, path: str) -> Any:
        return json_value(self.arrays[path], self.row, path, URL_VALUE)

    def for_body(self, path: str) -> Any:
        return json_value(self.arrays[path], self.row, path, BODY_VALUE)


class _Event(NamedTuple):
    url: str
    content: bytes | None


@dataclass(slots=True)
class BatchCalls:
    """The Task of a Caller (`stream.http.calls`): requests for rows of a batch, answers split over them."""

    plan: Plan
    batch: Batch
    events: dict[int, _Event] = field(default_factory=dict)
    refused: dict[int, PoisonError] = field(default_factory=dict)

    def groups(self) -> list[Rows]:
        """Rows that are called for together, in the order of the batch."""
        rows, size = list(self.events), self.plan.size or 1
        return [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]

    def request(self, rows: Rows) -> Request:
        first = self.events[rows[0]]
        if not self.plan.size:
            return Request(first.url, self.key(rows[0]), first.content)
        bodies = [self.events[row].content or b"" for row in rows]
        return Request(
            first.url, group_key(self.plan, [self.key(row) for row in rows]), self.plan.envelope.wrap(bodies)
        )

    def split(self, body: bytes, rows: Rows) -> Sequence[Any]:
        """Raises PoisonError: not_json, wrong_count."""
        if not self.plan.fields:
            return [None] * len(rows)
        return items_of(body, self.plan.items, len(rows)) if self.plan.size else [document_of(body)]

    def key(self, row: int) -> str:
        """The same at every attempt for this event, also after a crash and out of a retry tier."""
        topic, partition, offset = self.batch.messages.origin(int(self.batch.rows[row]))
        return f"{self.plan.key_prefix}{topic}/{partition}/{offset}{self.plan.key_suffix}"


def group_key(plan: Plan, keys: Sequence[str]) -> str:
    """Of a call for several events: the same for the same events in the same order."""
    return f"{plan.key_prefix}group/{sha256(chr(10).join(keys).encode()).hexdigest()}"
