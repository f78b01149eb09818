"""Suite files: what is read, and every mistake at its line and column."""

import json
from pathlib import Path
from typing import Any

import pytest
from unit.validation.builders import expectation, problems_of, suite_of, suite_text

from stream.errors import ConfigurationError
from stream.validation import Severity, load_suite, verify_with_gx
from stream.validation.arguments import SIGNATURES, is_well_formed
from stream.validation.gx import argument_mistakes, great_expectations, quietly
from stream.validation.positions import read_document

TYPO = "expect_column_values_to_not_be_nul"
NOT_NULL = expectation("column_values_to_not_be_null", column="a")


def written(folder: Path, text: str) -> Path:
    path = folder / "suite.json"
    path.write_text(text)
    return path


def test_a_value_has_its_line_and_column() -> None:
    document = read_document("f.json", '{\n  "a": [1, {"b, }": "x \\" ]"}],\n\t"c": -1.5e3 }')
    assert document.place("a") == "f.json:2:8"
    assert document.place("a", 1, "b, }") == "f.json:2:21"
    assert document.key_place("a", 1, "b, }") == "f.json:2:13"
    assert document.place("c") == "f.json:3:7"
    assert document.place("c", "d", 3) == "f.json:3:7"
    assert document.place() == "f.json:1:1"


def test_empty_objects_and_lists_have_their_places() -> None:
    document = read_document("f.json", '[{}, [], {"a": {}}, "é", null]')
    assert [document.place(i) for i in range(5)] == [f"f.json:1:{c}" for c in (2, 6, 10, 21, 26)]
    assert document.place(2, "a") == "f.json:1:16"


def test_text_that_is_not_json_is_reported_where_it_stops_being_json(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_suite(written(tmp_path, '{"name": "x",\n "expectations": [,]}'))
    assert str(caught.value).startswith(f"{tmp_path}/suite.json:2:19: this is not JSON")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "suite.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_suite(path)
    assert str(caught.value).startswith(f"{path}:1:1: " if content else f"{path}: cannot read the suite: No such file")


def test_a_suite_as_gx_writes_it_is_read(tmp_path: Path) -> None:
    gx = great_expectations()
    gxe = gx.expectations
    with quietly():
        suite = gx.ExpectationSuite(
            name="s",
            expectations=[
                gxe.ExpectColumnValuesToBeBetween(column="a", min_value=1, severity="warning", notes="why"),
                gxe.ExpectColumnMeanToBeBetween(column="a", min_value=1, description="mean"),
            ],
            suite_parameters={"lo": 1},
            notes=["n"],
        )
    loaded = load_suite(written(tmp_path, json.dumps(suite.to_json_dict(), indent=2)))
    assert [e.id for e in loaded.expectations] == [
        "expect_column_values_to_be_between(a)",
        "expect_column_mean_to_be_between(a)",
    ]
    assert [e.severity for e in loaded.expectations] == [Severity.WARNING, Severity.CRITICAL]
    assert loaded.expectations[0].arguments == {"column": "a", "min_value": 1.0}
    verify_with_gx(loaded)


def test_a_suite_of_a_file_context_is_read(tmp_path: Path) -> None:
    gx = great_expectations()
    with quietly():
        context = gx.get_context(mode="file", project_root_dir=tmp_path)
        suite = context.suites.add(gx.ExpectationSuite(name="kept"))
        suite.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column="a"))
    loaded = load_suite(tmp_path / "gx" / "expectations" / "kept.json")
    (found,) = loaded.expectations
    assert found.id == suite.expectations[0].id
    assert len(found.id) == 36


def test_all_mistakes_are_reported_at_once_each_at_its_place(tmp_path: Path) -> None:
    text = """{
  "name": "s",
  "expectations": [
    {"type": "expect_column_values_to_not_be_nul", "kwargs": {"column": "a"}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a"}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "a", "regex": "(["}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "a", "value_set": [], "valueset": 1}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "min_value": {"$PARAMETER": "low"}}}
  ],
  "suite_parameters": {"lo": 1}
}"""
    with pytest.raises(ConfigurationError) as caught:
        load_suite(written(tmp_path, text))
    assert [(p.place.rpartition("/")[2], p.message) for p in caught.value.problems] == [
        ("suite.json:4:14", f"Great Expectations has no '{TYPO}' and would leave it out; did you mean '{TYPO}l'?"),
        ("suite.json:5:52", "expect_column_values_to_be_between: min_value and max_value cannot both be None"),
        (
            "suite.json:6:88",
            "the pattern is not a regular expression of Python: unterminated character set at position 1",
        ),
        (
            "suite.json:7:94",
            "expect_column_values_to_be_in_set: unknown argument 'valueset'; did you mean 'value_set'?",
        ),
        ("suite.json:8:91", "'min_value': suite_parameters has no 'low'; did you mean 'lo'?"),
    ]


