"""Rows that the model stage does not answer for, each with its reason."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.batch import Int64s

NULL_FEATURE: Final = "null_feature"
FEATURE_NOT_FINITE: Final = "feature_not_finite"
WRONG_WIDTH: Final = "wrong_width"
MODEL_REFUSED: Final = "model_refused"
RESULT_NOT_FINITE: Final = "result_not_finite"
"""Reasons, a closed set: metric labels."""


class Rejected(NamedTuple):
    """One row without a result. detail names columns and tensors, never a value of the event."""

    row: int
    reason: str
    detail: str


class Rejections:
    """The first reason of each rejected row among n rows."""

    __slots__ = ("_first", "keep")

    def __init__(self, n: int) -> None:
        self.keep: npt.NDArray[np.bool_] = np.ones(n, np.bool_)
        self._first: dict[int, Rejected] = {}

    def mark(self, rows: Int64s, reason: str, detail: str) -> None:
        """Reject rows; those that were rejected before keep their first reason."""
        self.keep[rows] = False
        for row in rows.tolist():
            self._first.setdefault(row, Rejected(row, reason, detail))

    def __bool__(self) -> bool:
        return bool(self._first)

    def kept_rows(self) -> Int64s:
        return np.flatnonzero(self.keep)

    def in_order(self) -> list[Rejected]:
        return [self._first[row] for row in sorted(self._first)]
