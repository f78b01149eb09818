"""What Great Expectations evaluates: its full validation as the oracle, custom classes, values on which it fails."""

import logging
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from unit.validation.builders import batch_of, expectation, missing_rows, plan_of

from stream.batch import Batch
from stream.validation import Tier
from stream.validation.columns import Columns
from stream.validation.frames import to_frame
from stream.validation.gx import great_expectations, quietly

RANDOM = random.Random(7)
N = 120


def pick(*values: Any) -> list[Any]:
    return [RANDOM.choice(values) for _ in range(N)]


COLUMNS = {
    "i": pa.array(pick(*range(-3, 9), None)),
    "j": pa.array(pick(*range(-3, 9), None), pa.int32()),
    "k": pa.array(pick(*range(-3, 9))),
    "f": pa.array(pick(0.1, 0.2, -0.0, float("nan"), float("inf"), None, 5.5)),
    "g": pa.array(pick(0.1, 0.2, 0.3, None)),
    "s": pa.array(pick("a", "AB", "é", "", "ab\n", "2024-1-1", "nan", "12", None)),
    "t": pa.array(pick("a", "AB", "x", None)),
    "b": pa.array(pick(True, False, None)),
    "m": pa.array(pick(0, 10**12, 2 * 10**12, None), pa.int64()).cast(pa.timestamp("ms", "UTC")),
    "d": pa.array(pick(0, 10_000, 20_000, None), pa.int32()).cast(pa.date32()),
    "r": pa.array(pick({"x": 1}, {"x": 7}, {"x": None}, None)),
    "n": pa.array(pick('{"a": 1}', "[]", "3", '"x"', None)),
}
REQUIRED = ("k",)
IF_A = {"type": "comparison", "column": {"name": "t"}, "operator": "==", "parameter": "a"}
NOT_A = {"type": "comparison", "column": {"name": "t"}, "operator": "!=", "parameter": "a"}
BOTH = {"type": "and", "conditions": [NOT_A, {"type": "nullity", "column": {"name": "i"}, "is_null": False}]}
PAIR = {"column_A": "i", "column_B": "j"}

ROW_EXPECTATIONS = [
    expectation("column_values_to_not_be_null", column="i"),
    expectation("column_values_to_be_null", column="f"),
    expectation("column_values_to_not_be_null", column="r"),
    expectation("column_values_to_be_between", column="i", min_value=0, max_value=5, strict_max=True),
    expectation("column_values_to_be_between", column="j", min_value=0.5),
    expectation("column_values_to_be_between", column="k", max_value=5.0),
    expectation("column_values_to_be_between", column="f", min_value=0.1, strict_min=True),
    expectation("column_values_to_be_between", column="r.x", min_value=2),
    expectation("column_values_to_be_between", column="m", min_value="2001-09-09T01:46:40Z", strict_min=True),
    expectation("column_values_to_be_between", column="d", min_value="1990-01-01"),
    expectation("column_values_to_be_between", column="b", min_value=1),
    expectation("column_values_to_be_between", column="i", min_value=3, row_condition=IF_A),
    expectation("column_values_to_be_between", column="i", min_value=3, row_condition=NOT_A),
    expectation("column_values_to_be_between", column="i", min_value=3, row_condition=BOTH),
    expectation("column_values_to_be_in_set", column="i", value_set=[1, 2, 3]),
    expectation("column_values_to_be_in_set", column="f", value_set=[0.0, 0.1]),
    expectation("column_values_to_be_in_set", column="s", value_set=["a", "nan", None]),
    expectation("column_values_to_not_be_in_set", column="s", value_set=["a", "nan"]),
    expectation("column_values_to_not_be_in_set", column="m", value_set=["1970-01-01T00:00:00+00:00"]),
    expectation("column_values_to_match_regex", column="s", regex=r"^\w+$"),
    expectation("column_values_to_match_regex", column="i", regex=r"^\d$"),
    expectation("column_values_to_not_match_regex", column="s", regex="[a-c]"),
    expectation("column_values_to_match_regex_list", column="s", regex_list=["a", "b$"], match_on="all"),
    expectation("column_values_to_not_match_regex_list", column="s", regex_list=["^a", "é"]),
    expectation("column_value_lengths_to_be_between", column="s", min_value=1, max_value=2),
    expectation("column_value_lengths_to_equal", column="j", value=1),
    expectation("column_values_to_be_dateutil_parseable", column="s"),
    expectation("column_values_to_match_strftime_format", column="s", strftime_format="%Y-%m-%d"),
    expectation("column_values_to_be_json_parseable", column="s"),
    expectation("column_values_to_match_json_schema", column="n", json_schema={"type": "object"}),
    expectation("column_pair_values_a_to_be_greater_than_b", **PAIR),
    expectation("column_pair_values_a_to_be_greater_than_b", **PAIR, or_equal=True, ignore_row_if="neither"),
    expectation("column_pair_values_to_be_equal", **PAIR, ignore_row_if="either_value_is_missing"),
    expectation("column_pair_values_to_be_equal", column_A="i", column_B="k"),
    expectation("column_pair_values_to_be_equal", column_A="i", column_B="i"),
    expectation("column_pair_values_to_be_equal", column_A="s", column_B="t"),
    expectation("column_pair_values_to_be_in_set", column_A="t", column_B="b", value_pairs_set=[["a", True]]),
    expectation("multicolumn_sum_to_equal", column_list=["f", "g"], sum_total=0.3),
    expectation("multicolumn_sum_to_equal", column_list=["i", "j"], sum_total=3, ignore_row_if="any_value_is_missing"),
    expectation("multicolumn_values_to_be_equal", column_list=["s", "t"]),
    expectation("select_column_values_to_be_unique_within_record", column_list=["i", "j", "k"]),
]


