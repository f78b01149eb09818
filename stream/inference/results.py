"""Tensors to columns: what a model answered, as Arrow arrays, and rows whose answer is not a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.arrow import of_booleans, of_numbers
from stream.batch import Int64s
from stream.errors import PoisonError
from stream.inference.datatypes import Tensor
from stream.inference.manifest import OutputTensor
from stream.inference.rejection import MODEL_REFUSED, RESULT_NOT_FINITE, Rejections


def column_field(output: OutputTensor, name: str) -> pa.Field:
    """The column of an output: a scalar, or a list where a row has several elements; never null."""
    if output.width == 1:
        return pa.field(name, output.type.arrow, nullable=False)
    return pa.field(name, pa.list_(pa.field("item", output.type.arrow, nullable=False)), nullable=False)


def rows_of(output: OutputTensor, result: Tensor, n: int) -> Tensor:
    """The result as [n, width]. Raises PoisonError when the graph did not answer once for each row."""
    if not isinstance(result, np.ndarray) or result.size != n * output.width or result.shape[:1] != (n,):
        raise PoisonError(MODEL_REFUSED, f"output {output.name!r} has another shape than {list(output.shape)}")
    return result.reshape(n, output.width)


def finite_rows(
    outputs: Sequence[OutputTensor], results: Mapping[str, Tensor], rows: Int64s, rejections: Rejections
) -> npt.NDArray[np.bool_]:
    """Which rows have finite results throughout; the others are rejected."""
    good: npt.NDArray[np.bool_] = np.ones(len(rows), np.bool_)
    for output in outputs:
        if not output.type.is_float or (fit := np.isfinite(results[output.name])).all():
            continue
        bad = np.flatnonzero(~fit.all(axis=1))
        rejections.mark(rows[bad], RESULT_NOT_FINITE, f"output {output.name!r} is NaN or infinite")
        good[bad] = False
    return good


def to_column(output: OutputTensor, result: Tensor) -> pa.Array:
    """An [n, width] result as an Arrow array of column_field's type."""
    field = column_field(output, output.name)
    flat = result.reshape(-1)
    if output.width == 1:
        return _array(flat, field.type)
    offsets = np.arange(0, flat.size + 1, output.width, dtype=np.int32)
    return pa.ListArray.from_arrays(of_numbers(offsets), _array(flat, field.type.value_type), type=field.type)


def _array(flat: Tensor, type_: pa.DataType) -> pa.Array:
    if flat.dtype.kind == "O":
        return pa.array(flat, type_)  # text; what else it takes as such, only Arrow knows
    if flat.dtype.kind == "b":
        return of_booleans(flat)
    return of_numbers(flat).cast(type_)