@pytest.mark.parametrize(
    ("old", "place"),
    [
        ('{\n"expectation_suite_name": "x", "expectations": []}', "2:27"),
        ('{"name": "x", "expectations": [{"expectation_type": "expect_x", "kwargs": {}}]}', "1:1"),
    ],
)
def test_a_suite_of_an_old_release_is_named_as_such_with_the_way_to_convert_it(
    tmp_path: Path, old: str, place: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_suite(written(tmp_path, old))
    (problem,) = caught.value.problems
    assert problem.place.endswith(place)
    assert "0.18 or older" in problem.message
    assert "expectation_type to type" in problem.message


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ([], "a suite is a JSON object with name and expectations"),
        ({"expectations": [NOT_NULL]}, "name must be a text that is not empty"),
        ({"name": "x", "expectations": []}, "expectations must be a list with at least one expectation"),
        ({"name": "x", "expectation": [], "expectations": [NOT_NULL]}, "unknown key 'expectation'; did you mean"),
        ({"name": "x", "expectations": [NOT_NULL | {"severity": "fatal"}]}, "severity must be critical, warning or"),
        ({"name": "x", "expectations": [NOT_NULL | {"severty": "info"}]}, "unknown key 'severty'; did you mean 'sever"),
        ({"name": "x", "expectations": [{"type": "expect_x"}]}, "kwargs must be an object with the arguments"),
        ({"name": "x", "expectations": [3]}, "an expectation is an object with type and kwargs"),
        ({"name": "x", "expectations": [NOT_NULL], "suite_parameters": 3}, "suite_parameters must be an object"),
    ],
)
def test_a_suite_of_the_wrong_form_is_refused(tmp_path: Path, suite: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_suite(written(tmp_path, json.dumps(suite)))
    assert caught.value.problems[0].message.startswith(message)


def test_a_member_given_twice_is_refused_for_json_would_drop_the_first(tmp_path: Path) -> None:
    entry = '{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}, "kwargs": {"column": "b"}}'
    with pytest.raises(ConfigurationError, match=r"suite\.json:1:107: 'kwargs' is given twice"):
        load_suite(written(tmp_path, '{"name": "x", "expectations": [' + entry + "]}"))


def test_an_id_is_the_own_one_else_the_rule_id_else_type_and_columns() -> None:
    suite = suite_of(
        NOT_NULL | {"id": "1f"},
        expectation("column_values_to_not_be_null", column="b", meta={"rule_id": "b is there"}),
        expectation("column_pair_values_to_be_equal", column_A="a", column_B="b.c"),
        expectation("table_row_count_to_equal", value=3),
    )
    assert [e.id for e in suite.expectations] == [
        "1f",
        "b is there",
        "expect_column_pair_values_to_be_equal(a/b.c)",
        "expect_table_row_count_to_equal",
    ]


def test_short_ids_that_would_be_the_same_get_a_hash_that_does_not_depend_on_the_order() -> None:
    low = expectation("column_values_to_be_between", column="a", min_value=1)
    high = expectation("column_values_to_be_between", column="a", max_value=9)
    ids = [e.id for e in suite_of(low, high, low).expectations]
    assert len(set(ids)) == 3
    assert all(id.startswith("expect_column_values_to_be_between(a)#") for id in ids)
    assert [e.id for e in suite_of(high, low).expectations] == [ids[1], ids[0]]


def test_chosen_ids_must_be_different_and_fit_into_a_header() -> None:
    twice = expectation("column_values_to_not_be_null", column="b", meta={"rule_id": "r"})
    assert problems_of(twice, twice) == ["the id 'r' is also that of expectation 1"]
    assert problems_of(NOT_NULL | {"id": "a,b"})[0].startswith("an id must be printable text without commas")
    assert problems_of(NOT_NULL | {"meta": {"rule_id": 3}})[0].startswith("an id must be printable text")


def test_parameters_are_bound_as_gx_binds_them() -> None:
    suite = suite_of(
        expectation("column_values_to_be_between", column="a", min_value={"$PARAMETER": "lo"}),
        expectation("column_values_to_be_between", column="b", min_value={"$PARAMETER": "x", "$PARAMETER.x": 7}),
        expectation("column_values_to_be_between", column="c", min_value={"$PARAMETER": "lo * 2 + 1"}),
        suite_parameters={"lo": 4},
    )
    assert [e.arguments["min_value"] for e in suite.expectations] == [4, 7, 9]


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("lo + hi", "'min_value': the expression 'lo + hi' has no value"),
        ("now()", "'min_value': now() would make the verdict depend on when an event is read"),
        (3, "'min_value': $PARAMETER must be the name of a suite parameter"),
    ],
)
def test_a_parameter_without_a_fixed_value_is_refused(parameter: Any, message: str) -> None:
    entry = expectation("column_values_to_be_between", column="a", min_value={"$PARAMETER": parameter})
    (found,) = problems_of(entry, suite_parameters={"lo": 4})
    assert found.startswith(message)