@pytest.fixture(scope="module")
def batch() -> Batch:
    return batch_of(COLUMNS, REQUIRED)


@pytest.fixture(scope="module")
def full_validation(batch: Batch) -> Iterator[Any]:
    """GX itself, by its public API: the rows that `batch.validate` lists for an expectation."""
    library = great_expectations()
    from stream.batch import resolve

    paths = [*COLUMNS, "r.x"]
    fields = [resolve(batch.columns.schema, path) for path in paths]
    with quietly():
        frame = to_frame(Columns(batch).__getitem__, len(batch), fields).data
        context = library.get_context(mode="ephemeral")
        asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
        definition = asset.add_batch_definition_whole_dataframe("b")
        gx_batch = definition.get_batch({"dataframe": frame})

        def listed(entry: Any) -> list[int]:
            suite = library.ExpectationSuite(name="s", expectations=[entry])
            form = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
            (result,) = gx_batch.validate(suite, result_format=form).results
            assert result.exception_info["raised_exception"] is False
            return sorted(result.result["unexpected_index_list"])

        yield listed


def name_of(entry: Any) -> str:
    return entry["type"].removeprefix("expect_")


@pytest.mark.parametrize("entry", ROW_EXPECTATIONS, ids=name_of)
def test_the_missing_rows_are_those_that_a_full_validation_lists(
    entry: Any, batch: Batch, full_validation: Any
) -> None:
    plan = plan_of(COLUMNS, entry, required=REQUIRED)
    assert plan.checks[0].tier in (Tier.COMPILED, Tier.GX)
    with quietly():
        assert missing_rows(plan, batch) == full_validation(entry)


@pytest.mark.parametrize("entry", ROW_EXPECTATIONS, ids=name_of)
def test_the_verdict_on_a_row_does_not_depend_on_the_batch_it_is_in(entry: Any, batch: Batch) -> None:
    plan = plan_of(COLUMNS, entry, required=REQUIRED)
    whole = missing_rows(plan, batch)
    for size in (1, 7):
        cuts = range(0, 21 if size == 1 else N, size)
        parts = [batch.slice(start, min(start + size, N)) for start in cuts]
        found = [start + row for start, part in zip(cuts, parts, strict=True) for row in missing_rows(plan, part)]
        assert found == [row for row in whole if row < cuts[-1] + size]


# --- custom expectations


@pytest.fixture(scope="module")
def custom() -> Iterator[None]:
    """Two classes of a user's: one with preset fields, one with a metric of its own."""
    great_expectations()
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations import registry
    from great_expectations.expectations.core import ExpectColumnValuesToBeBetween
    from great_expectations.expectations.expectation import ColumnMapExpectation
    from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial

    class ExpectPassengersToBeLegal(ExpectColumnValuesToBeBetween):
        column: str = "passengers"
        min_value: float = 1
        max_value: float = 6

    class ColumnValuesEven(ColumnMapMetricProvider):
        condition_metric_name = "column_values.even"

        @column_condition_partial(engine=PandasExecutionEngine)
        def _pandas(cls, column: Any, **kwargs: Any) -> Any:  # noqa: N805 (GX's convention)
            return column % 2 == 0

    class ExpectColumnValuesToBeEven(ColumnMapExpectation):
        map_metric = "column_values.even"

    yield
    for name in ("expect_passengers_to_be_legal", "expect_column_values_to_be_even"):
        del registry._registered_expectations[name]


