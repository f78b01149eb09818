"""Headers of a batch as columns: no Python object for any of them until somebody asks for a message's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stream.batch import Header, Int64s


@dataclass(slots=True)
class HeaderColumn:
    """A sequence as Messages.headers is: for each of `rows` messages its headers, or None.

    places[i] is of header i: its message, and where in data its name (which ends with a NUL), its value and
    its end are; an end of -1 is that of a null. The headers of a message stand together, in their order.
    """

    data: memoryview
    places: npt.NDArray[np.int64]
    rows: int
    first: Int64s = field(init=False)
    """The first header of each message, and the number of all."""

    def __post_init__(self) -> None:
        self.first = np.searchsorted(self.places[:, 0], np.arange(self.rows + 1)).astype(np.int64)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> Sequence[Header] | None:
        if not 0 <= row < self.rows:
            raise IndexError(row)
        return [self._header(i) for i in range(self.first[row], self.first[row + 1])] or None

    def __iter__(self) -> Iterator[Sequence[Header] | None]:
        return (self[row] for row in range(self.rows))

    @property
    def most(self) -> int:
        """Headers of the message that has the most."""
        return int(np.diff(self.first).max(initial=0))

    def _header(self, number: int) -> Header:
        _, name, value, end = self.places[number].tolist()
        text = bytes(self.data[name : value - 1]).decode("utf-8", "surrogateescape")
        return text, None if end < 0 else bytes(self.data[value:end])


def column_of(headers: Any) -> HeaderColumn:
    """Headers as columns: as they are, or made of Python objects where a batch was cut or joined."""
    if isinstance(headers, HeaderColumn):
        return headers
    data, places = bytearray(), []
    for row, found in enumerate(headers):
        for name, value in found or ():
            start = len(data)
            data += name.encode("utf-8", "surrogateescape") + b"\0"
            middle = len(data)
            data += value or b""
            places.append((row, start, middle, -1 if value is None else len(data)))
    table = np.array(places, np.int64).reshape(-1, 4)
    return HeaderColumn(memoryview(bytes(data)), table, len(headers))
