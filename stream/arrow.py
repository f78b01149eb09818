"""Arrow arrays from and to numpy and Python values, by their buffers.

pa.array, pa.scalar and Array.to_numpy import pandas wherever it is installed: half a second of a start and
60 MB of every worker, for arrays that pandas never sees. Nothing here does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[Any]

EXACT_IN_FLOAT: Final = 2**53
"""Whole numbers up to this are exact as 64-bit floats."""
_SIZES: Final = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}


def of_numbers(values: Numbers, type_: pa.DataType | None = None, absent: Bools | None = None) -> pa.Array:
    """A fixed-width column over the memory of values, shape (n,); null where absent.

    type_ has the width of values (a timestamp over int64, for example) and is their own by default.
    """
    values = np.ascontiguousarray(values)
    type_ = pa.from_numpy_dtype(values.dtype) if type_ is None else type_
    valid = None if absent is None or not absent.any() else _packed(~absent)
    return pa.Array.from_buffers(type_, len(values), [valid, pa.py_buffer(values)])


def of_booleans(values: Bools) -> pa.BooleanArray:
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _packed(values)])


def of_texts(texts: Sequence[str]) -> pa.StringArray:
    """Raises UnicodeEncodeError for what is not valid text."""
    return _of_parts(pa.string(), [text.encode() for text in texts], None)


def of_bytes(items: Sequence[bytes | None]) -> pa.BinaryArray:
    absent = np.fromiter((item is None for item in items), np.bool_, len(items))
    return _of_parts(pa.binary(), [item or b"" for item in items], _packed(~absent) if absent.any() else None)


def of_values(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """A column of Python values, as pa.array makes it: plain numbers, booleans and text here, the rest by Arrow."""
    kinds = set(map(type, values))
    if pa.types.is_string(type_) and kinds == {str}:
        return of_texts(values)
    if pa.types.is_boolean(type_) and kinds == {bool}:
        return of_booleans(np.array(values, np.bool_))
    if pa.types.is_float64(type_) and (kinds == {float} or _fit(values, kinds, -EXACT_IN_FLOAT, EXACT_IN_FLOAT)):
        return of_numbers(np.array(values, np.float64))
    if pa.types.is_integer(type_):
        dtype = np.dtype(_number_type(type_))
        if _fit(values, kinds, int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)):
            return of_numbers(np.array(values, dtype))
    return pa.array(values, type_)


def repeated(text: str, n: int) -> pa.StringArray:
    """A column of n times the same text."""
    return pa.repeat(of_texts([text])[0], n)


def numbers(array: pa.Array) -> Numbers:
    """Fixed-width values without a copy: booleans as bool, dates and times as their integers; undefined where null."""
    data, n = array.buffers()[1], len(array)
    if pa.types.is_boolean(array.type):
        return _bits(data, array.offset, n)
    dtype = _number_type(array.type)
    if data is None:
        return np.zeros(n, dtype)
    return np.frombuffer(data, dtype, array.offset + n)[array.offset :]


def valid(array: pa.Array) -> Bools:
    """Which values are there."""
    validity = array.buffers()[0]
    if array.null_count == 0 or validity is None:
        return np.full(len(array), array.null_count == 0)
    return _bits(validity, array.offset, len(array))


def booleans(array: pa.BooleanArray) -> Bools:
    """A column of booleans; null is False."""
    values = numbers(array)
    return values & valid(array) if array.null_count else values


def split(data: bytes | memoryview, offsets: npt.NDArray[np.int64]) -> list[bytes]:
    """data[offsets[i]:offsets[i + 1]] of each i as an object of its own: 16 ns each, slices in Python 65."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets)), pa.py_buffer(data)]
    parts: list[bytes] = pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers).to_pylist()
    return parts


def _fit(values: Sequence[Any], kinds: set[type], low: int, high: int) -> bool:
    return kinds == {int} and low <= min(values) and max(values) <= high


def _of_parts(type_: pa.DataType, parts: Sequence[bytes], validity: pa.Buffer | None) -> pa.Array:
    offsets = np.zeros(len(parts) + 1, np.int32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return pa.Array.from_buffers(type_, len(parts), [validity, pa.py_buffer(offsets), pa.py_buffer(b"".join(parts))])


def _packed(values: Bools) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def _bits(buffer: pa.Buffer | None, offset: int, count: int) -> Bools:
    if buffer is None:
        return np.zeros(count, np.bool_)
    packed = np.frombuffer(buffer, np.uint8, (offset + count + 7) // 8)
    return np.unpackbits(packed, count=offset + count, bitorder="little")[offset:].view(np.bool_)


def _number_type(type_: pa.DataType) -> npt.DTypeLike:
    if pa.types.is_floating(type_) or pa.types.is_integer(type_):
        dtype: npt.DTypeLike = type_.to_pandas_dtype()
        return dtype
    return _SIZES[type_.bit_width]
