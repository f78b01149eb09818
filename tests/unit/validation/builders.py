"""Suites, batches and the oracle, for the tests of validation."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stream.batch import Batch, Messages
from stream.errors import ConfigurationError
from stream.validation import Plan, Suite, compile_suite
from stream.validation.columns import Columns
from stream.validation.frames import to_frame
from stream.validation.gx import construct, quietly
from stream.validation.gx_checks import RowCheck, Session
from stream.validation.load import parse_suite


def expectation(kind: str, /, severity: str = "critical", meta: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    return {"type": f"expect_{kind}", "kwargs": kwargs, "meta": meta or {}, "severity": severity}


def suite_text(*expectations: Any, **more: Any) -> str:
    return json.dumps({"name": "events", "expectations": list(expectations), "meta": {}, **more}, indent=2)


def suite_of(*expectations: Any, **more: Any) -> Suite:
    return parse_suite("suite.json", suite_text(*expectations, **more))


def problems_of(*expectations: Any, **more: Any) -> list[str]:
    """What is wrong with a suite, without the places."""
    with pytest.raises(ConfigurationError) as caught:
        suite_of(*expectations, **more)
    return [problem.message for problem in caught.value.problems]


def schema_of(columns: Mapping[str, pa.Array], required: Sequence[str] = ()) -> pa.Schema:
    return pa.schema([pa.field(name, a.type, nullable=name not in required) for name, a in columns.items()])


def batch_of(columns: Mapping[str, pa.Array], required: Sequence[str] = ()) -> Batch:
    batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=schema_of(columns, required))
    return Batch(Messages.of([b""] * len(batch)), np.arange(len(batch)), batch)


def plan_of(columns: Mapping[str, pa.Array], *expectations: Any, required: Sequence[str] = ()) -> Plan:
    return compile_suite(suite_of(*expectations), schema_of(columns, required))


def compile_problems(columns: Mapping[str, pa.Array], *expectations: Any, required: Sequence[str] = ()) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        plan_of(columns, *expectations, required=required)
    return [problem.message for problem in caught.value.problems]


def missing_rows(plan: Plan, batch: Batch) -> list[int]:
    """Rows that miss a critical expectation."""
    missed = plan.evaluate(batch).critical.any()
    return [] if missed is None else np.flatnonzero(missed).tolist()


def oracle_rows(plan: Plan, batch: Batch) -> list[int]:
    """The same by Great Expectations' own condition metrics, for a plan of one expectation."""
    (check,) = plan.checks
    schema = batch.columns.schema
    gx_object = construct(check.expectation.type, check.expectation.arguments)
    with quietly():
        session = Session(to_frame(Columns(batch).__getitem__, len(batch), list(schema)))
        mask = RowCheck(check.expectation, gx_object, list(schema))._misses(session)
    return np.flatnonzero(mask).tolist()
