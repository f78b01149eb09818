"""The stage `infer`: score events with a model package, results as new columns.

- infer: {model: models/arrival-delay, outputs: {variable: predicted_delay}}
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from stream.arrow import numbers, repeated
from stream.batch import META_SCHEMA, Batch, Failure, FailureClass, Result
from stream.errors import ConfigurationError, Problem
from stream.inference import Feed, Model, Rejected, column_field, load_package, plan_feeds
from stream.stages.stage import Project, Stage
from stream.suggestion import did_you_mean

MODEL_COLUMN: Final = "_model"
"""Stands for an output whose value is the model's name/version."""
SAMPLE_ROWS: Final = 1000
"""Of each batch so many rows tell how the results are distributed; the rest costs nothing."""


class Settings(BaseModel):
    """What stands under `infer` in the pipeline file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        min_length=1,
        description="A model package: models/<name> takes its highest version, models/<name>/<version> that one.",
        examples=["models/arrival-delay", "models/arrival-delay/1"],
    )
    inputs: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Input tensor -> columns in feature order, where the manifest's own column names do not fit. "
        "Dotted paths and meta columns (_partition) are columns too.",
        examples=[{"input": ["delay.departure", "air_time"]}],
    )
    outputs: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="Output tensor -> new column; only those named are computed. Default: every output under its "
        f"own name. {MODEL_COLUMN} stands for the model's name and version.",
        examples=[{"variable": "predicted_delay", MODEL_COLUMN: "model"}],
    )


@dataclass(slots=True)
class Infer:
    """Passes on the rows that were answered, with the result columns; sets the others aside."""

    name: str
    schema: pa.Schema
    model_name: str
    model_version: int
    _model: Model
    _feeds: Sequence[Feed]
    _columns: Mapping[str, str]
    model_load_s: float = 0.0
    """Reading and checking the package, opening the graph, scoring its golden rows."""

    @property
    def model_digest(self) -> str:
        """SHA-256 of the model file, in hexadecimal."""
        return self._model.manifest.sha256

    @property
    def reads(self) -> frozenset[str]:
        return frozenset(path for feed in self._feeds for path in feed.columns)

    def apply(self, batch: Batch) -> Result:
        """Raises SystemicError("model", ...) when the session answers no longer, not even its golden row."""
        tensors = [output for output in self._columns if output != MODEL_COLUMN]
        prediction = self._model.predict(self._feeds, batch.column, len(batch), tensors)
        failures = [self._failure(batch, rejected) for rejected in prediction.rejected]
        columns = {self._columns[output]: array for output, array in prediction.columns.items()}
        if MODEL_COLUMN in self._columns:
            columns[self._columns[MODEL_COLUMN]] = repeated(self._model.label, len(prediction.rows))
        keep = np.zeros(len(batch), np.bool_)
        keep[prediction.rows] = True
        return Result(batch.filter(keep).with_columns(columns), failures, scores=_sample(columns))

    def _failure(self, batch: Batch, rejected: Rejected) -> Failure:
        row, facts = int(batch.rows[rejected.row]), {"model": self._model.label}
        return Failure(row, self.name, FailureClass.POISON, rejected.reason, rejected.detail, facts)


def _sample(columns: Mapping[str, pa.Array]) -> dict[str, npt.NDArray[np.float64]]:
    """The first values of each column that holds one number a row, for the metrics."""
    return {
        name: numbers(array.slice(0, SAMPLE_ROWS)).astype(np.float64)
        for name, array in columns.items()
        if pa.types.is_floating(array.type) or pa.types.is_integer(array.type)
    }


def adds(settings: Settings) -> set[str] | None:
    """Without `outputs` only the model itself tells."""
    return set(settings.outputs.values()) if settings.outputs is not None else None


def build(
    settings: Settings, name: str, schema: pa.Schema, project: Project, clock: Callable[[], float] = time.monotonic
) -> Stage:
    """Load the package and check it against the columns that reach the stage.

    Raises ConfigurationError: the package's own mistakes with their place in its files, else every input
    and output that does not fit, `at` relative to the settings.
    """
    began = clock()
    try:
        model = Model(load_package(project.find(settings.model)))
    except ConfigurationError as error:
        raise ConfigurationError([problem.under("model") for problem in error.problems]) from None
    load_s = clock() - began
    problems: list[Problem] = []
    feeds: tuple[Feed, ...] = ()
    try:
        feeds = plan_feeds(model.manifest.inputs, schema, settings.inputs)
    except ConfigurationError as error:
        problems += error.problems
    columns = {name: name for name in model.outputs} if settings.outputs is None else settings.outputs
    problems += _output_problems(model, columns, schema)
    if problems:
        raise ConfigurationError(problems)
    return Infer(
        name=name,
        schema=_extended(schema, model, columns),
        model_name=model.manifest.name,
        model_version=model.manifest.version,
        _model=model,
        _feeds=feeds,
        _columns=columns,
        model_load_s=load_s,
    )


def _output_problems(model: Model, columns: Mapping[str, str], schema: pa.Schema) -> list[Problem]:
    known = [*model.outputs, MODEL_COLUMN]
    uses = Counter(columns.values())
    problems = []
    for output, column in columns.items():
        at = ("outputs", output)
        if output not in known:
            problems.append(
                Problem(f"the model has no output {output!r}, it has {known}{did_you_mean(output, known)}", at)
            )
        if column in schema.names or column in META_SCHEMA.names:
            message = f"there is a column {column!r} already: name another under outputs ({output}: ...)"
            problems.append(Problem(message, at))
        if uses[column] > 1:
            problems.append(Problem(f"column {column!r} is given to {uses[column]} outputs", at))
    return problems


def _extended(schema: pa.Schema, model: Model, columns: Mapping[str, str]) -> pa.Schema:
    for output, column in columns.items():
        is_label = output == MODEL_COLUMN
        field = (
            pa.field(column, pa.string(), nullable=False) if is_label else column_field(model.outputs[output], column)
        )
        schema = schema.append(field)
    return schema
