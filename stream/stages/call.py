"""The stage `call`: run a Python function of your own over the columns of a batch.

- call:
    function: my_package.rules:adjust      # module:function, looked up in the project's folder too
    adds: {score: double, label: string}   # columns it adds or replaces, with their types
    retry: {delays: [10s, 1m, 10m]}        # for TransientError; needed where it is known, here or in failures.retry

The function gets a pyarrow.RecordBatch and returns one with as many rows, in the same order, that has
the columns of `adds`. It may raise PoisonError (this event will never pass) or TransientError (it may
pass later) from stream.errors: the batch is halved until the guilty events are found. Any other
exception ends the process, as it is a defect of the function; what it says is not shown, since it may hold
values of events, but where it was raised is.
"""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from stream.batch import Batch, Result, resolve
from stream.errors import ConfigurationError, Problem, ProcessError, StreamError, TransientError
from stream.stages.arrow_types import plain
from stream.stages.expression import paths_of
from stream.stages.retry import Retry
from stream.stages.stage import Project, Stage
from stream.stages.text import ColumnName
from stream.stages.type_names import TYPES, type_named, type_problem
from stream.suggestion import did_you_mean

_FUNCTION: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
Function = Callable[[pa.RecordBatch], Any]


class Settings(BaseModel):
    """What stands under `call` in the pipeline file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: str = Field(
        min_length=1,
        description="Python function as module:function, installed or beside the pipeline file. It gets a"
        " pyarrow.RecordBatch and returns one with as many rows.",
        examples=["my_package.rules:adjust"],
    )
    adds: dict[ColumnName, str] = Field(
        min_length=1,
        description="Columns the function adds or replaces, with their types: " + ", ".join(TYPES) + ", array<...>.",
        examples=[{"score": "double", "label": "string"}],
    )
    columns: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="What the function gets: columns, fields of records (a.b), meta columns (_key). By default every"
        " column of the event.",
        examples=[["customer.id", "amount", "_timestamp"]],
    )
    retry: Retry | None = Field(
        default=None,
        description="For events at which the function raises TransientError; what is left out is taken from"
        " `failures.retry`. A function whose module knows TransientError needs `delays` in one of them.",
    )


@dataclass(slots=True)
class Call:
    """Passes every row on, with the columns that the function adds."""

    name: str
    schema: pa.Schema
    _label: str
    _function: Function
    _columns: tuple[str, ...]
    _adds: Mapping[str, pa.DataType]
    _folders: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset(self._columns)

    @property
    def may_pass_later(self) -> bool:
        """Whether the function's module has TransientError, or one like it, or its code names it."""
        module = sys.modules.get(getattr(self._function, "__module__", None) or "")
        known = vars(module).values() if module is not None else ()
        code = getattr(self._function, "__code__", None)
        named = code is not None and TransientError.__name__ in code.co_names
        return named or any(isinstance(it, type) and issubclass(it, TransientError) for it in known)

    def apply(self, batch: Batch) -> Result:
        """Raises PoisonError and its like as the function does; ProcessError for another exception, or when it does
        not return what it declared.
        """
        arrays = [batch.column(path) for path in self._columns]
        given = pa.RecordBatch.from_arrays(arrays, names=list(self._columns))
        with _importable(self._folders):
            returned = self._called(given)
        return Result(batch.with_columns(self._checked(given, returned)))

    def explain(self) -> list[str]:
        """The function, what it gets and what it adds."""
        added = ", ".join(f"{name}: {type_}" for name, type_ in self._adds.items())
        return [f"{self._label}({', '.join(self._columns)}) adds {added}"]

    def _called(self, given: pa.RecordBatch) -> Any:
        try:
            return self._function(given)
        except (StreamError, MemoryError):
            raise
        except Exception as error:
            defect = self._broken(
                f"raised {type(error).__name__}; its text may hold values of events, and is not shown"
            )
            defect.add_note("".join(traceback.format_tb(error.__traceback__)[1:]).rstrip())
            raise defect from None

    def _checked(self, given: pa.RecordBatch, returned: Any) -> dict[str, pa.Array]:
        """The declared columns out of what the function returned."""
        if not isinstance(returned, pa.RecordBatch):
            raise self._broken(f"returned {type(returned).__name__}, not a pyarrow.RecordBatch")
        if returned.num_rows != given.num_rows:
            raise self._broken(f"returned {returned.num_rows} rows for {given.num_rows}; it must answer for each")
        names = returned.schema.names
        if missing := [name for name in self._adds if names.count(name) != 1]:
            raise self._broken(f"did not return the column {missing[0]} that `adds` declares")
        for name in names:
            if name not in self._adds and not (name in self._columns and _unchanged(given[name], returned[name])):
                raise self._broken(f"returned a new or changed column {name} that `adds` does not declare")
        return {name: self._typed(name, returned.column(name)) for name in self._adds}

    def _typed(self, name: str, array: pa.Array) -> pa.Array:
        declared = self._adds[name]
        if plain(array.type) != declared:
            raise self._broken(f"returned the column {name} as {array.type}, `adds` declares {declared}")
        return array if array.type == declared else array.cast(declared)

    def _broken(self, what: str) -> ProcessError:
        return ProcessError(f"the function {self._label} of stage {self.name} {what}")


