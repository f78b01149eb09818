"""What surprises users of Great Expectations, one test each: what this product does about it."""

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest
from unit.validation.builders import (
    batch_of,
    compile_problems,
    expectation,
    missing_rows,
    oracle_rows,
    plan_of,
    problems_of,
)

from stream.errors import FatalError
from stream.validation import Plan, Tier

INF, NAN = float("inf"), float("nan")


def rows(columns: dict[str, pa.Array], kind: str, /, required: tuple[str, ...] = (), **kwargs: Any) -> list[int]:
    """Rows that miss the expectation; GX says the same."""
    plan, batch = plan_of(columns, expectation(kind, **kwargs), required=required), batch_of(columns, required)
    assert missing_rows(plan, batch) == oracle_rows(plan, batch)
    return missing_rows(plan, batch)


def tier(columns: dict[str, pa.Array], kind: str, /, required: tuple[str, ...] = (), **kwargs: Any) -> Tier:
    return plan_of(columns, expectation(kind, **kwargs), required=required).checks[0].tier


# --- nulls


def test_a_null_never_misses_except_where_nulls_are_asked_for() -> None:
    columns = {"a": pa.array([None, NAN, 1.0])}
    assert rows(columns, "column_values_to_be_between", column="a", min_value=5) == [2]
    assert rows(columns, "column_values_to_not_be_null", column="a") == [0, 1]
    assert rows(columns, "column_values_to_be_null", column="a") == [2]


def test_the_empty_text_and_the_text_nan_are_not_null() -> None:
    assert rows({"a": pa.array(["", "nan", None])}, "column_values_to_not_be_null", column="a") == [2]


@pytest.mark.parametrize("values", [[], [None, None]])
def test_an_empty_batch_and_one_of_nulls_meet_everything(values: list[None]) -> None:
    columns = {"a": pa.array(values, pa.float64()), "b": pa.array(values, pa.float64())}
    assert rows(columns, "column_values_to_be_in_set", column="a", value_set=[1]) == []
    assert rows(columns, "column_pair_values_to_be_equal", column_A="a", column_B="b") == []
    unique = plan_of(columns, expectation("column_values_to_be_unique", column="a"))
    assert unique.evaluate(batch_of(columns)).batch == ()


def test_nulls_of_a_record_are_nulls_of_its_fields() -> None:
    columns = {"engine": pa.array([{"power": 3}, None, {"power": None}])}
    plan = plan_of(columns, expectation("column_values_to_not_be_null", column="engine.power"))
    assert missing_rows(plan, batch_of(columns)) == [1, 2]


# --- ranges


def test_a_bound_in_quotes_is_a_number_as_for_gx() -> None:
    columns = {"a": pa.array([4, 5])}
    assert rows(columns, "column_values_to_be_between", column="a", min_value="5") == [0]
    assert tier(columns, "column_values_to_be_between", column="a", min_value="5") is Tier.GX


def test_whole_numbers_above_2_53_are_compared_in_floating_point_where_gx_does_so_and_exactly_elsewhere() -> None:
    columns = {"a": pa.array([2**53 + 1])}
    arguments = {"column": "a", "max_value": 2**53}
    assert rows(columns, "column_values_to_be_between", required=("a",), **arguments) == []
    assert rows(columns, "column_values_to_be_between", **arguments) == [0]


def test_0_1_of_32_bits_is_above_0_1() -> None:
    columns = {"a": pa.array([0.1, 0.0], pa.float32())}
    assert rows(columns, "column_values_to_be_between", column="a", max_value=0.1) == [0]
    assert rows(columns, "column_values_to_be_between", column="a", min_value=0.1, strict_min=True) == [1]


def test_infinity_is_outside_and_nan_is_not_looked_at() -> None:
    columns = {"a": pa.array([INF, -INF, NAN])}
    assert rows(columns, "column_values_to_be_between", column="a", min_value=-1e9, max_value=1e9) == [0, 1]


MOMENTS = pa.array([0, 1], pa.timestamp("ms", "UTC"))


