"""Compiled checks against Great Expectations, bit for bit: expectation x Arrow type x arguments x edge values.

STREAM_TEST_EXAMPLES=1500 makes it a long run with fresh cases: 18 tests, that many cases each.
"""

import datetime
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from unit.validation.builders import batch_of, expectation, missing_rows, oracle_rows, plan_of

from stream.batch import Batch
from stream.validation import Tier

EXAMPLES = int(os.environ.get("STREAM_TEST_EXAMPLES", "0"))
differential = settings(
    max_examples=EXAMPLES or 40,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

INF, NAN = float("inf"), float("nan")
EDGE_INTS = [0, 1, -1, 5, 2**31 - 1, -(2**31), 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
EDGE_FLOATS = [0.0, -0.0, 0.1, 0.2, 0.3, 0.30000000000000004, 1.5, -1.5, INF, -INF, NAN, 2.0**53, 2.0**53 + 2, 1e300]
EDGE_TEXTS = [
    "", "nan", "None", "a", "ab", "AB", "A1", "é", "日本", "١٢", "12", "5", "5.0", "a\n", "\n", "ab\ncd", " ", "\x0b",
    "a b", "aa", "ß", "ı", "K", "\u212a", "a" * 50, "💥", "\x00", "a\x00", "AB\n", "A١", "x-y", "2024-1-1",
]  # fmt: skip
PATTERNS = [
    "^[A-Z0-9]{2}$", "^a", "b$", r"^\d+$", r"\w+", r"^\w$", r"\s", r"^\S+$", r"\bab\b", "(?i)ab", "(?i)k", "", "^$",
    ".", "a|b", "(a)(b)", r"(?<!a)b", r"^(?=a)", r"(.)\1", r"a\Z", r"\Aab", "[^a]", r"[^\d]", r"\D", r"\W", "(?s).*",
    "(?m)^c", "(?m)b$", "é", "[é-ü]", r"\.", "x{2,3}", "a*?b", r"^(?P<x>a)", "\u65e5", r"\u65e5", "^.$", "^.{2}$",
    r"\x0b", "$", "a{,2}b",
]  # fmt: skip

ints = st.one_of(st.sampled_from(EDGE_INTS), st.integers(-10, 10), st.integers(-(2**63), 2**63 - 1))
small_ints = st.one_of(st.sampled_from([0, 1, -1, 5, 127, -128]), st.integers(-128, 127))
floats = st.one_of(st.sampled_from(EDGE_FLOATS), st.floats(width=64))
floats32 = st.one_of(
    st.sampled_from([0.0, -0.0, 1.5, INF, -INF, NAN, 16777216.0, 0.10000000149011612]), st.floats(width=32)
)
short_texts = st.one_of(st.sampled_from(EDGE_TEXTS), st.text(max_size=6))
moments = st.one_of(
    st.sampled_from([0, 1, -1, 1717200000000, 1717200000001, 1717199999999]), st.integers(-(10**13), 10**13)
)

INT_TYPES = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()]
FLOAT_TYPES = [pa.float32(), pa.float64()]
TIMESTAMPS = [pa.timestamp(unit, tz) for unit in ("ms", "us", "ns") for tz in ("UTC", None)]
ANY_TYPES = [
    *INT_TYPES,
    *FLOAT_TYPES,
    *TIMESTAMPS,
    pa.string(),
    pa.bool_(),
    pa.date32(),
    pa.binary(),
    pa.decimal128(9, 2),
]


VALUES: list[tuple[Callable[[pa.DataType], bool], st.SearchStrategy[Any]]] = [
    (pa.types.is_int64, ints),
    (pa.types.is_signed_integer, small_ints),
    (pa.types.is_unsigned_integer, small_ints.map(abs)),
    (pa.types.is_float32, floats32),
    (pa.types.is_float64, floats),
    (pa.types.is_timestamp, moments),
    (pa.types.is_boolean, st.booleans()),
    (pa.types.is_date32, st.integers(-1000, 20000)),
    (pa.types.is_decimal, st.decimals(-1000, 1000, places=2)),
    (pa.types.is_string, short_texts),
    (pa.types.is_binary, short_texts.map(str.encode)),
]


def values_of(type_: pa.DataType) -> st.SearchStrategy[Any]:
    return next(strategy for holds, strategy in VALUES if holds(type_))


@st.composite
def columns(draw: st.DrawFn, types: Sequence[pa.DataType], count: int = 1, alike: bool = True) -> Batch:
    """A batch of columns x0, x1 ..., each nullable or not, sometimes a slice of a larger one."""
    rows, offset = draw(st.integers(0, 9)), draw(st.integers(0, 3))
    type_ = draw(st.sampled_from(types))
    arrays, required = {}, []
    for index in range(count):
        own = type_ if alike else draw(st.sampled_from(types))
        nullable = draw(st.booleans())
        values = st.one_of(st.none(), values_of(own)) if nullable else values_of(own)
        arrays[f"x{index}"] = array_of(draw(st.lists(values, min_size=rows + offset, max_size=rows + offset)), own)
        required += [] if nullable else [f"x{index}"]
    return batch_of(arrays, required).slice(offset, rows + offset)


def array_of(values: list[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(type_):
        return pa.array(values, pa.int64()).cast(type_)
    return pa.array(values, pa.int32()).cast(type_) if pa.types.is_date32(type_) else pa.array(values, type_)


def agrees(batch: Batch, type_: str, **arguments: Any) -> None:
    """The check is compiled, and says what GX says; also of the batch cut in two."""
    required = [field.name for field in batch.columns.schema if not field.nullable]
    arrays = {field.name: batch.columns.column(field.name) for field in batch.columns.schema}
    plan = plan_of(arrays, expectation(type_, **arguments), required=required)
    assert plan.checks[0].tier is Tier.COMPILED
    found = missing_rows(plan, batch)
    assert found == oracle_rows(plan, batch)
    middle = len(batch) // 2
    second = [row + middle for row in missing_rows(plan, batch.slice(middle, len(batch)))]
    assert found == missing_rows(plan, batch.slice(0, middle)) + second


@differential
@given(columns(ANY_TYPES), st.booleans())
def test_nulls_agree(batch: Batch, negate: bool) -> None:
    agrees(batch, "column_values_to_not_be_null" if negate else "column_values_to_be_null", column="x0")


def bounds(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"min_value": st.none() | values, "max_value": st.none() | values},
        optional={"strict_min": st.booleans(), "strict_max": st.booleans()},
    ).filter(lambda b: b["min_value"] is not None or b["max_value"] is not None)


number_bounds = bounds(
    st.one_of(
        st.sampled_from([v for v in EDGE_INTS if abs(v) < 2**63]), st.integers(-10, 10), st.floats(-10, 10), small_ints,
        st.sampled_from([0.1, 0.5, -0.5, 1e19, -1e19, 1e-300, 16777216.5, 2.0**63]),
    )
)  # fmt: skip


def in_order(arguments: dict[str, Any]) -> None:
    low, high = arguments["min_value"], arguments["max_value"]
    assume(low is None or high is None or low <= high)


@differential
@given(columns(INT_TYPES), number_bounds)
def test_ranges_of_whole_numbers_agree(batch: Batch, arguments: dict[str, Any]) -> None:
    in_order(arguments)
    exact = [b for b in (arguments["min_value"], arguments["max_value"]) if b is not None and abs(b) >= 2**53]
    field = batch.columns.schema.field("x0")
    assume(not (exact and field.type == pa.int64() and not field.nullable))
    agrees(batch, "column_values_to_be_between", column="x0", **arguments)


@differential
@given(columns(FLOAT_TYPES), number_bounds)
def test_ranges_of_floats_agree(batch: Batch, arguments: dict[str, Any]) -> None:
    in_order(arguments)
    agrees(batch, "column_values_to_be_between", column="x0", **arguments)


@differential
@given(columns(TIMESTAMPS), st.data())
def test_ranges_of_timestamps_agree(batch: Batch, data: st.DataObject) -> None:
    aware = batch.columns.schema.field("x0").type.tz is not None
    moment = st.one_of(
        st.sampled_from([datetime.datetime(2024, 6, 1), datetime.datetime(1970, 1, 1, 0, 0, 0, 1)]),  # noqa: DTZ001
        st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)),  # noqa: DTZ001
    ).map(lambda m: m.isoformat() if m.microsecond else m.isoformat(timespec="seconds"))
    zones = st.sampled_from(["+00:00", "Z", "+02:00"]) if aware else st.just("")
    arguments = data.draw(bounds(st.builds("{}{}".format, moment, zones)))
    low, high = arguments["min_value"], arguments["max_value"]
    assume(not (low and high) or datetime.datetime.fromisoformat(low) <= datetime.datetime.fromisoformat(high))
    agrees(batch, "column_values_to_be_between", column="x0", **arguments)


