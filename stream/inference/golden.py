"""Golden rows: scored when a model is loaded, alone and all together, and again when a whole call fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from stream.arrow import of_values
from stream.inference.datatypes import Datatype, Tensor
from stream.inference.features import Feed, assemble
from stream.inference.manifest import GoldenRow, InputTensor, KeyPath, OutputTensor

Mistake = tuple[KeyPath, str]


def golden_tensors(
    inputs: Sequence[InputTensor], rows: Sequence[Mapping[str, object]]
) -> tuple[dict[str, Tensor], list[Mistake]]:
    """The input tensors of rows given as column -> value, made by the code that makes those of events.

    Mistakes are ((row, "inputs", column), message): a value of the wrong type, a null where none is allowed.
    """
    tensors: dict[str, Tensor] = {}
    mistakes: list[Mistake] = []
    for tensor in inputs:
        columns, found = _columns(tensor, rows)
        if not found:
            feed = Feed(
                tensor.name, tensor.type, tensor.shape, tensor.columns, tensor.takes_list, tensor.missing == "nan"
            )
            features = assemble([feed], columns.__getitem__, len(rows))
            found = [((rejected.row, "inputs"), rejected.detail) for rejected in features.rejected]
            tensors[tensor.name] = features.tensors[tensor.name]
        mistakes += found
    return tensors, mistakes


def deviations(
    outputs: Sequence[OutputTensor], rows: Sequence[GoldenRow], results: Mapping[str, Tensor], tolerance: float
) -> Iterator[tuple[int, str, str]]:
    """Where results, [n, width] each, are not what the golden rows say: (index, output, message)."""
    for output in outputs:
        for i, row in enumerate(rows):
            if message := _deviation(output, row.outputs[output.name], results[output.name][i], tolerance):
                yield i, output.name, f"output {output.name!r} {message}"


def values_of(output: OutputTensor, result: Tensor) -> list[object]:
    """An [n, width] result as JSON values, a list for each row where the row has several elements."""
    rows = [[_json(value, output.type) for value in row] for row in result]
    return [row[0] for row in rows] if output.width == 1 else list(rows)


def _columns(tensor: InputTensor, rows: Sequence[Mapping[str, object]]) -> tuple[dict[str, pa.Array], list[Mistake]]:
    type_ = _column_type(tensor.type)
    arrow = pa.list_(type_) if tensor.takes_list else type_
    columns: dict[str, pa.Array] = {}
    mistakes: list[Mistake] = []
    for name in tensor.columns:
        try:
            columns[name] = of_values([row[name] for row in rows], arrow)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            bad = [i for i, row in enumerate(rows) if not _fits(row[name], arrow)]
            mistakes += [((i, "inputs", name), f"column {name!r} needs {arrow}") for i in bad]
    return columns, mistakes


def _column_type(type_: Datatype) -> pa.DataType:
    """The widest column that JSON values of this element type fit."""
    if type_.is_float:
        return pa.float64()
    if type_.is_integer:
        return pa.from_numpy_dtype(type_.numpy)
    return type_.arrow


def _fits(value: object, arrow: pa.DataType) -> bool:
    try:
        of_values([value], arrow)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def _deviation(output: OutputTensor, expected: object, result: Tensor, tolerance: float) -> str:
    wanted = expected if isinstance(expected, list) else [expected]
    if len(wanted) != output.width:
        return f"has {output.width} elements, the manifest gives {len(wanted)}"
    if not output.type.is_float:
        return "" if wanted == [_json(value, output.type) for value in result] else "differs from the manifest's"
    if not all(isinstance(value, int | float) for value in wanted):
        return "is a number, the manifest's is not"
    expected_numbers, got = np.array(wanted, np.float64), result.astype(np.float64)
    off = np.abs(got - expected_numbers) / np.maximum(1.0, np.abs(expected_numbers))
    if not np.isfinite(off).all():
        return "is NaN or infinite"
    return f"is off by {off.max():.3g}, allowed {tolerance:g}" if off.max() > tolerance else ""


def _json(value: object, type_: Datatype) -> object:
    """A NumPy scalar as JSON has it; a float in the shortest decimals that give it back."""
    if type_.is_float:
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value