@pytest.mark.parametrize(
    ("array", "bound", "right"),
    [
        (MOMENTS, "2024-06-01", "must be a date with its time, for example 2024-06-01T00:00:00+00:00"),
        (MOMENTS, 5, "must be a date with its time"),
        (MOMENTS, "2024-06-01T00:00:00", "must be with a time zone"),
        (MOMENTS.cast(pa.timestamp("ms")), "2024-06-01T00:00:00Z", "must be without a time zone"),
        (pa.array([0], pa.date32()), 5, "must be one, for example 2024-06-01"),
        (pa.array([0], pa.date32()), "2024-06-01T00:00:00", "must be one, for example 2024-06-01"),
        (pa.array([0]), "2024-06-01", "must be a number"),
        (pa.array(["a"]), 5, "is text, which has no order in Great Expectations"),
        (pa.array(["a"]), "2024-06-01", "is text, which has no order in Great Expectations"),
        (pa.array([[1]]), 5, "address one of its fields"),
        (pa.array([b"a"]), 5, "Great Expectations cannot evaluate this"),
    ],
)
def test_a_bound_on_which_gx_would_fail_for_every_batch_is_a_mistake(array: pa.Array, bound: Any, right: str) -> None:
    (found,) = compile_problems({"a": array}, expectation("column_values_to_be_between", column="a", min_value=bound))
    assert right in found


def test_bounds_in_the_wrong_order_are_a_mistake() -> None:
    midnights = ("2024-01-02T00:00:00Z", "2024-01-02T00:00:00+01:00")
    midnights = ("2024-01-02T00:00:00Z", "2024-01-02T00:00:00+01:00")
    for columns, low, high in [({"a": pa.array([1])}, 2, 1), ({"a": MOMENTS}, *midnights)]:
        entry = expectation("column_values_to_be_between", column="a", min_value=low, max_value=high)
        assert "min_value is above max_value" in compile_problems(columns, entry)[0]


# --- sets


def test_a_set_that_no_value_can_equal_is_a_mistake() -> None:
    for array, members in [(pa.array([1]), ["1"]), (pa.array(["1"]), [1]), (MOMENTS, ["1970-01-01T00:00:00+00:00"])]:
        entry = expectation("column_values_to_be_in_set", column="a", value_set=members)
        assert "no value of it can equal one of value_set" in compile_problems({"a": array}, entry)[0]


def test_gx_reads_times_in_not_in_set_only() -> None:
    assert rows({"a": MOMENTS}, "column_values_to_not_be_in_set", column="a", value_set=["1970-01-01 00:00:00Z"]) == [0]


def test_a_time_in_a_set_that_the_column_cannot_hold_is_a_mistake() -> None:
    entry = expectation("column_values_to_not_be_in_set", column="a", value_set=["2999-01-01T00:00:00+00:00"])
    (found,) = compile_problems({"a": MOMENTS.cast(pa.timestamp("ns", "UTC"))}, entry)
    assert "Out of bounds" in found


def test_1_0_and_true_equal_the_whole_number_1() -> None:
    assert rows({"a": pa.array([0, 1])}, "column_values_to_be_in_set", column="a", value_set=[1.0]) == [0]
    assert rows({"a": pa.array([0, 1])}, "column_values_to_be_in_set", column="a", value_set=[True]) == [0]


def test_null_in_a_set_changes_nothing() -> None:
    assert rows({"a": pa.array(["x", None, "y"])}, "column_values_to_be_in_set", column="a", value_set=["x", None]) == [
        2
    ]


def test_minus_zero_equals_zero() -> None:
    assert rows({"a": pa.array([-0.0, 1.0])}, "column_values_to_be_in_set", column="a", value_set=[0.0]) == [1]


def test_a_decimal_does_not_equal_the_float_that_looks_like_it() -> None:
    columns = {"a": pa.array([decimal.Decimal("1.10"), decimal.Decimal("1.50")])}
    assert rows(columns, "column_values_to_be_in_set", column="a", value_set=[1.1, 1.5]) == [0]


