"""Element types of tensors: one row for each, with its name in every system that meets here.

Names are those of the Open Inference Protocol (V2, "Tensor Data Types"). Which Arrow column may feed
which tensor is decided here and nowhere else. Numbers become floats of the tensor's precision, as every
model server does it; integers feed integer tensors only where all their values fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Tensor = npt.NDArray[Any]

DatatypeName = Literal[
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64", "BYTES"
]


@dataclass(frozen=True, slots=True)
class Datatype:
    """One element type: its ONNX type, the NumPy type of tensors and the Arrow type of result columns."""

    name: DatatypeName
    onnx: str
    numpy: np.dtype[Any]
    arrow: pa.DataType

    @property
    def is_float(self) -> bool:
        return self.numpy.kind == "f"

    @property
    def is_integer(self) -> bool:
        return self.numpy.kind in "iu"

    def takes(self, column: pa.DataType) -> bool:
        """Whether a column of this Arrow type can feed the tensor; a date or a time cannot, it has no one unit."""
        if self.name == "BYTES":
            return bool(pa.types.is_string(column) or pa.types.is_large_string(column))
        if pa.types.is_boolean(column):
            return True
        if self.is_float:
            return bool(pa.types.is_integer(column) or pa.types.is_floating(column) or pa.types.is_decimal(column))
        if not self.is_integer or not pa.types.is_integer(column):
            return False
        return np.can_cast(column.to_pandas_dtype(), self.numpy, casting="safe")


def _row(name: DatatypeName, onnx: str, numpy: str, arrow: pa.DataType) -> Datatype:
    return Datatype(name, f"tensor({onnx})", np.dtype(numpy), arrow)


DATATYPES: Final = {
    row.name: row
    for row in (
        _row("BOOL", "bool", "?", pa.bool_()),
        _row("INT8", "int8", "i1", pa.int32()),
        _row("INT16", "int16", "i2", pa.int32()),
        _row("INT32", "int32", "i4", pa.int32()),
        _row("INT64", "int64", "i8", pa.int64()),
        _row("UINT8", "uint8", "u1", pa.int32()),
        _row("UINT16", "uint16", "u2", pa.int32()),
        _row("UINT32", "uint32", "u4", pa.int64()),
        _row("UINT64", "uint64", "u8", pa.uint64()),
        _row("FP16", "float16", "f2", pa.float32()),
        _row("FP32", "float", "f4", pa.float32()),
        _row("FP64", "double", "f8", pa.float64()),
        _row("BYTES", "string", "O", pa.string()),
    )
}
"""Result columns have types that Avro has too: small integers widen to int32 or int64, FP16 to float32."""

BY_ONNX_TYPE: Final = {row.onnx: row for row in DATATYPES.values()}
