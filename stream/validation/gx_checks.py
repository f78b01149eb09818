"""Expectations that Great Expectations evaluates: its row conditions, and its verdicts on whole batches.

Row checks ask only for `<map_metric>.condition`, through GX's MetricsCalculator on an engine of our own: the
same code that decides in a full validation, without hashing the frame and assembling results, 7 to 14 times
faster. MetricsCalculator and get_metric_kwargs are not public API: hence `great-expectations<2`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from stream.errors import ConfigurationError, FatalError
from stream.validation import gx
from stream.validation.columns import Bools, Column
from stream.validation.frames import Frame, sample, to_frame
from stream.validation.suite import Expectation

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
        """Raises FatalError when GX fails: a check that is broken says nothing of the events."""
        misses: Bools = _guarded(self.expectation, lambda: self._misses(session))
        for field in self.fields:
            if field.name in session.frame.unreadable:
                misses |= session.frame.unreadable[field.name]
        return misses

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
        """Raises FatalError when GX fails."""
        met: bool = _guarded(self.expectation, lambda: self._is_met(session))
        return met

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

    Returns the verdict of a batch check. Raises ConfigurationError with what GX says.
    """
    arrays = {field.name: Column(sample(field)) for field in check.fields}
    rows = max((len(column) for column in arrays.values()), default=2)
    padded = {name: Column(pa.concat_arrays([c.array, c.array]).slice(0, rows)) for name, c in arrays.items()}
    try:
        with gx.quietly():
            session = Session(to_frame(padded.__getitem__, rows, check.fields))
            if isinstance(check, BatchCheck):
                return check._is_met(session)
            check._misses(session)
    except Exception as error:
        kinds = ", ".join(f"'{field.name}' ({field.type})" for field in check.fields)
        message = f"Great Expectations cannot evaluate this{f' on {kinds}' if kinds else ''}: {gx.brief(error)}"
        raise ConfigurationError([check.expectation.problem(message)]) from None
    return True


def _guarded(expectation: Expectation, evaluate: Callable[[], Any]) -> Any:
    try:
        with gx.quietly():
            return evaluate()
    except Exception as error:
        kind = type(error.__cause__ or error).__name__
        raise FatalError(
            f"expectation {expectation.id}: Great Expectations failed with {kind}. The check is broken, not the"
            " event: correct or remove it in the suite"
        ) from None