def adds(settings: Settings) -> set[str]:
    return set(settings.adds)


def build(settings: Settings, name: str, schema: pa.Schema, project: Project) -> Stage:
    """Import the function and check the columns. Raises ConfigurationError with all mistakes."""
    folders = (str(project.folder.resolve()), str(project.folder.resolve().parent))
    columns = tuple(schema.names) if settings.columns is None else settings.columns
    problems = [*_column_problems(columns, schema), *_type_problems(settings.adds)]
    function: Function | None = None
    try:
        function = _imported(settings.function, folders)
    except ConfigurationError as error:
        problems += error.problems
    if problems or function is None:
        raise ConfigurationError(problems)
    adds = {column: type_named(text) for column, text in settings.adds.items()}
    return Call(name, _extended(schema, adds), settings.function, function, columns, adds, folders)


def _imported(label: str, folders: tuple[str, ...]) -> Function:
    at = ("function",)
    if not _FUNCTION.fullmatch(label):
        raise ConfigurationError([Problem(f"'{label}' must be module:function, such as my_package.rules:adjust", at)])
    module_name, _, attribute = label.partition(":")
    try:
        with _importable(folders):
            found: Any = importlib.import_module(module_name)
    except Exception as error:
        looked = f"; looked in {', '.join(folders)} too" if isinstance(error, ModuleNotFoundError) else ""
        told = f"the module '{module_name}' cannot be imported: {type(error).__name__}: {error}{looked}"
        raise ConfigurationError([Problem(told, at)]) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [n for n in dir(found) if callable(getattr(found, n)) and not n.startswith("_")]
            told = f"the module '{module_name}' has no '{attribute}'{did_you_mean(part, known)}"
            raise ConfigurationError([Problem(told, at)])
        found = getattr(found, part)
    if not callable(found):
        raise ConfigurationError([Problem(f"'{label}' is {type(found).__name__}, not a function", at)])
    function: Function = found
    return function


@contextmanager
def _importable(folders: tuple[str, ...]) -> Iterator[None]:
    """The folders on the import path, last so that they hide nothing, for as long as the function is at work."""
    added = [folder for folder in folders if folder not in sys.path and Path(folder).is_dir()]
    sys.path += added
    try:
        yield
    finally:
        for folder in added:
            if folder in sys.path:
                sys.path.remove(folder)


def _column_problems(columns: tuple[str, ...], schema: pa.Schema) -> list[Problem]:
    known = paths_of(schema)
    return [
        Problem(f"no column '{path}'{did_you_mean(path, known)}", ("columns", index))
        for index, path in enumerate(columns)
        if resolve(schema, path) is None
    ]


def _type_problems(adds: Mapping[str, str]) -> list[Problem]:
    told = ((column, type_problem(text)) for column, text in adds.items())
    return [Problem(what, ("adds", column)) for column, what in told if what]


def _extended(schema: pa.Schema, adds: Mapping[str, pa.DataType]) -> pa.Schema:
    for name, type_ in adds.items():
        index, field = schema.get_field_index(name), pa.field(name, type_)
        schema = schema.append(field) if index < 0 else schema.set(index, field)
    return schema


def _unchanged(given: pa.Array, returned: pa.Array) -> bool:
    """The same buffers, or else the same values, where NaN is the same as NaN."""
    if _memory(given) == _memory(returned) or given.equals(returned):
        return True
    if given.type != returned.type or not pa.types.is_floating(given.type):
        return False
    before, after = (array.to_numpy(zero_copy_only=False) for array in (given, returned))
    return bool(given.is_null().equals(returned.is_null())) and np.array_equal(before, after, equal_nan=True)


def _memory(array: pa.Array) -> tuple[Any, ...]:
    return (array.type, array.offset, len(array), *(b and b.address for b in array.buffers()))