# --- text


def test_a_pattern_is_searched_not_matched_in_full() -> None:
    assert rows({"a": pa.array(["xabx", "b"])}, "column_values_to_match_regex", column="a", regex="ab") == [1]


def test_the_end_of_a_pattern_may_stand_before_a_last_line_end() -> None:
    assert rows({"a": pa.array(["AB\n", "AB", "ABC"])}, "column_values_to_match_regex", column="a", regex="^AB$") == [2]


@pytest.mark.parametrize("regex", [r"^\w+$", r"\bab\b", r"^\D$", r"^..$"])
def test_the_verdict_on_a_text_does_not_depend_on_its_neighbours(regex: str) -> None:
    texts = ["ab", "é", "ab\n", "١", "a b", "_"]
    type_, arguments = "column_values_to_match_regex", {"column": "a", "regex": regex}
    together = rows({"a": pa.array(texts)}, type_, **arguments)
    alone = [index for index, text in enumerate(texts) if rows({"a": pa.array([text])}, type_, **arguments)]
    assert together == alone


def test_text_too_long_for_pythons_re_misses_and_does_not_stop_the_worker() -> None:
    long = "é" + "a" * 10_001
    columns = {"a": pa.array([long, "ab", "a b"])}
    matching = plan_of(columns, expectation("column_values_to_match_regex", column="a", regex=r"^\w"))
    assert missing_rows(matching, batch_of(columns)) == [0]
    avoiding = plan_of(columns, expectation("column_values_to_not_match_regex", column="a", regex=r"\s"))
    assert missing_rows(avoiding, batch_of(columns)) == [0, 2]


def test_a_pattern_that_may_take_exponential_time_is_pointed_out_where_it_can() -> None:
    def notes(regex: str) -> str:
        plan = plan_of({"a": pa.array(["x"])}, expectation("column_values_to_match_regex", column="a", regex=regex))
        return "\n".join(plan.explain()[1:])

    assert "DANGER: a repeat within a repeat" in notes(r"^(\w+\s?)*$")
    assert "DANGER" in notes(r"(?=a)(x+)+y")
    assert "DANGER" not in notes(r"^(\d{3}-)*\d$")
    assert notes("^(a+)+b") == ""  # RE2 takes it in linear time, whatever the text
    assert "for text that is not ASCII or of several lines" in notes(r"^\w+$")


def test_lengths_count_characters() -> None:
    assert rows({"a": pa.array(["日本", "ab", "abc", ""])}, "column_value_lengths_to_equal", column="a", value=2) == [
        2,
        3,
    ]


def test_a_whole_number_stays_one_whatever_stands_beside_it() -> None:
    """pandas alone would make 5 into "5.0" as soon as a null is in the batch."""
    columns = {"a": pa.array([5, 50, None])}
    assert rows(columns, "column_value_lengths_to_equal", column="a", value=1) == [1]
    assert rows(columns, "column_values_to_match_regex", column="a", regex="^5$") == [1]
    plan = plan_of(columns, expectation("column_value_lengths_to_equal", column="a", value=1))
    assert missing_rows(plan, batch_of({"a": pa.array([5, 50])})) == [1]


def test_dictionary_encoded_and_large_text_is_text() -> None:
    for type_ in (pa.dictionary(pa.int32(), pa.string()), pa.large_string(), pa.string_view()):
        columns = {"a": pa.array(["x", None, "y"]).cast(type_)}
        plan = plan_of(columns, expectation("column_values_to_be_in_set", column="a", value_set=["x"]))
        assert plan.checks[0].tier is Tier.COMPILED
        assert missing_rows(plan, batch_of(columns)) == [2]