@differential
@given(columns([pa.date32()]), bounds(st.dates().map(str)))
def test_ranges_of_dates_agree(batch: Batch, arguments: dict[str, Any]) -> None:
    in_order(arguments)
    agrees(batch, "column_values_to_be_between", column="x0", **arguments)


MEMBERS = {
    "int": st.integers(-(2**63) + 1, 2**63 - 1) | st.sampled_from([0, 1, 5, 2**53, 2**53 + 1]) | small_ints,
    "float": st.sampled_from([0.0, -0.0, 0.1, 1.5, 1, 5, 2**53, 16777216]) | st.floats(-(2.0**53), 2.0**53),
    "text": short_texts,
    "bool": st.booleans(),
}


@differential
@given(st.sampled_from(["int", "float", "text", "bool"]), st.booleans(), st.data())
def test_sets_agree(kind: str, negate: bool, data: st.DataObject) -> None:
    types = {"int": INT_TYPES, "float": FLOAT_TYPES, "text": [pa.string()], "bool": [pa.bool_()]}[kind]
    batch = data.draw(columns(types))
    members = data.draw(st.lists(MEMBERS[kind], max_size=12))
    agrees(batch, f"column_values_to_{'not_' if negate else ''}be_in_set", column="x0", value_set=members)


@differential
@given(columns(TIMESTAMPS), st.lists(st.integers(-(10**16), 10**16) | st.sampled_from([0, 1, 1717200000000000])))
def test_sets_of_timestamps_agree(batch: Batch, micros: list[int]) -> None:
    assume(batch.columns.schema.field("x0").type.unit != "ns" or all(abs(m) < 2**63 // 1000 for m in micros))
    zone = datetime.UTC if batch.columns.schema.field("x0").type.tz else None
    start = datetime.datetime(1970, 1, 1, tzinfo=zone)
    members = [(start + datetime.timedelta(microseconds=micro)).isoformat() for micro in micros]
    agrees(batch, "column_values_to_not_be_in_set", column="x0", value_set=members)


@differential
@given(columns([pa.string()]), st.sampled_from(PATTERNS), st.booleans())
def test_patterns_agree(batch: Batch, pattern: str, negate: bool) -> None:
    agrees(batch, f"column_values_to_{'not_' if negate else ''}match_regex", column="x0", regex=pattern)


@differential
@given(columns([pa.string()]), st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3), st.sampled_from("012"))
def test_pattern_lists_agree(batch: Batch, patterns: list[str], how: str) -> None:
    if how == "0":
        agrees(batch, "column_values_to_not_match_regex_list", column="x0", regex_list=patterns)
        return
    match_on = "any" if how == "1" else "all"
    agrees(batch, "column_values_to_match_regex_list", column="x0", regex_list=patterns, match_on=match_on)


LETTERS = st.sampled_from(["a", "b", "1", ".", "[a-c]", "[^b]", r"\d", r"\w", r"\s", r"\b", "^", "$", "é", "(?:ab|c)"])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "*?"])


