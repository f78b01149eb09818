"""Dead letters as columns, and the filter over them: SQL as in a pipeline file, over what the headers say.

reason stage class message family           why it failed, and in whose words
suite expectations model schema pipeline    what judged it
topic partition offset timestamp            where and when the event was read first
attempts replays                            how often it was tried, and sent again from here
failed_at first_failed_at age_s             when; age_s are the seconds since it failed last
key pointer headers.<name>                  the key and own headers as text; pointer: no value is here
dlq_partition dlq_offset                    where the dead letter is
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.batch import Batch, Messages
from stream.dlq.families import Facts, event_headers, facts_of
from stream.errors import ConfigurationError, PoisonError, Problem
from stream.stages.sql_bounds import out_of_bounds
from stream.stages.sql_words import identifiers, tokens

if TYPE_CHECKING:
    from stream.stages.expression import Expression

TEXT, WHOLE, TIME = pa.string(), pa.int64(), pa.timestamp("ms", "UTC")
HEADERS: Final = "headers"
_WORDS: Final = frozenset({"offset"})
"""Names of columns that SQL knows as words, and that people will write without quotes all the same."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Dead letters as they were read, and what their headers say."""

    messages: Messages
    facts: Sequence[Facts]

    @classmethod
    def of(cls, messages: Messages) -> Letters:
        return cls(messages, [facts_of(messages.headers_of(row)) for row in range(len(messages))])

    def __len__(self) -> int:
        return len(self.facts)

    def take(self, keep: npt.NDArray[np.bool_]) -> Letters:
        if keep.all():
            return self
        facts = [self.facts[row] for row in np.flatnonzero(keep).tolist()]
        return Letters(self.messages.take(keep, self.messages.next_offsets), facts)

    def failed_ms(self, row: int) -> int:
        """When it failed last; the timestamp of its record where no header says so."""
        failed = self.facts[row].failed_ms
        return failed if failed is not None else int(self.messages.timestamp[row])

    def timestamp_ms(self, row: int) -> int:
        """That of the event: a header's where the record of the dead letter has another."""
        own = self.facts[row].timestamp_ms
        return own if own is not None else int(self.messages.timestamp[row])


def text_of(held: bytes | None) -> str | None:
    """Keys and headers are text by custom; others are shown in hex."""
    if held is None:
        return None
    text = held.decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else "0x" + held.hex()


Make = Callable[[Letters, int, int], Any]
"""(letters, row, now in ms) -> the value of one row."""


def _fact(name: str) -> Make:
    return lambda letters, row, _now: getattr(letters.facts[row], name)


def _origin(part: int) -> Make:
    def make(letters: Letters, row: int, _now: int) -> Any:
        origin = letters.facts[row].origin
        return None if origin is None else origin[part]

    return make


COLUMNS: Final[dict[str, tuple[pa.DataType, Make]]] = {
    "reason": (TEXT, _fact("reason")),
    "stage": (TEXT, _fact("stage")),
    "class": (TEXT, _fact("kind")),
    "message": (TEXT, _fact("message")),
    "family": (TEXT, _fact("family")),
    "suite": (TEXT, _fact("suite")),
    "expectations": (TEXT, _fact("expectations")),
    "model": (TEXT, _fact("model")),
    "schema": (TEXT, _fact("schema")),
    "pipeline": (TEXT, _fact("pipeline")),
    "topic": (TEXT, _origin(0)),
    "partition": (WHOLE, _origin(1)),
    "offset": (WHOLE, _origin(2)),
    "timestamp": (TIME, lambda letters, row, _now: max(0, letters.timestamp_ms(row))),
    "attempts": (WHOLE, _fact("attempts")),
    "replays": (WHOLE, _fact("replays")),
    "failed_at": (TIME, lambda letters, row, _now: letters.failed_ms(row)),
    "first_failed_at": (TIME, _fact("first_failed_ms")),
    "age_s": (pa.float64(), lambda letters, row, now: (now - letters.failed_ms(row)) / 1000),
    "key": (TEXT, lambda letters, row, _now: text_of(letters.messages.key(row))),
    "pointer": (pa.bool_(), _fact("pointer")),
    "dlq_partition": (WHOLE, lambda letters, row, _now: int(letters.messages.partition[row])),
    "dlq_offset": (WHOLE, lambda letters, row, _now: int(letters.messages.offset[row])),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; text is "" for all of them."""

    text: str
    _condition: Expression | None = None
    _headers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, where: str | None, *, everything: bool) -> Filter:
        """Exactly one of the two must be given. Raises ConfigurationError with all that is wrong."""
        if everything and where is None:
            return cls("")
        if everything:
            raise ConfigurationError(["which dead letters? --where and --all were given: it must be one of them"])
        if where is None:
            raise ConfigurationError(["which dead letters? give --where \"reason = '...'\", or --all for all of them"])
        from stream.stages.expression import compile_condition

        if reason := out_of_bounds(where):
            raise ConfigurationError([f"--where: {reason}"])
        text = _quoted(where)
        headers = tuple(
            dict.fromkeys(p.path.split(".", 1)[1] for p in identifiers(text) if p.path.startswith("headers."))
        )
        try:
            return cls(where, compile_condition(text, _schema(headers)), headers)
        except ConfigurationError as error:
            raise ConfigurationError(Problem(f"--where: {p.message}") for p in error.problems) from None

    def chosen(self, letters: Letters, now_ms: int) -> npt.NDArray[np.bool_]:
        """True for the rows that are meant; what is not known of a row meets no condition."""
        if self._condition is None:
            return np.ones(len(letters), np.bool_)
        heads = {"replays", *(path.split(".", 1)[0] for path in self._condition.columns)}
        batch = Batch(letters.messages, np.arange(len(letters)), self._columns(letters, heads, now_ms))
        try:
            found = self._condition.evaluate(batch)
        except PoisonError as error:
            raise ConfigurationError([f"--where: {error.detail}"]) from None
        mask: npt.NDArray[np.bool_] = found.fill_null(False).to_numpy(zero_copy_only=False)
        return mask

    def _columns(self, letters: Letters, heads: set[str], now_ms: int) -> pa.RecordBatch:
        rows = range(len(letters))
        arrays = {
            name: pa.array([make(letters, row, now_ms) for row in rows], type_)
            for name, (type_, make) in COLUMNS.items()
            if name in heads
        }
        if HEADERS in heads:
            arrays[HEADERS] = pa.array([self._own_headers(letters, row) for row in rows], _header_type(self._headers))
        return pa.RecordBatch.from_pydict(arrays)

    def _own_headers(self, letters: Letters, row: int) -> dict[str, str | None]:
        own = {name: text_of(held) for name, held in event_headers(letters.messages.headers_of(row))}
        return {name: own.get(name) for name in self._headers}


def _schema(headers: Sequence[str]) -> pa.Schema:
    fields = [pa.field(name, type_) for name, (type_, _) in COLUMNS.items()]
    return pa.schema([*fields, pa.field(HEADERS, _header_type(headers))] if headers else fields)


def _header_type(headers: Sequence[str]) -> pa.DataType:
    return pa.struct([pa.field(name, TEXT) for name in headers])


def _quoted(where: str) -> str:
    """offset as "offset": the column, and not SQL's clause."""
    for token in reversed(tokens(where)):
        if token.kind == "word" and token.text.lower() in _WORDS:
            where = f'{where[: token.start]}"{token.text.lower()}"{where[token.end :]}'
    return where
