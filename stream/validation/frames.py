"""Arrow columns as the pandas frame that Great Expectations is given.

The pandas type of a column follows from its Arrow field alone, never from the values of a batch: pandas would
turn whole numbers into floats where a null is present, and 5 into "5.0" for every other row of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.arrow import Bools
from stream.validation.columns import Column, plain_type
from stream.validation.kinds import ColumnKind, kind_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of some columns of a batch, indexed 0 to n - 1.

    unreadable: column -> rows whose value no Python object can hold; they stand as nulls in the frame and
    meet no expectation.
    """

    data: pd.DataFrame
    unreadable: Mapping[str, Bools]


def to_frame(read: Callable[[str], Column], rows: int, fields: Sequence[pa.Field]) -> Frame:
    """The columns of these fields, by their paths."""
    import pandas as pd

    series, unreadable = {}, {}
    for field in fields:
        array = read(field.name).array
        assert field.nullable or not array.null_count, f"column '{field.name}' was declared to be without nulls"
        array, outside = _readable(array)
        if outside is not None:
            unreadable[field.name] = outside
        series[field.name] = pd.Series(_values(array, field), index=pd.RangeIndex(rows))
    return Frame(pd.DataFrame(series, index=pd.RangeIndex(rows)), unreadable)


def sample(field: pa.Field) -> pa.Array:
    """Two values of ours, and a null where the field takes one: to try out a check on a kind of column."""
    type_ = plain_type(field.type)
    values: list[Any] = [_zero(type_), _zero(type_)]
    if kind_of(type_) in (ColumnKind.INTEGER, ColumnKind.FLOAT, ColumnKind.BOOLEAN, ColumnKind.TEXT):
        values[1] = pa.scalar(1).cast(type_).as_py()
    return pa.array([*values, None] if field.nullable else values, type_)


def _zero(type_: pa.DataType) -> Any:
    if pa.types.is_decimal(type_):
        return Decimal(0)
    if pa.types.is_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return b"0" * (type_.byte_width if pa.types.is_fixed_size_binary(type_) else 1)
    if pa.types.is_nested(type_):
        return {} if pa.types.is_struct(type_) else []
    if pa.types.is_temporal(type_):
        return pa.scalar(0, pa.int64()).cast(pa.int32() if type_.bit_width == 32 else pa.int64()).cast(type_).as_py()
    return None if pa.types.is_null(type_) else pa.scalar(0).cast(type_).as_py()


def _values(array: pa.Array, field: pa.Field) -> Any:
    kind = kind_of(field.type)
    if kind in (ColumnKind.INTEGER, ColumnKind.BOOLEAN) and field.nullable:
        return _objects(array.to_pylist())
    if kind is ColumnKind.NESTED:
        return _objects(array.to_pylist())
    return array.to_pandas()


def _objects(values: list[Any]) -> npt.NDArray[np.object_]:
    """An object column with NaN for null, as pandas has it."""
    objects = np.empty(len(values), object)
    objects[:] = [np.nan if value is None else value for value in values]
    return objects


def _readable(array: pa.Array) -> tuple[pa.Array, Bools | None]:
    """Dates outside the years 1 to 9999 and times outside a day, which Avro has and Python has not, as nulls."""
    if pa.types.is_date32(array.type):
        first, last = pa.scalar(date.min, array.type), pa.scalar(date.max, array.type)
    elif pa.types.is_time(array.type):
        first, last = pa.scalar(time.min, array.type), pa.scalar(time.max, array.type)
    else:
        return array, None
    outside = pc.or_(pc.less(array, first), pc.greater(array, last)).fill_null(False)
    if not pc.any(outside).as_py():
        return array, None
    return pc.if_else(outside, pa.scalar(None, array.type), array), outside.to_numpy(zero_copy_only=False)