@differential
@given(columns([pa.string()]), st.lists(st.tuples(LETTERS, REPEATS), max_size=5))
def test_made_up_patterns_agree(batch: Batch, parts: list[tuple[str, str]]) -> None:
    pattern = "".join(part + ("" if part in (r"\b", "^", "$") else repeat) for part, repeat in parts)
    agrees(batch, "column_values_to_match_regex", column="x0", regex=pattern)


@differential
@given(columns([pa.string()]), bounds(st.integers(0, 8)))
def test_ranges_of_lengths_agree(batch: Batch, arguments: dict[str, Any]) -> None:
    in_order(arguments)
    agrees(batch, "column_value_lengths_to_be_between", column="x0", **arguments)


@differential
@given(columns([pa.string()]), st.integers(-1, 8))
def test_lengths_agree(batch: Batch, value: int) -> None:
    agrees(batch, "column_value_lengths_to_equal", column="x0", value=value)


ignore_pair = st.fixed_dictionaries(
    {},
    optional={"ignore_row_if": st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])},
)


@differential
@given(columns([*INT_TYPES], 2, alike=False), ignore_pair, st.sampled_from([None, True, False, "equal"]))
def test_pairs_of_whole_numbers_agree(batch: Batch, arguments: dict[str, Any], how: Any) -> None:
    compare(batch, arguments, how)


