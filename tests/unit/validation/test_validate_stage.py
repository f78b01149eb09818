"""The stage: who is set aside, who is marked, what is counted; and the suite of the flights."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from unit.validation.builders import batch_of, expectation, schema_of, suite_text

from stream.batch import Batch, FailureClass, Messages
from stream.errors import ConfigurationError
from stream.stages.stage import Project, Stage
from stream.stages.validate import Settings, build
from stream.validation import Tier, load_suite, verify_with_gx
from stream.validation.compile import compile_suite

ROOT = Path(__file__).parents[3]
COLUMNS = {"a": pa.array([1, None, 50, 7]), "s": pa.array(["x", "y", "zz", None])}
ENTRIES = [
    expectation("column_values_to_not_be_null", column="a", meta={"rule_id": "a-there"}),
    expectation("column_values_to_be_between", column="a", max_value=10, meta={"rule_id": "a-small"}),
    expectation("column_value_lengths_to_equal", column="s", value=1, meta={"rule_id": "s-short"}),
    expectation("column_values_to_be_in_set", "warning", column="s", value_set=["x"], meta={"rule_id": "s-known"}),
    expectation("column_values_to_not_be_null", "warning", column="s", meta={"rule_id": "s-there"}),
    expectation("column_values_to_be_between", "info", column="a", max_value=5, meta={"rule_id": "a-tiny"}),
]


def stage(folder: Path, *entries: Any, columns: dict[str, pa.Array] = COLUMNS) -> Stage:
    (folder / "suites").mkdir(exist_ok=True)
    (folder / "suites" / "events.json").write_text(suite_text(*entries))
    settings = Settings(suite="suites/events.json")
    return build(settings, "validate", schema_of(columns), Project(folder))


def test_events_that_miss_a_critical_expectation_are_set_aside_with_all_the_ids(tmp_path: Path) -> None:
    result = stage(tmp_path, *ENTRIES).apply(batch_of(COLUMNS))
    assert result.batch.rows.tolist() == [0, 3]
    assert [(f.row, f.stage, f.kind, f.reason, f.detail, f.facts) for f in result.failures] == [
        (
            1,
            "validate",
            FailureClass.POISON,
            "expectation",
            "1 of 3 critical expectations not met",
            {"suite": "events", "expectations": "a-there"},
        ),
        (
            2,
            "validate",
            FailureClass.POISON,
            "expectation",
            "2 of 3 critical expectations not met",
            {"suite": "events", "expectations": "a-small,s-short"},
        ),
    ]


def test_events_that_pass_are_marked_with_their_warnings_and_info_only_counts(tmp_path: Path) -> None:
    result = stage(tmp_path, *ENTRIES).apply(batch_of(COLUMNS))
    assert result.batch.warnings == {3: ("s-there",)}
    assert result.warnings == {("events", "s-there"): 1, ("events", "a-tiny"): 1}


def test_rows_are_reported_as_the_messages_they_came_from(tmp_path: Path) -> None:
    whole = batch_of(COLUMNS)
    batch = Batch(Messages.of([b""] * 50), np.array([4, 9, 30, 49]), whole.columns)
    result = stage(tmp_path, *ENTRIES).apply(batch)
    assert [failure.row for failure in result.failures] == [9, 30]
    assert result.batch.warnings == {49: ("s-there",)}


def test_marks_of_earlier_stages_are_kept_and_not_repeated(tmp_path: Path) -> None:
    whole = batch_of(COLUMNS)
    batch = Batch(whole.messages, whole.rows, whole.columns, {0: ("earlier",), 3: ("earlier", "s-there")})
    result = stage(tmp_path, *ENTRIES).apply(batch)
    assert result.batch.warnings == {0: ("earlier",), 3: ("earlier", "s-there")}


def test_a_batch_that_misses_nothing_goes_through_untouched(tmp_path: Path) -> None:
    batch = batch_of(COLUMNS).slice(0, 1)
    result = stage(tmp_path, *ENTRIES).apply(batch)
    assert result.batch is batch
    assert result.failures == []
    assert not result.warnings


def test_an_expectation_about_the_batch_is_counted_once_and_sets_nobody_aside(tmp_path: Path) -> None:
    entry = expectation("column_values_to_be_unique", column="a", meta={"rule_id": "a-unique"})
    columns = {"a": pa.array([1, 1, 2])}
    result = stage(tmp_path, entry, columns=columns).apply(batch_of(columns))
    assert len(result.batch) == 3
    assert result.batch.warnings == {}
    assert result.warnings == {("events", "a-unique"): 1}


def test_an_empty_batch_is_answered(tmp_path: Path) -> None:
    result = stage(tmp_path, *ENTRIES).apply(batch_of(COLUMNS).slice(0, 0))
    assert len(result.batch) == 0
    assert result.failures == []


def test_mistakes_keep_their_place_in_the_suite_and_name_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        stage(tmp_path, expectation("column_values_to_be_null", column="aa"))
    (problem,) = caught.value.problems
    assert problem.at == ("suite",)
    assert problem.place == f"{tmp_path}/suites/events.json:7:9"


def test_a_suite_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"suites/none\.json: cannot read the suite: No such file"):
        build(Settings(suite="suites/none.json"), "validate", schema_of(COLUMNS), Project(tmp_path))


# --- the suite of the flights

FLIGHT = schema_of(
    {
        "dep_delay": pa.array([], pa.float64()),
        "air_time": pa.array([], pa.float64()),
        "distance": pa.array([], pa.float64()),
        "hour": pa.array([], pa.int32()),
        "origin": pa.array([], pa.string()),
        "carrier": pa.array([], pa.string()),
    },
    required=("distance", "hour", "origin", "carrier"),
)
GOOD = {"dep_delay": 2.0, "air_time": 90.0, "distance": 500.0, "hour": 6, "origin": "JFK", "carrier": "B6"}


def test_the_suite_of_the_flights_is_one_of_gx_and_compiled_as_a_whole() -> None:
    suite = load_suite(ROOT / "suites" / "departed-flight.json")
    verify_with_gx(suite)
    plan = compile_suite(suite, FLIGHT)
    assert {check.tier for check in plan.checks} == {Tier.COMPILED}
    assert plan.critical == 7


@pytest.mark.parametrize(
    ("changed", "ids"),
    [
        ({}, ""),
        (
            {"dep_delay": None},
            "expect_column_values_to_not_be_null(dep_delay)",
        ),
        ({"air_time": None}, "expect_column_values_to_not_be_null(air_time)"),
        ({"distance": 9.9}, "expect_column_values_to_be_between(distance)"),
        ({"distance": 10.0}, ""),
        ({"distance": 6000.5}, "expect_column_values_to_be_between(distance)"),
        ({"hour": 24}, "expect_column_values_to_be_between(hour)"),
        ({"origin": "BOS"}, "expect_column_values_to_be_in_set(origin)"),
        ({"carrier": "b6"}, "expect_column_values_to_match_regex(carrier)"),
        ({"carrier": "AAL"}, "expect_column_values_to_match_regex(carrier)"),
        ({"dep_delay": 1500.5}, "dep_delay_is_plausible"),
        (
            {"dep_delay": -121.0, "hour": -1},
            "expect_column_values_to_be_between(hour),dep_delay_is_plausible",
        ),
        ({"dep_delay": 361.0}, ""),
    ],
)
def test_the_rules_of_a_departed_flight(changed: dict[str, Any], ids: str) -> None:
    settings = Settings(suite="suites/departed-flight.json")
    validate = build(settings, "validate", FLIGHT, Project(ROOT / "pipelines"))
    columns = pa.RecordBatch.from_pylist([{**GOOD, **changed}], schema=FLIGHT)
    result = validate.apply(Batch(Messages.of([b""]), np.arange(1), columns))
    assert [failure.facts["expectations"] for failure in result.failures] == ([ids] if ids else [])
    late = changed == {"dep_delay": 361.0}
    assert result.batch.warnings == ({0: ("dep_delay_is_at_most_6_hours",)} if late else {})