def test_a_parameter_of_the_wrong_type_is_found_at_load() -> None:
    entry = expectation("column_values_to_be_between", column="a", min_value={"$PARAMETER": "lo"})
    (found,) = problems_of(entry, suite_parameters={"lo": "much"})
    assert found.startswith("expect_column_values_to_be_between: argument 'min_value': value is not a valid float or")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "not a regular expression of Python"),
        ("a++", "not one of RE2"),
        ("(?>a)", "not one of RE2"),
        ("a{1001}", "not one of RE2"),
        ("(?x) a", "not one of RE2"),
        ("\ud800", "not valid text"),
    ],
)
def test_a_pattern_on_which_gx_would_fail_for_every_batch_is_refused(pattern: str, reason: str) -> None:
    (found,) = problems_of(expectation("column_values_to_match_regex", column="a", regex=pattern))
    assert reason in found
    (found,) = problems_of(expectation("column_values_to_match_regex_list", column="a", regex_list=["a", pattern]))
    assert reason in found


def test_gx_drops_an_unknown_type_silently_and_the_cross_check_sees_it() -> None:
    suite = suite_of(NOT_NULL, expectation("column_values_to_be_null", column="b"))
    suite.document.value["expectations"][1]["type"] = "expect_column_values_to_be_nul"
    with pytest.raises(ConfigurationError, match="keeps 1 of the 2 expectations"):
        verify_with_gx(suite)


def test_the_cross_check_passes_on_what_gx_says() -> None:
    suite = suite_of(NOT_NULL)
    suite.document.value["expectations"][0]["kwargs"] = {"column": 3}
    with pytest.raises(ConfigurationError, match="Great Expectations does not load this suite: ValidationError"):
        verify_with_gx(suite)


ODD: list[Any] = [None, True, 0, -1, 1, 0.5, 2.5, 1e308, 10**400, "", "5", "a", "2024-06-01", "2024-6-1", "2024-13-01",
    "2024-06-01T00:00:00", "2024-06-01T25:00:00", "2024-06-01 00:00:00+00:00", "2024-06-01T00:00:00Z", "any", "all",
    "neither", "never", [], ["a"], ["a", "a"], ["a", "b"], [1], [[1]], [None], {}, {"type": "object"},
    "%Y%Y", "%D", "%", "%q", "%d/%m"]  # fmt: skip


@pytest.mark.parametrize("type_", SIGNATURES)
def test_arguments_that_pass_here_pass_in_gx(type_: str) -> None:
    """Every argument of every kind with odd values, one at a time: what is let through without GX, GX takes."""
    signature = SIGNATURES[type_]
    usual = {
        "column": "a", "column_A": "a", "column_B": "b", "column_list": ["a", "b"], "value_set": [1], "regex": "a",
        "regex_list": ["a"], "value": 1, "sum_total": 1, "type_": "int", "type_list": ["int"], "json_schema": {},
        "strftime_format": "%Y",
    }  # fmt: skip
    base = {name: usual[name] for name in signature.required}
    if "min_value" in signature.optional:
        base["min_value"] = 1
    assert is_well_formed(type_, base)
    assert argument_mistakes(type_, base) == []
    names = [*signature.required, *signature.optional, "mostly", "row_condition", "unknown"]
    accepted = 0
    for name in names:
        for value in ODD:
            arguments = {**base, name: value}
            if is_well_formed(type_, arguments):
                accepted += 1
                assert argument_mistakes(type_, arguments) == [], arguments
    assert accepted > 0
    assert not is_well_formed(type_, {**base, "unknown": None})


def test_the_text_of_a_suite_helper_is_what_gx_loads() -> None:
    verify_with_gx(suite_of(NOT_NULL))
    assert json.loads(suite_text(NOT_NULL))["expectations"][0]["type"] == "expect_column_values_to_not_be_null"