@pytest.mark.usefixtures("custom")
def test_a_custom_class_is_evaluated_by_its_fields_and_not_by_its_name() -> None:
    columns = {"passengers": pa.array([0, 3, 7, None])}
    plan = plan_of(columns, {"type": "expect_passengers_to_be_legal", "kwargs": {}})
    assert plan.checks[0].tier is Tier.GX
    assert missing_rows(plan, batch_of(columns)) == [0, 2]


@pytest.mark.usefixtures("custom")
def test_a_custom_metric_runs_unchanged() -> None:
    columns = {"a": pa.array([0, 3, 7, None])}
    plan = plan_of(columns, expectation("column_values_to_be_even", column="a"))
    assert missing_rows(plan, batch_of(columns)) == [1, 2]


def test_a_custom_class_under_the_name_of_a_core_one_is_not_compiled() -> None:
    great_expectations()
    from great_expectations.expectations import core, registry

    name = "expect_column_values_to_be_between"
    original = registry._registered_expectations[name]
    try:

        class ExpectColumnValuesToBeBetween(core.ExpectColumnValuesToBeBetween):
            max_value: float = 2

        columns = {"a": pa.array([1, 3])}
        plan = plan_of(columns, {"type": name, "kwargs": {"column": "a", "min_value": 0}})
        assert plan.checks[0].tier is Tier.GX
        assert missing_rows(plan, batch_of(columns)) == [1]
    finally:
        registry._registered_expectations[name] = original


# --- values on which GX fails


def test_a_value_on_which_gx_fails_misses_alone() -> None:
    """GX turns bytes into text, which fails for the whole column where one value is not UTF-8."""
    values = [b"1"] * 20
    for bad in (3, 11, 12):
        values[bad] = b"\xff"
    columns = {"a": pa.array(values)}
    plan = plan_of(columns, expectation("column_values_to_match_regex", column="a", regex="1"))
    assert plan.checks[0].tier is Tier.GX
    assert missing_rows(plan, batch_of(columns)) == [3, 11, 12]
    assert missing_rows(plan, batch_of(columns).slice(3, 4)) == [0]


def test_a_batch_with_a_value_on_which_gx_fails_does_not_meet_a_batch_expectation() -> None:
    columns = {"a": pa.array([2**62, -(2**62)], pa.int64()).cast(pa.timestamp("ms", "UTC"))}
    plan = plan_of(columns, expectation("column_values_to_be_increasing", column="a"))
    assert plan.evaluate(batch_of(columns)).batch == ("expect_column_values_to_be_increasing(a)",)


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_a_time_outside_the_day_misses_and_does_not_stop_the_worker(unit: str) -> None:
    type_ = pa.time32("ms") if unit == "ms" else pa.time64("us")
    integer = pa.int32() if unit == "ms" else pa.int64()
    columns = {"a": pa.array([0, -1, 86_400_000 if unit == "ms" else 86_400_000_000, None], integer).cast(type_)}
    plan = plan_of(columns, expectation("column_values_to_match_regex", column="a", regex="^00"))
    assert missing_rows(plan, batch_of(columns)) == [1, 2]


# --- the process around it


def test_nothing_of_gx_reaches_the_log() -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        columns = {"a": pa.array([b"\xff", b"1"])}
        plan = plan_of(columns, expectation("column_values_to_match_regex", column="a", regex="(1)", mostly=0.9))
        plan.evaluate(batch_of(columns))
    finally:
        logging.getLogger().removeHandler(handler)
    assert records == []


def test_a_check_of_gx_emits_no_warning() -> None:
    columns = {"a": pa.array(["1", "2"])}
    entry = expectation("column_values_to_match_regex", column="a", regex="(1)", mostly=0.9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert plan_of(columns, entry).evaluate(batch_of(columns)).batch != ()
    assert caught == []


def test_no_frame_is_kept_after_a_batch() -> None:
    import gc
    import weakref

    columns = {"a": pa.array([b"1", b"1"])}
    plan = plan_of(columns, expectation("column_values_to_match_regex", column="a", regex="1"))
    frame = to_frame(Columns(batch_of(columns)).__getitem__, 2, [pa.field("a", pa.binary())])
    kept = weakref.ref(frame.data)
    from stream.validation.gx_checks import Session

    row_check = plan.checks[0].row_check
    assert row_check is not None
    assert not np.any(row_check.misses(Session(frame)))
    del frame
    gc.collect()
    assert kept() is None