def test_text_that_is_not_json_misses_a_json_schema_alone() -> None:
    """In GX one such value makes the expectation fail for the whole batch, without a list of rows."""
    columns = {"a": pa.array(['{"x": 1}', "{", None, '{"x": "y"}', "[" * 5000])}
    schema = {"properties": {"x": {"type": "integer"}}}
    plan = plan_of(columns, expectation("column_values_to_match_json_schema", column="a", json_schema=schema))
    assert missing_rows(plan, batch_of(columns)) == [1, 3, 4]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "nothing"}, "json_schema is not a JSON schema"),
        ({"items": {"$ref": "http://example.invalid/x"}}, "would be fetched while events wait"),
    ],
)
def test_a_json_schema_that_cannot_be_used_is_a_mistake(schema: Any, message: str) -> None:
    entry = expectation("column_values_to_match_json_schema", column="a", json_schema=schema)
    assert message in compile_problems({"a": pa.array(["1"])}, entry)[0]


def test_a_date_format_is_read_as_python_reads_it() -> None:
    columns = {"a": pa.array(["2024-1-1", "2024-01-01", "x", None])}
    arguments = {"column": "a", "strftime_format": "%Y-%m-%d"}
    assert rows(columns, "column_values_to_match_strftime_format", **arguments) == [2]
    assert rows(columns, "column_values_to_be_dateutil_parseable", column="a") == [2]
    plan = plan_of(columns, expectation("column_values_to_be_dateutil_parseable", column="a"))
    assert "(29 February) depends on the day on which it is read" in plan.explain()[1]


@pytest.mark.parametrize("type_", ["column_values_to_be_dateutil_parseable", "column_values_to_be_json_parseable"])
def test_reading_text_from_numbers_is_a_mistake(type_: str) -> None:
    assert len(compile_problems({"a": pa.array([1])}, expectation(type_, column="a"))) == 1


# --- types


def test_a_type_expectation_is_decided_by_the_schema_nulls_or_not() -> None:
    columns = {"a": pa.array([1, None]), "b": pa.array(["x", None])}
    for entry in (
        expectation("column_values_to_be_of_type", column="a", type_="int64"),
        expectation("column_values_to_be_in_type_list", column="a", type_list=["str", "int"]),
        expectation("column_values_to_be_of_type", column="b", type_="str"),
        expectation("column_values_to_be_in_type_list", column="b", type_list=["str", "int"]),
        expectation("column_type_to_be", column="b", type_="str"),
    ):
        plan = plan_of(columns, entry)
        assert plan.checks[0].tier is Tier.SCHEMA
        assert missing_rows(plan, batch_of(columns)) == []


def test_a_type_that_the_column_does_not_have_is_a_mistake_with_the_names_it_has() -> None:
    entry = expectation("column_values_to_be_of_type", column="a", type_="int64")
    (found,) = compile_problems({"a": pa.array([1], pa.int32())}, entry)
    assert found.endswith("'a' is int32, so no event could meet this; its names are int32, intc, i4")


# --- pairs and several columns


PAIR: dict[str, Any] = {"column_A": "a", "column_B": "b"}


def test_a_row_with_one_null_misses_a_pair_unless_told_otherwise() -> None:
    columns = {"a": pa.array([2.0, None, None, 1.0]), "b": pa.array([1.0, 1.0, None, 2.0])}
    type_ = "column_pair_values_a_to_be_greater_than_b"
    assert rows(columns, type_, **PAIR) == [1, 3]
    assert rows(columns, type_, **PAIR, ignore_row_if="either_value_is_missing") == [3]
    assert rows(columns, type_, **PAIR, ignore_row_if="neither") == [1, 2, 3]


def test_the_plan_points_out_pairs_that_a_null_makes_miss() -> None:
    columns = {"a": pa.array([1]), "b": pa.array([1])}
    entry = expectation("column_pair_values_to_be_equal", **PAIR)
    assert "a row with one null misses" in "\n".join(plan_of(columns, entry).explain())
    explicit = expectation("column_pair_values_to_be_equal", **PAIR, ignore_row_if="either_value_is_missing")
    assert len(plan_of(columns, explicit).explain()) == 1
    assert len(plan_of(columns, entry, required=("a", "b")).explain()) == 1