@differential
@given(columns([*FLOAT_TYPES], 2, alike=False), ignore_pair, st.sampled_from([None, True, False, "equal"]))
def test_pairs_of_floats_agree(batch: Batch, arguments: dict[str, Any], how: Any) -> None:
    compare(batch, arguments, how)


@differential
@given(columns(TIMESTAMPS, 2), ignore_pair, st.sampled_from([None, True, False, "equal"]))
def test_pairs_of_timestamps_agree(batch: Batch, arguments: dict[str, Any], how: Any) -> None:
    compare(batch, arguments, how)


@differential
@given(columns([pa.string()], 2), ignore_pair)
def test_pairs_of_texts_agree(batch: Batch, arguments: dict[str, Any]) -> None:
    compare(batch, arguments, "equal")


def compare(batch: Batch, arguments: dict[str, Any], how: Any) -> None:
    if how == "equal":
        agrees(batch, "column_pair_values_to_be_equal", column_A="x0", column_B="x1", **arguments)
        return
    more = {} if how is None else {"or_equal": how}
    name = "column_pair_values_a_to_be_greater_than_b"
    agrees(batch, name, column_A="x0", column_B="x1", **arguments, **more)


@differential
@given(
    st.integers(2, 7).flatmap(lambda count: columns([pa.float64()], count)),
    st.sampled_from([0.3, 0.6, 1.5, 0, 3, 1e299]),
    st.fixed_dictionaries(
        {},
        optional={"ignore_row_if": st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])},
    ),
)
def test_sums_agree(batch: Batch, total: float, arguments: dict[str, Any]) -> None:
    names = batch.columns.schema.names
    agrees(batch, "multicolumn_sum_to_equal", column_list=names, sum_total=total, **arguments)


date_texts = st.one_of(
    st.none(),
    short_texts,
    st.datetimes().map(str),
    st.sampled_from(
        ["2024-1-1", "2024-01-01 ", "2024-13-01", "Feb 29", "12:5", "99", "1 Jan 24", "2024-01-01T00:00:00Z"]
    ),
    st.text(st.sampled_from("0123456789-:/. TZJanFeb+"), max_size=12),
)


@differential
@given(
    st.lists(date_texts, max_size=9),
    st.sampled_from(["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d %b %y", "%H:%M", "%y", "%Y", "%%"]),
)
def test_date_formats_agree(texts: list[str | None], format_: str) -> None:
    batch = batch_of({"x0": pa.array(texts, pa.string())})
    agrees(batch, "column_values_to_match_strftime_format", column="x0", strftime_format=format_)


@differential
@given(st.lists(date_texts, max_size=9))
def test_dates_agree(texts: list[str | None]) -> None:
    agrees(batch_of({"x0": pa.array(texts, pa.string())}), "column_values_to_be_dateutil_parseable", column="x0")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@differential
