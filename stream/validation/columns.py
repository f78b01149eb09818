"""The columns of one batch as the compiled checks read them: numpy views of Arrow buffers, each made once.

The content of a null slot is undefined in a view; `absent` says which slots count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.arrow import Bools, numbers, of_booleans, valid
from stream.batch import Batch


def plain_type(type_: pa.DataType) -> pa.DataType:
    """The type a check sees: dictionaries as their values, all kinds of text as string."""
    if pa.types.is_dictionary(type_):
        return plain_type(type_.value_type)
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    return type_


@dataclass(slots=True)
class Column:
    """One column; array has a plain type."""

    array: pa.Array
    _absent: Bools | None = None
    _absent_known: bool = False

    def __len__(self) -> int:
        return len(self.array)

    def absent(self) -> Bools | None:
        """Rows that are null, or NaN in a column of floats, which GX takes for the same; None: no row."""
        if not self._absent_known:
            self._absent = self._find_absent()
            self._absent_known = True
        return self._absent

    def numbers(self) -> npt.NDArray[np.generic]:
        """Fixed-width values: numbers as they are, booleans as bool, dates and times as their integers."""
        return numbers(self.array)

    def content(self) -> npt.NDArray[np.uint8]:
        """The UTF-8 bytes of all rows of a text column, one after the other."""
        _, offsets, data = self.array.buffers()
        if data is None:
            return np.zeros(0, np.uint8)
        ends = np.frombuffer(offsets, np.int32, self.array.offset + len(self) + 1)
        return np.frombuffer(data, np.uint8)[ends[self.array.offset] : ends[-1]]

    def texts(self, rows: Bools | None) -> list[str | None]:
        """Text as Python strings, of all rows or of some."""
        texts: list[str | None] = (self.array if rows is None else self.array.filter(of_booleans(rows))).to_pylist()
        return texts

    def _find_absent(self) -> Bools | None:
        array = self.array
        nulls: Bools | None = None
        if pa.types.is_null(array.type):
            nulls = np.ones(len(array), np.bool_)
        elif array.null_count:
            nulls = ~valid(array)
        if pa.types.is_floating(array.type):
            nans = np.asarray(np.isnan(self.numbers()))
            if nans.any():
                return nans if nulls is None else np.asarray(nans | nulls)
        return nulls


@dataclass(slots=True)
class Columns:
    """The columns of one batch by path; a field of a record is `a.b`."""

    batch: Batch
    _made: dict[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, path: str) -> Column:
        if path not in self._made:
            array = self.batch.column(path)
            type_ = plain_type(array.type)
            self._made[path] = Column(array if array.type == type_ else pc.cast(array, type_))
        return self._made[path]
