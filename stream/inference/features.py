"""Columns to tensors, without a Python object per event (strings excepted: ONNX Runtime takes no other).

A plan is made once from the model's inputs and the columns that reach it; `assemble` follows it for
every batch. Rows that cannot be fed are rejected here, so that a model never sees a null, a NaN or an
infinity it was not made for: a tree answers them with a confident number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream.arrow import booleans, numbers, of_booleans, valid
from stream.batch import META_SCHEMA, Int64s, resolve
from stream.errors import ConfigurationError, Problem
from stream.inference.datatypes import Datatype, Tensor
from stream.inference.manifest import InputTensor
from stream.inference.rejection import FEATURE_NOT_FINITE, NULL_FEATURE, WRONG_WIDTH, Rejected, Rejections
from stream.suggestion import did_you_mean

Column = Callable[[str], pa.Array]
"""Looks a column up by path, as Batch.column does."""


@dataclass(frozen=True, slots=True)
class Feed:
    """How one input tensor is filled: from scalar columns side by side, or from one list column."""

    name: str
    type: Datatype
    shape: tuple[int, ...]
    columns: tuple[str, ...]
    is_list: bool
    nan_for_missing: bool

    @property
    def width(self) -> int:
        return math.prod(self.shape[1:])


@dataclass(frozen=True, slots=True)
class Features:
    """Tensors by input name, [kept rows, ...] each; rows[i] is the index in the batch of tensor row i."""

    tensors: Mapping[str, Tensor]
    rows: Int64s
    rejected: Sequence[Rejected]


def plan_feeds(
    inputs: Sequence[InputTensor], schema: pa.Schema, columns: Mapping[str, Sequence[str]] | None = None
) -> tuple[Feed, ...]:
    """A Feed for each input; `columns` overrides the manifest's feature columns for the tensors it names.

    Raises ConfigurationError with all problems: a column that is not there, or of a type that cannot feed
    the tensor, or the wrong number of columns. `at` is ("inputs", tensor) for an override, else ("model",).
    """
    columns = columns or {}
    names = [tensor.name for tensor in inputs]
    problems = [
        Problem(f"the model has no input {name!r}, it has {names}{did_you_mean(name, names)}", ("inputs", name))
        for name in columns
        if name not in names
    ]
    feeds: list[Feed] = []
    for tensor in inputs:
        at = ("inputs", tensor.name) if tensor.name in columns else ("model",)
        feed, messages = _plan(tensor, schema, tuple(columns.get(tensor.name, tensor.columns)))
        problems += [Problem(message, at) for message in messages]
        feeds += [feed]
    if problems:
        raise ConfigurationError(problems)
    return tuple(feeds)


def assemble(feeds: Sequence[Feed], column: Column, n: int) -> Features:
    """The tensors of n rows. O(rows x features), column by column."""
    columns = {path: column(path) for feed in feeds for path in feed.columns}
    rejections = Rejections(n)
    for feed in feeds:
        for path in feed.columns:
            _reject_unfit(feed, path, columns[path], rejections)
    rows = rejections.kept_rows()
    if rejections:
        keep = of_booleans(rejections.keep)
        columns = {path: array.filter(keep) for path, array in columns.items()}
    tensors = {feed.name: _tensor(feed, columns, len(rows)) for feed in feeds}
    finite = np.ones(len(rows), np.bool_)
    for feed in feeds:
        if feed.type.is_float:
            finite &= _reject_not_finite(feed, tensors[feed.name], rows, rejections)
    if not finite.all():
        tensors = {name: tensor[finite] for name, tensor in tensors.items()}
        rows = rows[finite]
    shaped = {feed.name: tensors[feed.name].reshape(len(rows), *feed.shape[1:]) for feed in feeds}
    return Features(shaped, rows, rejections.in_order())


def _plan(tensor: InputTensor, schema: pa.Schema, paths: tuple[str, ...]) -> tuple[Feed, list[str]]:
    fields = {path: resolve(schema, path) for path in paths}
    known = [*schema.names, *META_SCHEMA.names]
    messages = [
        f"input {tensor.name!r} needs column {path!r}, which does not reach this stage" + did_you_mean(path, known)
        for path, field in fields.items()
        if field is None
    ]
    types = [field.type for field in fields.values() if field is not None]
    is_list = len(paths) == 1 and any(map(_is_list, types))
    if not is_list and len(paths) != tensor.width and not messages:
        messages.append(
            f"input {tensor.name!r} has rows of {tensor.width}, fed by {len(paths)} columns: "
            f"give {tensor.width} columns in feature order, or one list column"
        )
    for path, field in fields.items():
        if field is not None and (message := _misfit(tensor, path, field.type, is_list)):
            messages.append(message)
    feed = Feed(tensor.name, tensor.type, tensor.shape, paths, is_list, tensor.missing == "nan")
    return feed, messages


def _misfit(tensor: InputTensor, path: str, type_: pa.DataType, is_list: bool) -> str:
    element = type_.value_type if is_list else type_
    if tensor.type.takes(element):
        return ""
    wanted = "text" if tensor.datatype == "BYTES" else "a number that fits without loss, or a boolean"
    if tensor.datatype == "BOOL":
        wanted = "a boolean"
    return (
        f"input {tensor.name!r} is {tensor.datatype}: column {path!r} is {type_}, not {wanted}; "
        "convert it in a transform stage before"
    )


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def _reject_unfit(feed: Feed, path: str, array: pa.Array, rejections: Rejections) -> None:
    """Nulls and lists of another length than the tensor's rows."""
    if array.null_count and (feed.is_list or not feed.nan_for_missing):
        rejections.mark(_where(pc.is_null(array)), NULL_FEATURE, f"{path} is null")
    if not feed.is_list:
        return
    lengths = pc.list_value_length(array)
    if (wrong := np.flatnonzero((numbers(lengths) != feed.width) & valid(lengths))).size:
        rejections.mark(wrong, WRONG_WIDTH, f"{path} does not have {feed.width} items")
    if not feed.nan_for_missing and array.flatten().null_count:
        rejections.mark(_rows_with_null_items(array), NULL_FEATURE, f"{path} has a null item")