def test_comparing_what_has_no_common_order_is_a_mistake() -> None:
    entry = expectation("column_pair_values_a_to_be_greater_than_b", **PAIR)
    (found,) = compile_problems({"a": pa.array([1]), "b": pa.array(["x"])}, entry)
    assert "Great Expectations cannot evaluate this on 'a' (int64), 'b' (string)" in found


def test_a_row_condition_on_pairs_in_a_set_which_gx_forgets_is_a_mistake() -> None:
    columns = {"a": pa.array(["x", "y", None]), "b": pa.array(["x", "x", None])}
    arguments = {**PAIR, "value_pairs_set": [["x", "x"]]}
    assert rows(columns, "column_pair_values_to_be_in_set", **arguments) == [1]
    condition = {"type": "comparison", "column": {"name": "a"}, "operator": "==", "parameter": "x"}
    entry = expectation("column_pair_values_to_be_in_set", **arguments, row_condition=condition)
    assert "takes a row_condition here but cannot apply it" in compile_problems(columns, entry)[0]


def test_a_sum_is_exact_and_a_null_makes_it_miss() -> None:
    columns = {"a": pa.array([0.1, 0.25, None]), "b": pa.array([0.2, 0.05, 0.3])}
    assert rows(columns, "multicolumn_sum_to_equal", column_list=["a", "b"], sum_total=0.3) == [0, 2]


def test_values_that_are_both_null_are_equal_across_columns() -> None:
    columns = {"a": pa.array(["x", None, None]), "b": pa.array(["x", None, "x"]), "c": pa.array(["x", "y", "x"])}
    type_, names = "multicolumn_values_to_be_equal", ["a", "b"]
    assert rows(columns, type_, column_list=names, ignore_row_if="never") == [2]


# --- conditions


def test_a_row_condition_selects_as_pandas_does_so_null_is_unequal() -> None:
    columns = {"t": pa.array(["a", "b", None, None]), "v": pa.array([1, 1, 1, 9])}

    def missing(operator: str, parameter: Any) -> list[int]:
        condition = {"type": "comparison", "column": {"name": "t"}, "operator": operator, "parameter": parameter}
        return rows(columns, "column_values_to_be_between", column="v", min_value=5, row_condition=condition)

    assert missing("==", "a") == [0]
    assert missing("!=", "a") == [1, 2]
    assert missing("NOT_IN", ["a"]) == [1, 2]


def test_a_row_condition_may_be_text_and_name_fields_of_records() -> None:
    columns = {"e": pa.array([{"t": 1}, {"t": 2}, None]), "v": pa.array([1, 1, 1])}
    condition = {"type": "nullity", "column": {"name": "e.t"}, "is_null": False}
    for more in ({"row_condition": "`e.t` > 1", "condition_parser": "pandas"}, {"row_condition": condition}):
        plan = plan_of(columns, expectation("column_values_to_be_between", column="v", min_value=5, **more))
        assert missing_rows(plan, batch_of(columns)) == ([1] if "condition_parser" in more else [0, 1])


def test_a_row_condition_on_a_column_that_is_not_there_is_a_mistake() -> None:
    condition = {"type": "comparison", "column": {"name": "tt"}, "operator": "==", "parameter": "x"}
    entry = expectation("column_values_to_be_null", column="t", row_condition=condition)
    assert "there is no column 'tt'; did you mean" in compile_problems({"t": pa.array(["x"])}, entry)[0]
    entry = expectation("column_values_to_be_null", column="t", row_condition="tt == 1", condition_parser="pandas")
    assert "Great Expectations cannot evaluate this" in compile_problems({"t": pa.array(["x"])}, entry)[0]


# --- exceptions, caps, columns


