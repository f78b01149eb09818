"""Expectations that Great Expectations evaluates: its row conditions, and its verdicts on whole batches.

Row checks ask only for `<map_metric>.condition`, through GX's MetricsCalculator on an engine of our own: the
same code that decides in a full validation, without hashing the frame and assembling results, 7 to 14 times
faster. MetricsCalculator and get_metric_kwargs are not public API: hence `great-expectations<2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from stream.arrow import Bools
from stream.errors import ConfigurationError, FatalError
from stream.validation import gx
from stream.validation.columns import Column
from stream.validation.frames import Frame, sample, to_frame
from stream.validation.suite import Expectation

if TYPE_CHECKING:
    import pandas as pd

_BATCH: Final = "batch"
_RUNTIME: Final = {"catch_exceptions": False}


class Session:
    """One frame in an engine of its own, so that no other batch can get into it and none is kept."""

    def __init__(self, frame: Frame) -> None:
        gx.great_expectations()
        from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
        from great_expectations.validator.metrics_calculator import MetricsCalculator

        self.frame = frame
        self.engine = PandasExecutionEngine()
        self.engine.load_batch_data(_BATCH, frame.data)
        self.calculator = MetricsCalculator(self.engine, show_progress_bars=False)

    def compute(self, metrics: Sequence[Any]) -> Any:
        """Metric id -> value. Raises what the metric raises."""
        resolved, _ = self.calculator.compute_metrics(list(metrics), runtime_configuration=dict(_RUNTIME))
        return resolved


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A row-local expectation of GX: which rows do not meet it."""

    expectation: Expectation
    gx_object: Any
    fields: Sequence[pa.Field]

    def misses(self, session: Session) -> Bools:
        """Raises FatalError when the check is broken. A value on which GX fails misses, and no other does."""
        with gx.quietly():
            try:
                misses = self._misses(session)
            except Exception as error:
                _still_works(self, error)
                misses = self._halves(session.frame.data)
        for field in self.fields:
            if field.name in session.frame.unreadable:
                misses |= session.frame.unreadable[field.name]
        return misses

    def _halves(self, data: pd.DataFrame) -> Bools:
        """GX fails on these rows as a whole: find the rows on which it fails alone."""
        if len(data) == 1:
            return np.ones(1, np.bool_)
        parts = []
        for part in (data.iloc[: len(data) // 2], data.iloc[len(data) // 2 :]):
            renumbered = part.reset_index(drop=True)
            try:
                parts.append(self._misses(Session(Frame(renumbered, {}))))
            except Exception:
                parts.append(self._halves(renumbered))
        return np.concatenate(parts)

    def _misses(self, session: Session) -> Bools:
        from great_expectations.expectations.registry import get_metric_kwargs
        from great_expectations.validator.metric_configuration import MetricConfiguration

        name = f"{self.gx_object.map_metric}.condition"
        kwargs = get_metric_kwargs(metric_name=name, configuration=self.gx_object.configuration)
        domain = {**kwargs["metric_domain_kwargs"], "batch_id": _BATCH}
        metric = MetricConfiguration(
            name, metric_domain_kwargs=domain, metric_value_kwargs=kwargs["metric_value_kwargs"]
        )
        unexpected = session.compute([metric])[metric.id][0]
        misses = np.zeros(len(session.frame.data), np.bool_)
        misses[unexpected.index[unexpected.eq(True).to_numpy(np.bool_)].to_numpy()] = True
        return misses


@dataclass(frozen=True, slots=True)
class BatchCheck:
    """An expectation about the whole batch."""

    expectation: Expectation
    gx_object: Any
    fields: Sequence[pa.Field]

    def is_met(self, session: Session) -> bool:
        """Raises FatalError when the check is broken. A batch with a value on which GX fails does not meet it."""
        with gx.quietly():
            try:
                return self._is_met(session)
            except Exception as error:
                _still_works(self, error)
                return False

    def _is_met(self, session: Session) -> bool:
        runtime = {**_RUNTIME, "result_format": {"result_format": "BOOLEAN_ONLY"}}
        needed = self.gx_object.get_validation_dependencies(session.engine, dict(runtime))
        metrics = session.compute(list(needed.metric_configurations.values()))
        result = self.gx_object.metrics_validate(
            metrics, runtime_configuration=dict(runtime), execution_engine=session.engine
        )
        return bool(result.success)


def try_out(check: RowCheck | BatchCheck) -> bool:
    """Evaluate a check on values of ours, so that one that cannot work is found before the first event.

    Returns whether the batch of these values meets it. Raises ConfigurationError with what GX says.
    """
    arrays = {field.name: Column(sample(field)) for field in check.fields}
    rows = max((len(column) for column in arrays.values()), default=2)
    padded = {name: Column(pa.concat_arrays([c.array, c.array]).slice(0, rows)) for name, c in arrays.items()}
    try:
        with gx.quietly():
            session = Session(to_frame(padded.__getitem__, rows, check.fields))
            if isinstance(check, RowCheck):
                check._misses(session)
            met = BatchCheck(check.expectation, check.gx_object, check.fields)._is_met(session)
            ignored = _ignores_row_condition(check, session)
    except Exception as error:
        kinds = ", ".join(f"'{field.name}' ({field.type})" for field in check.fields)
        message = f"Great Expectations cannot evaluate this{f' on {kinds}' if kinds else ''}: {gx.brief(error)}"
        raise check.expectation.mistake(message) from None
    if ignored:
        message = "Great Expectations takes a row_condition here but cannot apply it (a defect of its metric)"
        raise check.expectation.mistake(message, "row_condition")
    return met


def _ignores_row_condition(check: RowCheck | BatchCheck, session: Session) -> bool:
    """Whether some metric is computed without the row condition that the expectation has."""
    if getattr(check.gx_object, "row_condition", None) is None:
        return False
    metrics = check.gx_object.get_validation_dependencies(session.engine, dict(_RUNTIME)).metric_configurations
    return any(metric.metric_domain_kwargs.get("row_condition") is None for metric in metrics.values())


def _still_works(check: RowCheck | BatchCheck, error: Exception) -> None:
    """Whether a check that failed is itself sound, so that values of the batch made it fail.

    Raises FatalError, without the text of the error, which may quote an event, when it is not.
    """
    try:
        try_out(check)
    except ConfigurationError:
        kind = type(error.__cause__ or error).__name__
        raise FatalError(
            f"expectation {check.expectation.id}: Great Expectations failed with {kind}. The check is broken, not"
            " the event: correct or remove it in the suite"
        ) from None
