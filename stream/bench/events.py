"""The user's events: read from a file once, told apart by keys, repeated as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from stream.avro import Schema, read_values
from stream.errors import ConfigurationError

MAX_ROWS: Final = 1_000_000
"""Rows of the file that are used; all are held in memory."""
Key = bytes | None


@dataclass(frozen=True, slots=True)
class Events:
    """An endless sequence: event i is row i % len(values) of the file. values are framed.

    keys are those of the rows, None to give each event its own: its number in decimal.
    """

    values: Sequence[bytes]
    keys: Sequence[Key] | None = None
    refused: int = 0
    """Rows of the file that are no events of the schema."""

    def key(self, number: int) -> Key:
        return b"%d" % number if self.keys is None else self.keys[number % len(self.keys)]

    def pairs(self, start: int, stop: int) -> Iterator[tuple[Key, bytes]]:
        """(key, value) of the events start to stop."""
        values, rows = self.values, len(self.values)
        for number in range(start, stop):
            yield self.key(number), values[number % rows]

    @property
    def value_bytes(self) -> float:
        """Mean size of a value."""
        return sum(map(len, self.values)) / len(self.values)


def read_events(
    path: Path,
    schema: Schema,
    prefix: bytes,
    limit: int | None = None,
    keys_of: Callable[[Sequence[bytes]], list[Key]] | None = None,
) -> Events:
    """The rows of a file, at most `limit` and MAX_ROWS. prefix is the framing; keys_of gives keys of data without it.

    Raises ConfigurationError when the file cannot be read, or has no row that is an event.
    """
    data: list[bytes] = []
    refused = 0
    rows = (row for chunk in read_values(path, schema) for row in chunk)
    for row in islice(rows, min(limit or MAX_ROWS, MAX_ROWS)):
        if isinstance(row, bytes):
            data.append(row)
        else:
            refused += 1
    if not data:
        raise ConfigurationError([f"{path}: none of its {refused} rows is an event of {schema.name}"])
    return Events([prefix + value for value in data], keys_of(data) if keys_of else None, refused)