def test_a_column_that_is_not_there_is_a_mistake_with_the_nearest_that_is() -> None:
    columns = {"distance": pa.array([1]), "engine": pa.array([{"power": 1}])}
    missing = [expectation("column_values_to_be_null", column=c) for c in ("distence", "engine.pover", "x")]
    assert [found.split(": ", 1)[1] for found in compile_problems(columns, *missing)] == [
        "there is no column 'distence'; did you mean 'distance'?",
        "there is no column 'engine.pover'; did you mean 'engine.power'?",
        "there is no column 'x'; there are distance, engine",
    ]


@pytest.mark.parametrize("kind", ["match_like_pattern", "not_match_like_pattern"])
def test_like_patterns_have_no_pandas_implementation_and_are_a_mistake(kind: str) -> None:
    for name, value in ((kind, {"like_pattern": "a%"}), (f"{kind}_list", {"like_pattern_list": ["a%"]})):
        entry = expectation(f"column_values_to_{name}", column="a", **value)
        assert "no pandas implementation" in compile_problems({"a": pa.array(["x"])}, entry)[0]


def test_expectations_for_databases_are_a_mistake() -> None:
    entry = {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "select 1 from {batch}"}}
    assert "it asks a database" in compile_problems({"a": pa.array(["x"])}, entry)[0]


def test_an_exception_of_gx_is_never_a_verdict_and_carries_nothing_of_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = {"a": pa.array([b"2024-01-01", b"secret"])}
    plan = plan_of(columns, expectation("column_values_to_match_regex", column="a", regex="2024"))

    def fail(self: Any, metrics: Any) -> Any:
        raise ValueError("cannot read secret")

    monkeypatch.setattr("stream.validation.gx_checks.Session.compute", fail)
    with pytest.raises(FatalError) as caught:
        plan.evaluate(batch_of(columns))
    assert "expect_column_values_to_match_regex(a): Great Expectations failed with ValueError" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_batch_check_that_fails_is_no_verdict_either(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"a": pa.array([1.0])}
    plan = plan_of(columns, expectation("column_mean_to_be_between", column="a", min_value=0))
    monkeypatch.setattr("stream.validation.gx_checks.Session.compute", lambda self, metrics: {})
    with pytest.raises(FatalError, match="expect_column_mean_to_be_between"):
        plan.evaluate(batch_of(columns))


def test_more_than_200_missing_rows_are_all_found() -> None:
    columns = {"a": pa.array([b"x"] * 1000)}
    plan = plan_of(columns, expectation("column_values_to_match_regex", column="a", regex="y"))
    assert plan.checks[0].tier is Tier.GX
    assert missing_rows(plan, batch_of(columns)) == list(range(1000))


def test_a_date_that_python_cannot_hold_misses_and_does_not_stop_the_worker() -> None:
    columns = {"d": pa.array([0, 10**7, None, -(10**7)], pa.int32()).cast(pa.date32())}
    moment = datetime.date(1970, 1, 1).isoformat()
    plan = plan_of(columns, expectation("column_values_to_be_between", column="d", min_value=moment))
    assert missing_rows(plan, batch_of(columns)) == [3]
    plan = plan_of(columns, expectation("column_values_to_match_regex", column="d", regex="^19"))
    assert plan.checks[0].tier is Tier.GX
    assert missing_rows(plan, batch_of(columns)) == [1, 3]


def test_unknown_arguments_of_a_known_kind_are_a_mistake() -> None:
    entry = expectation("column_values_to_not_be_null", colum="a")
    assert sorted(problems_of(entry)) == [
        "expect_column_values_to_not_be_null: argument 'column': field required",
        "expect_column_values_to_not_be_null: unknown argument 'colum'; did you mean 'column'?",
    ]


def test_plans_do_not_share_an_engine() -> None:
    """With one asset for several threads GX returns another thread's rows, without an error."""
    first, second = ({"a": pa.array([text] * 3)} for text in (b"x", b"y"))
    entry = expectation("column_values_to_match_regex", column="a", regex="y")
    plans: list[tuple[Plan, Any]] = [(plan_of(c, entry), batch_of(c)) for c in (first, second)]
    for _ in range(3):
        assert [missing_rows(plan, batch) for plan, batch in plans] == [[0, 1, 2], []]