def _rows_with_null_items(array: pa.Array) -> Int64s:
    """A null list may still span items, so the null ones are taken out first."""
    present: Int64s = _where(pc.is_valid(array))
    lists = array.drop_null()
    parents = numbers(pc.list_parent_indices(lists))
    rows: Int64s = present[np.unique(parents[_where(pc.is_null(lists.flatten()))])]
    return rows


def _reject_not_finite(feed: Feed, tensor: Tensor, rows: Int64s, rejections: Rejections) -> npt.NDArray[np.bool_]:
    """Which rows of an [n, width] tensor are fit; NaN stands where the feed allows missing values."""
    fit = ~np.isinf(tensor) if feed.nan_for_missing else np.isfinite(tensor)
    good: npt.NDArray[np.bool_] = np.ones(len(rows), np.bool_)
    if fit.all():
        return good
    for path, of_column in _by_column(feed, fit):
        bad = np.flatnonzero(~of_column)
        rejections.mark(rows[bad], FEATURE_NOT_FINITE, f"{path} is NaN, infinite or beyond {feed.type.name}")
        good[bad] = False
    return good


def _by_column(feed: Feed, fit: npt.NDArray[np.bool_]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    if feed.is_list:
        yield feed.columns[0], np.logical_and.reduce(fit, axis=1)
        return
    for j, path in enumerate(feed.columns):
        yield path, fit[:, j]


def _tensor(feed: Feed, columns: Mapping[str, pa.Array], n: int) -> Tensor:
    """[n, width], row-major as ONNX Runtime wants it; a fresh one, since a result may be a view of its input.

    Filling it column by column costs 0.7 ns an element; filling a transposed buffer first and copying
    costs as much again.
    """
    with np.errstate(over="ignore"):  # beyond the tensor's range becomes infinite and is rejected as such
        if feed.is_list:
            flat = _values(feed, columns[feed.columns[0]].flatten())
            return flat.astype(feed.type.numpy, copy=False).reshape(n, feed.width)
        tensor = np.empty((n, feed.width), feed.type.numpy)
        for j, path in enumerate(feed.columns):
            tensor[:, j] = _values(feed, columns[path])
    return tensor


def _values(feed: Feed, array: pa.Array) -> Tensor:
    """A column's values, nulls as NaN where the feed allows them; without a copy for plain numbers."""
    if pa.types.is_decimal(array.type) or (array.null_count and not pa.types.is_floating(array.type)):
        array = array.cast(pa.float64())
    if feed.type.name == "BYTES":
        return np.array(array.to_pylist(), np.object_)
    values = numbers(array)
    return np.where(valid(array), values, values.dtype.type(np.nan)) if array.null_count else values


def _where(mask: pa.Array) -> Int64s:
    return np.flatnonzero(booleans(mask))
