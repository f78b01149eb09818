"""A plan: who decides, what severity does, what is said of whole batches and how often."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from unit.validation.builders import (
    batch_of,
    compile_problems,
    expectation,
    missing_rows,
    plan_of,
    schema_of,
    suite_of,
    suite_text,
)

from stream.errors import ConfigurationError
from stream.validation import Misses, Tier, compile_suite
from stream.validation.columns import Column
from stream.validation.frames import sample, to_frame
from stream.validation.gx import construct, great_expectations, quietly
from stream.validation.gx_checks import BatchCheck, Session
from stream.validation.kinds import SCHEMA_TABLES, TYPE_CHECKS, UNUSABLE, type_names
from stream.validation.rules import RULES

COLUMN_X = '        "column": "x"'
NOT_NULL = expectation("column_values_to_not_be_null", column="a")


def test_a_verdict_names_what_each_row_misses_in_suite_order_by_severity() -> None:
    columns = {"a": pa.array([1, None, 50, 7]), "s": pa.array(["x", "y", "zz", "x"])}
    plan = plan_of(
        columns,
        expectation("column_values_to_be_between", column="a", max_value=10),
        expectation("column_values_to_be_in_set", "warning", column="s", value_set=["x"]),
        expectation("column_value_lengths_to_equal", column="s", value=1),
        expectation("column_values_to_be_between", "info", column="a", max_value=5),
        NOT_NULL,
    )
    verdict = plan.evaluate(batch_of(columns))
    assert [verdict.critical.of(row) for row in range(4)] == [
        (),
        ("expect_column_values_to_not_be_null(a)",),
        (plan.checks[0].expectation.id, "expect_column_value_lengths_to_equal(s)"),
        (),
    ]
    assert [verdict.warning.of(row) != () for row in range(4)] == [False, True, True, False]
    assert [verdict.info.of(row) != () for row in range(4)] == [False, False, True, True]
    assert plan.critical == 3


def test_a_batch_without_misses_has_no_masks() -> None:
    columns = {"a": pa.array([1, 2])}
    verdict = plan_of(columns, NOT_NULL).evaluate(batch_of(columns))
    assert verdict.critical.any() is None
    assert list(verdict.critical.groups()) == []
    assert verdict.critical.of(0) == ()


def test_an_empty_batch_is_evaluated() -> None:
    columns = {"a": pa.array([1]), "b": pa.array([b"x"])}
    text = expectation("column_values_to_match_regex", column="b", regex="x")
    mean = expectation("column_mean_to_be_between", column="a", min_value=5)
    verdict = plan_of(columns, NOT_NULL, text, mean).evaluate(batch_of(columns).slice(0, 0))
    assert verdict.critical.any() is None
    assert verdict.batch == ()


@pytest.mark.parametrize("number", [1, 63, 64, 65, 130])
def test_any_number_of_expectations_is_told_apart(number: int) -> None:
    columns = {"a": pa.array([0, number // 2, number, -1])}
    entries = [expectation("column_values_to_be_between", column="a", min_value=i) for i in range(number)]
    plan = plan_of(columns, *entries)
    verdict = plan.evaluate(batch_of(columns))
    ids = [check.expectation.id for check in plan.checks]
    assert [len(verdict.critical.of(row)) for row in range(4)] == [number - 1, number - 1 - number // 2, 0, number]
    assert verdict.critical.of(1) == tuple(ids[number // 2 + 1 :])
    grouped = {row: found for found, group in verdict.critical.groups() for row in group.tolist()}
    assert grouped == {row: found for row in range(4) if (found := verdict.critical.of(row))}


def test_groups_may_be_asked_for_some_rows_only() -> None:
    misses = Misses(["x", "y"], 4)
    misses.add(0, np.array([True, True, False, False]))
    misses.add(1, np.array([False, True, False, True]))
    among = np.array([False, True, True, True])
    assert [(ids, rows.tolist()) for ids, rows in misses.groups(among)] == [(("y",), [3]), (("x", "y"), [1])]


def test_the_plan_says_who_decides_and_why() -> None:
    columns = {"a": pa.array([1]), "s": pa.array(["x"]), "d": pa.array([0], pa.date32())}
    plan = plan_of(
        columns,
        NOT_NULL,
        expectation("column_values_to_match_regex", "warning", column="d", regex="^2"),
        expectation("column_mean_to_be_between", column="a", min_value=0),
        expectation("column_values_to_be_between", "info", column="a", min_value=0, mostly=0.9),
        expectation("column_values_to_be_of_type", column="s", type_="str"),
    )
    batch_note = "so it never sets an event aside; evaluated as often as 5% of the time allows"
    assert plan.explain() == [
        "expect_column_values_to_not_be_null(a): compiled, critical: a is int64",
        "expect_column_values_to_match_regex(d): gx, warning: patterns on date32[day] are not compiled",
        f"expect_column_mean_to_be_between(a): batch, critical: about the batch as a whole, {batch_note}",
        "  note: critical, and yet only counted and warned of",
        f"expect_column_values_to_be_between(a): batch, info: at least 0.9 of a batch, {batch_note}",
        "expect_column_values_to_be_of_type(s): schema, critical: s is string",
    ]


def test_fields_of_records_and_meta_columns_are_checked() -> None:
    columns = {"engine": pa.array([{"power": 3, "fuel": {"kind": "a"}}, {"power": 30, "fuel": None}])}
    plan = plan_of(
        columns,
        expectation("column_values_to_be_between", column="engine.power", max_value=10),
        expectation("column_values_to_not_be_null", column="engine.fuel.kind"),
        expectation("column_values_to_be_between", column="_offset", max_value=0),
        expectation("column_values_to_match_regex", column="_partition", regex="^1$"),
        expectation("column_values_to_be_in_set", column="_topic", value_set=["input"]),
    )
    verdict = plan.evaluate(batch_of(columns))
    assert [len(verdict.critical.of(row)) for row in range(2)] == [1, 4]


# --- expectations about batches


BATCH_SCOPED = [
    expectation("column_values_to_be_unique", column="a"),
    expectation("column_values_to_be_increasing", column="a"),
    expectation("column_values_to_be_decreasing", column="a"),
    expectation("column_value_z_scores_to_be_less_than", column="a", threshold=0.1, double_sided=True),
    expectation("column_values_to_not_be_outliers", column="a"),
    expectation("compound_columns_to_be_unique", column_list=["a", "b"]),
    expectation("column_mean_to_be_between", column="a", min_value=50),
    expectation("table_row_count_to_equal", value=4),
    expectation("column_values_to_be_between", column="a", max_value=3, mostly=0.9),
]


@pytest.mark.parametrize("entry", BATCH_SCOPED, ids=lambda entry: entry["type"])
def test_an_expectation_about_a_batch_never_rejects_an_event_and_is_reported(entry: Any) -> None:
    columns = {"a": pa.array([1, 2, 2, 1, 99]), "b": pa.array([1, 2, 2, 1, 1])}
    plan = plan_of(columns, entry)
    assert plan.checks[0].tier is Tier.BATCH
    verdict = plan.evaluate(batch_of(columns))
    assert verdict.critical.any() is None
    assert verdict.batch == (plan.checks[0].expectation.id,)


def test_mostly_tolerates_rows_while_the_batch_meets_the_ratio() -> None:
    def missed(values: list[int | None]) -> bool:
        columns = {"a": pa.array(values)}
        entry = expectation("column_values_to_be_between", column="a", max_value=3, mostly=0.75)
        return plan_of(columns, entry).evaluate(batch_of(columns)).batch != ()

    assert not missed([1, 2, 3, 9])
    assert missed([1, 2, 9, 9])
    assert not missed([1, 2, 3, 9, None])
    assert missed([1, 2, 9, None])


def test_mostly_1_is_a_row_expectation() -> None:
    columns = {"a": pa.array([1, 9])}
    plan = plan_of(columns, expectation("column_values_to_be_between", column="a", max_value=3, mostly=1.0))
    assert missing_rows(plan, batch_of(columns)) == [1]


def test_batch_expectations_are_bounded_to_their_share_of_the_time() -> None:
    columns = {"a": pa.array([1.0, 2.0])}
    now = 0.0
    steps: list[float] = []

    def clock() -> float:
        nonlocal now
        now += steps.pop(0) if steps else 0.0
        return now

    entry = expectation("column_mean_to_be_between", column="a", min_value=5)
    plan = compile_suite(suite_of(entry), schema_of(columns), clock=clock)

    def seen(*advance: float) -> bool:
        steps[:] = advance
        return plan.evaluate(batch_of(columns)).batch != ()

    assert seen(0.0, 0.01)  # takes 10 ms, so nothing more for 190 ms
    assert not seen(0.1)
    assert not seen(0.08)
    assert seen(0.02, 1.0)  # takes a second, so nothing for 19
    assert not seen(18.9)
    assert seen(0.2)


def test_row_verdicts_do_not_wait_for_the_share_of_batch_expectations() -> None:
    columns = {"a": pa.array([1.0, None])}
    ticks: Iterator[int] = count(0, 1)
    suite = suite_of(NOT_NULL, expectation("column_mean_to_be_between", column="a", min_value=5))
    plan = compile_suite(suite, schema_of(columns), clock=lambda: float(next(ticks)))
    assert [missing_rows(plan, batch_of(columns)) for _ in range(3)] == [[1]] * 3


# --- the schema decides


@pytest.mark.parametrize(
    ("entry", "met"),
    [
        (expectation("column_to_exist", column="a"), True),
        (expectation("column_to_exist", column="r.x"), True),
        (expectation("column_to_exist", column="c"), False),
        (expectation("column_to_exist", column="r", column_index=2), True),
        (expectation("column_to_exist", column="a", column_index=1), False),
        (expectation("table_column_count_to_equal", value=3), True),
        (expectation("table_column_count_to_be_between", min_value=4), False),
        (expectation("table_columns_to_match_ordered_list", column_list=["a", "b", "r"]), True),
        (expectation("table_columns_to_match_ordered_list", column_list=["b", "a", "r"]), False),
        (expectation("table_columns_to_match_set", column_set=["r", "b", "a"]), True),
        (expectation("table_columns_to_match_set", column_set=["b"], exact_match=False), True),
        (expectation("table_columns_to_match_set", column_set=["b"]), False),
    ],
)
def test_expectations_about_the_columns_as_such_are_decided_once(entry: Any, met: bool) -> None:
    columns = {"a": pa.array([1]), "b": pa.array(["x"]), "r": pa.array([{"x": 1}])}
    if met:
        plan = plan_of(columns, entry)
        assert plan.checks[0].tier is Tier.SCHEMA
        assert plan.evaluate(batch_of(columns)).batch == ()
    else:
        assert len(compile_problems(columns, entry)) == 1


TYPES = [
    pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float32(),
    pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.binary(3), pa.date32(), pa.time32("ms"), pa.time64("us"),
    pa.decimal128(9, 2), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ms", "UTC"),
    pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC"), pa.list_(pa.int64()), pa.struct([("x", pa.int64())]),
]  # fmt: skip


OTHERS = {"int64", "int32", "float64", "float32", "bool", "str", "bytes", "Timestamp", "datetime64", "Decimal", "date"}


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_the_names_of_a_type_are_those_that_gx_takes_for_its_pandas_column(type_: pa.DataType) -> None:
    """For a required column, by at least one of GX's three expectations about types; it takes no other's name."""
    field = pa.field("a", type_, nullable=False)
    (placeholder,) = suite_of(NOT_NULL).expectations
    with quietly():
        session = Session(to_frame(lambda _: Column(sample(field)), 2, [field]))

        def takes(name: str, kind: str, argument: str) -> bool:
            value = [name] if argument == "type_list" else name
            check = BatchCheck(placeholder, construct(kind, {"column": "a", argument: value}), [])
            try:
                return check._is_met(session)
            except Exception:  # a name that the expectation does not know
                return False

        own = set(type_names(type_))
        for name in sorted(own | OTHERS):
            assert any(takes(name, *way) for way in TYPE_CHECKS.items()) == (name in own), name


def test_every_expectation_of_gx_has_its_place() -> None:
    """A new release may bring more: each of them must be looked at before a suite may use it."""
    registry = great_expectations().expectations.registry
    own = [n for n in registry.list_registered_expectation_implementations()
           if registry.get_expectation_impl(n).__module__.startswith("great_expectations.")]  # fmt: skip
    assert len(own) == 59
    assert set(RULES) | set(UNUSABLE) | set(SCHEMA_TABLES) | set(TYPE_CHECKS) <= set(own)
    columns = {"a": pa.array([1.0, 2.0]), "b": pa.array([1.0, 3.0]), "s": pa.array(["x", "y"])}
    examples = [
        expectation("column_distinct_values_to_be_in_set", column="a", value_set=[1]),
        expectation("column_distinct_values_to_contain_set", column="a", value_set=[1]),
        expectation("column_distinct_values_to_equal_set", column="a", value_set=[1]),
        expectation("column_kl_divergence_to_be_less_than", column="a", threshold=0.1,
                    partition_object={"bins": [0, 1, 2], "weights": [0.5, 0.5]}),
        *(expectation(f"column_{kind}_to_be_between", column="a", min_value=0)
          for kind in ("max", "mean", "median", "min", "stdev", "sum", "unique_value_count",
                       "proportion_of_unique_values", "proportion_of_non_null_values")),
        expectation("column_most_common_value_to_be_in_set", column="a", value_set=[1]),
        expectation("column_quantile_values_to_be_between", column="a",
                    quantile_ranges={"quantiles": [0.5], "value_ranges": [[0, 1]]}),
        expectation("table_row_count_to_be_between", min_value=1),
        *BATCH_SCOPED[:8],
    ]  # fmt: skip
    rows = [
        expectation("column_pair_values_to_be_in_set", column_A="a", column_B="b", value_pairs_set=[[1, 1]]),
        expectation("multicolumn_values_to_be_equal", column_list=["a", "b"]),
        expectation("select_column_values_to_be_unique_within_record", column_list=["a", "b"]),
    ]
    tiers = {check.expectation.type: check.tier for check in plan_of(columns, *examples, *rows).checks}
    assert {tier for type_, tier in tiers.items() if type_ in {e["type"] for e in examples}} == {Tier.BATCH}
    assert {tier for type_, tier in tiers.items() if type_ in {e["type"] for e in rows}} == {Tier.GX}
    assert set(own) == {*tiers, *RULES, *UNUSABLE, *SCHEMA_TABLES, *TYPE_CHECKS}


def test_problems_of_all_expectations_are_reported_at_once_with_their_places() -> None:
    entries = [
        expectation("column_values_to_not_be_null", column="x"),
        expectation("column_values_to_be_between", column="s", min_value=3),
        expectation("column_mean_to_be_between", column="s", min_value=3),
    ]
    with pytest.raises(ConfigurationError) as caught:
        plan_of({"s": pa.array(["x"])}, *entries)
    lines = suite_text(*entries).splitlines()
    first, second, third = caught.value.problems
    assert first.place == f"suite.json:{lines.index(COLUMN_X) + 1}:9"
    assert second.place.startswith("suite.json:")
    assert "cannot evaluate this on 's' (string): MetricResolutionError" in third.message