@given(
    st.lists(st.none() | json_values.map(json.dumps) | short_texts | st.sampled_from(["NaN", "{", "[1,"]), max_size=9)
)
def test_json_agrees(texts: list[str | None]) -> None:
    agrees(batch_of({"x0": pa.array(texts, pa.string())}), "column_values_to_be_json_parseable", column="x0")


JSON_SCHEMAS = [
    {"type": "object", "required": ["a"]},
    {"type": ["integer", "null"], "minimum": 0},
    {"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"type": "string"}}}},
    {"properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {},
]


@differential
@given(st.lists(st.none() | json_values.map(json.dumps), max_size=9), st.sampled_from(JSON_SCHEMAS))
def test_json_schemas_agree(texts: list[str | None], schema: dict[str, Any]) -> None:
    batch = batch_of({"x0": pa.array(texts, pa.string())})
    agrees(batch, "column_values_to_match_json_schema", column="x0", json_schema=schema)


FLOATS = batch_of({"x0": pa.array([1.0, 2.0, None, NAN, 3.0, INF]), "x1": pa.array([1.0, None, None, 2.0, -INF, 0.5])})
INTS = batch_of({"x0": pa.array([1, 2, None, 2**53 + 1, 3])})
TEXTS = batch_of({"x0": pa.array(["a", "ab", None, "ab\n", "é", "١"])})


def bytes_between(path: str, range_: Any) -> Any:
    return lambda columns: range_.outside(pa.compute.binary_length(columns[path].array).fill_null(1).to_numpy())


MUTANTS: dict[str, tuple[str, Any, Batch, str, dict[str, Any]]] = {
    "a bound that is strict": (
        "kernels.Range.outside", lambda r, v: (v <= r.low) | (v > r.high),
        FLOATS, "column_values_to_be_between", {"min_value": 2, "max_value": 3},
    ),
    "a bound that is rounded": (
        "kernels.Range.outside", lambda r, v: v.astype(float) > float(r.high),
        INTS, "column_values_to_be_between", {"max_value": 2**53},
    ),
    "nulls that miss": (
        "kernels.settle", lambda column, misses: misses,
        FLOATS, "column_values_to_be_in_set", {"value_set": [1, 2]},
    ),
    "NaN that counts as a value": (
        "columns.Column.absent", lambda column: ~column.array.is_valid().to_numpy(zero_copy_only=False),
        FLOATS, "column_values_to_not_be_null", {},
    ),
    "lengths in bytes": (
        "texts.lengths_between", bytes_between,
        TEXTS, "column_value_lengths_to_equal", {"value": 1},
    ),
    "an end before which no line may end": (
        "patterns.Pattern._python_rows", lambda pattern, column: None,
        TEXTS, "column_values_to_match_regex", {"regex": "b$"},
    ),
    "digits of ASCII only": (
        "patterns.Pattern._python_rows", lambda pattern, column: None,
        TEXTS, "column_values_to_match_regex", {"regex": r"^\d$"},
    ),
    "rows with one null that pass": (
        "kernels.settle_pair", lambda misses, a, b, ignore: misses & ~(a | b),
        FLOATS, "column_pair_values_to_be_equal", {},
    ),
    "sums that skip nulls": (
        "kernels._with_nan", lambda column: pa.compute.fill_null(column.array, 0).to_numpy(zero_copy_only=False),
        FLOATS, "multicolumn_sum_to_equal", {"sum_total": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_an_altered_check_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself can fail: kernels altered a little give another verdict than GX on a few rows."""
    target, altered, batch, type_, arguments = MUTANTS[mutant]
    if "pair" in type_:
        arguments = {"column_A": "x0", "column_B": "x1"} | arguments
    else:
        arguments = ({"column_list": ["x0", "x1"]} if "multi" in type_ else {"column": "x0"}) | arguments
    agrees(batch, type_, **arguments)
    monkeypatch.setattr(f"stream.validation.{target}", altered)
    with pytest.raises(AssertionError):
        agrees(batch, type_, **arguments)
