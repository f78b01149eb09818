"""SQL expressions: what they compute, what they refuse, and that each row stands for itself."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.batch import META_SCHEMA
from stream.errors import ConfigurationError, PoisonError
from stream.pipeline import apply
from stream.stages.expression import Expression, compile, compile_condition, paths_of
from stream.stages.sql_words import BARE_CLOCK, CHANCE, CLOCK, FUNCTIONS, ROWS
from stream.stages.text import META_NAMES

CUSTOMER = pa.struct([pa.field("age_days", pa.int32()), pa.field("home", pa.struct([pa.field("city", pa.string())]))])
SCHEMA = pa.schema(
    [
        pa.field("a", pa.int32(), nullable=False),
        pa.field("b", pa.int64()),
        pa.field("x", pa.float64()),
        pa.field("s", pa.string()),
        pa.field("flag", pa.bool_()),
        pa.field("raw", pa.binary()),
        pa.field("t", pa.timestamp("ms", "UTC")),
        pa.field("lt", pa.timestamp("us")),
        pa.field("d", pa.date32()),
        pa.field("l", pa.list_(pa.int32())),
        pa.field("customer", CUSTOMER),
        pa.field("price", pa.decimal128(10, 2)),
        pa.field("wide", pa.decimal256(60, 2)),
        pa.field("order", pa.int32()),
    ]
)
ROWS_OF_SCHEMA = [
    {
        "a": 7,
        "b": 2,
        "x": 1.5,
        "s": "abc",
        "flag": True,
        "raw": b"\x01",
        "t": datetime(2026, 1, 31, 6, tzinfo=UTC),
        "lt": datetime(2026, 1, 31, 6),  # noqa: DTZ001
        "d": date(2026, 1, 31),
        "l": [1, 2],
        "customer": {"age_days": 400, "home": {"city": "Lyon"}},
        "price": Decimal("2.50"),
        "order": 3,
    },
    {
        "a": -7,
        "b": 0,
        "x": math.nan,
        "s": "12",
        "flag": False,
        "raw": b"",
        "t": datetime(1970, 1, 1, tzinfo=UTC),
        "lt": datetime(1970, 1, 1),  # noqa: DTZ001
        "d": date(1970, 1, 1),
        "l": [],
        "customer": {"age_days": None, "home": None},
        "price": Decimal("0.00"),
        "order": 0,
    },
    {"a": 0},
]
BATCH_COLUMNS = pa.RecordBatch.from_pylist([dict.fromkeys(SCHEMA.names) | row for row in ROWS_OF_SCHEMA], SCHEMA)

# expression: (type of the result, values for the three rows)
VALUES = {
    "a + b": (pa.int64(), [9, -7, None]),
    "a / b": (pa.float64(), [3.5, -math.inf, None]),
    "a // b": (pa.int64(), [3, None, None]),
    "a % b": (pa.int64(), [1, None, None]),
    "0 / b": (pa.float64(), [0.0, math.nan, None]),
    "a * 1.5": (pa.float64(), [10.5, -10.5, 0.0]),
    "x - a / 60": (pa.float64(), [1.5 - 7 / 60, math.nan, None]),
    "2147483647 + a": (pa.int32(), [-2147483642, 2147483640, 2147483647]),
    "cast(a as bigint) + 2147483647": (pa.int64(), [2147483654, 2147483640, 2147483647]),
    "x > 1": (pa.bool_(), [True, True, None]),
    "x > 1.7e308": (pa.bool_(), [False, True, None]),
    "x = x": (pa.bool_(), [True, True, None]),
    "b = 2 and flag": (pa.bool_(), [True, False, None]),
    "b = 2 or a = 0": (pa.bool_(), [True, False, True]),
    "not flag": (pa.bool_(), [False, True, None]),
    "b is null": (pa.bool_(), [False, False, True]),
    "b is not distinct from a": (pa.bool_(), [False, False, False]),
    "a in (7, 0)": (pa.bool_(), [True, False, True]),
    "a between -7 and 0": (pa.bool_(), [False, True, True]),
    "case when a > 0 then 'up' when a < 0 then 'down' else 'flat' end": (pa.string(), ["up", "down", "flat"]),
    "case a when 7 then 1 end": (pa.int32(), [1, None, None]),
    "coalesce(b, a)": (pa.int64(), [2, 0, 0]),
    "coalesce(x, 0)": (pa.float64(), [1.5, math.nan, 0.0]),
    "nullif(b, 0)": (pa.int64(), [2, None, None]),
    "greatest(a, b)": (pa.int64(), [7, 0, 0]),
    "least(a, b)": (pa.int64(), [2, -7, 0]),
    "s || '-' || a": (pa.string(), ["abc-7", "12--7", None]),
    "upper(s)": (pa.string(), ["ABC", "12", None]),
    "length(s)": (pa.int64(), [3, 2, None]),
    "s like 'a%'": (pa.bool_(), [True, False, None]),
    "s ilike 'A%'": (pa.bool_(), [True, False, None]),
    "regexp_like(s, '^[0-9]+$')": (pa.bool_(), [False, True, None]),
    "try_cast(s as int)": (pa.int32(), [None, 12, None]),
    "cast(a as varchar)": (pa.string(), ["7", "-7", "0"]),
    "flag::int": (pa.int32(), [1, 0, None]),
    "cast(a as tinyint)": (pa.int32(), [7, -7, 0]),
    "t > timestamptz '2020-01-01 00:00:00Z'": (pa.bool_(), [True, False, None]),
    "lt > timestamp '2020-01-01 00:00:00'": (pa.bool_(), [True, False, None]),
    "d >= date '2026-01-01'": (pa.bool_(), [True, False, None]),
    "date_part('hour', t)": (pa.int32(), [6, 0, None]),
    "extract(year from t)": (pa.int32(), [2026, 1970, None]),
    "cast(t as date)": (pa.date32(), [date(2026, 1, 31), date(1970, 1, 1), None]),
    "t - interval '6 hours' > timestamptz '2026-01-31'": (pa.bool_(), [False, False, None]),
    "t - t": (pa.duration("ms"), [timedelta(0), timedelta(0), None]),
    "l[1]": (pa.int32(), [1, None, None]),
    "array_length(l)": (pa.int64(), [2, 0, None]),
    "array_contains(l, 2)": (pa.bool_(), [True, False, None]),
    "customer.age_days / 365": (pa.float64(), [400 / 365, None, None]),
    "customer.home.city = 'Lyon'": (pa.bool_(), [True, None, None]),
    '"customer"."home"."city"': (pa.string(), ["Lyon", None, None]),
    "customer is null": (pa.bool_(), [False, False, True]),
    "price * 2": (pa.decimal128(38, 2), [Decimal("5.00"), Decimal("0.00"), None]),
    "cast(a as decimal(10, 2))": (pa.decimal128(10, 2), [Decimal("7.00"), Decimal("-7.00"), Decimal("0.00")]),
    '"order" + 1': (pa.int32(), [4, 1, None]),
    "raw = 'x'": (pa.bool_(), [False, False, None]),
    "_topic || ':' || _offset": (pa.string(), ["flights:100", "flights:101", "flights:102"]),
    "_partition + 1": (pa.int32(), [1, 1, 1]),
    "_key": (pa.binary(), [b"k0", b"k1", b"k2"]),
    "_timestamp": (pa.timestamp("ms", "UTC"), [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)] * 3),
    "wide": (pa.decimal256(60, 2), [None, None, None]),
    "customer": (CUSTOMER, [r.get("customer") for r in ROWS_OF_SCHEMA]),
    "'arrival-delay/1'": (pa.string(), ["arrival-delay/1"] * 3),
    "15": (pa.int32(), [15, 15, 15]),
    "1.5": (pa.float64(), [1.5, 1.5, 1.5]),
    "cast(null as double)": (pa.float64(), [None, None, None]),
    "'now() -- random()'": (pa.string(), ["now() -- random()"] * 3),
    "a /* now() */ + 1 -- random()": (pa.int32(), [8, -6, 1]),
}

UTC_SHOWN = "datetime.timezone.utc"
ZONE = "zoneinfo.ZoneInfo(key='UTC')"
COLUMNS = "; columns here: " + ", ".join(paths_of(SCHEMA))

# expression: what is wrong with it
WRONG = {
    "": "it is not a whole SQL expression",
    "a +": "it is not a whole SQL expression",
    "(a": "it is not a whole SQL expression",
    "greatest()": "it is not a whole SQL expression",
    "a b": "two words stand side by side; an operator is missing between them",
    "a as b": "two words stand side by side; an operator is missing between them",
    "a; b": "invalid expression (found unexpected token ';')",
    "ax + 1": "no column 'ax'; did you mean 'x'?" + COLUMNS,
    "zzzzzz + 1": "no column 'zzzzzz'; a text stands in single quotes: 'zzzzzz'" + COLUMNS,
    "customer.age_dys": "no column 'customer.age_dys'; did you mean 'customer.age_days'?" + COLUMNS,
    "custmer.age_days": "no column 'custmer.age_days'; did you mean 'customer.age_days'?" + COLUMNS,
    "a.b": "no column 'a.b'; a text stands in single quotes: 'a.b'" + COLUMNS,
    "order + 1": "expected an expression (found 'order' clause); a column whose name SQL knows is written in double"
    ' quotes: "order"',
    "s + 1": "arithmetic on dtypes str and int is not allowed (lhs: column 's', rhs: expression 'int: 1'); try an"
    " explicit cast first",
    "t > timestamp '2020-01-01'": "could not evaluate '>' comparison between series 't' of dtype: Datetime('ms', 'UTC')"
    " and series 'literal' of dtype: Datetime('μs'); a time in UTC is compared with timestamptz '2026-01-31 06:00:00Z'",
    "date(s)": "a time needs its format, such as strptime(a, '%Y-%m-%d'); without, it would be guessed from other rows",
    "null": "it is always null and has no type; write cast(null as double)",
    "wide + 1": "the decimal 'wide' has more than 38 digits; no expression can use it",
    "zzz(a)": "there is no function zzz()",
    "date_trunc('day', t)": "there is no function date_trunc(); use cast(t as date), or date_part('hour', t)",
    "list_max(a)": "there is no function list_max(); greatest(array_get(a, 1), array_get(a, 2), ...) takes the items,"
    " counted from 1",
    "coalesc(a)": "there is no function coalesc(); did you mean 'coalesce'?",
    "isnan(x)": "there is no function isnan(); use x > 1.7e308, as NaN is larger than every number",
    "max(a)": "max looks at other rows, and which those are depends on the batch; greatest(a, b) compares columns of"
    " one row",
    "lag(a)": "lag looks at other rows, and which those are depends on the batch; an expression sees one row",
    "now()": "now differs each time an event is read; use the event's own time or _timestamp",
    "a > random()": "random differs each time an event is read; use a column of the event",
    "cast('x' as int)": "conversion from 'str' to 'i32' failed in column 'scalar' for 1 out of 1 values: [\"x\"]",
    "(select 1)": "it looks at other rows, and which those are depends on the batch; an expression sees one row",
}


@pytest.fixture
def batch(make_batch):
    return make_batch(BATCH_COLUMNS)


def same(left, right) -> bool:
    """Equal, where NaN is NaN and UTC is UTC."""
    return repr(left).replace(ZONE, UTC_SHOWN) == repr(right).replace(ZONE, UTC_SHOWN)


@pytest.mark.parametrize("text", VALUES)
def test_an_expression_gives_each_row_its_value(batch, text):
    expression = compile(text, SCHEMA)
    type_, values = VALUES[text]
    result = expression.evaluate(batch)
    assert (expression.type, result.type) == (type_, type_)
    assert same(result.to_pylist(), values)


@pytest.mark.parametrize("text", VALUES)
def test_what_is_said_to_have_no_nulls_has_none(batch, text):
    expression = compile(text, SCHEMA)
    assert expression.nullable or expression.evaluate(batch).null_count == 0


@pytest.mark.parametrize("text", VALUES)
def test_a_row_gives_the_same_whatever_else_is_in_its_batch(batch, text):
    expression = compile(text, SCHEMA)
    together = expression.evaluate(batch).to_pylist()
    alone = [expression.evaluate(batch.slice(i, i + 1)).to_pylist()[0] for i in range(3)]
    assert same(together, alone)
    assert len(expression.evaluate(batch.slice(0, 0))) == 0


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_expression_is_told_with_what_would_be_right(text):
    with pytest.raises(ConfigurationError) as raised:
        compile(text, SCHEMA)
    assert str(raised.value) == f"expression `{text}`: {WRONG[text]}"


def test_every_mistake_of_an_expression_is_told():
    with pytest.raises(ConfigurationError) as raised:
        compile("now() > random() + max(a)", SCHEMA)
    assert len(raised.value.problems) == 3
    with pytest.raises(ConfigurationError) as raised:
        compile("nosuch1 + nosuch2", SCHEMA)
    assert len(raised.value.problems) == 2


def test_the_columns_that_an_expression_reads_are_known():
    assert compile("customer.age_days + a + a", SCHEMA).columns == ("customer.age_days", "a")
    assert compile("'x'", SCHEMA).columns == ()


def test_no_result_is_null_where_it_is_plain():
    assert not compile("a + 1", SCHEMA).nullable
    assert not compile("coalesce(b, 0)", SCHEMA).nullable
    assert not compile("case when a > 1 then 'x' else 'y' end", SCHEMA).nullable
    assert compile("b + 1", SCHEMA).nullable
    assert compile("a // a", SCHEMA).nullable


# what must not be


@pytest.mark.parametrize("text", [f"{w}()" for w in sorted(CLOCK | CHANCE)] + sorted(BARE_CLOCK))
@pytest.mark.parametrize(
    "within", ["{}", "{} is null", "coalesce(b, {})", "case when {} > b then 1 end", "'it''s' || {}"]
)
def test_clock_and_chance_are_refused_wherever_they_stand(text, within):
    for written in (text, text.upper(), text.replace("(", " ("), text.replace("(", "/* ' */(")):
        with pytest.raises(ConfigurationError, match="differs each time an event is read"):
            compile(within.format(written), SCHEMA)


@pytest.mark.parametrize(
    "text",
    ["E'\\'' || now()", "$tag$'$tag$ || now()", '"s" || now()', "'--' || now()", "'/*' || now()", "`s` || now()"],
)
def test_no_quoting_hides_the_clock(text):
    with pytest.raises(ConfigurationError, match="now differs"):
        compile(text, SCHEMA)


def test_what_the_words_do_not_show_is_found_by_reading_the_clock_twice(monkeypatch):
    monkeypatch.setattr("stream.stages.expression.forbidden", lambda text: iter(()))
    for text in ("now()", "current_timestamp"):
        with pytest.raises(ConfigurationError, match="it differs each time it is read"):
            compile(text, SCHEMA)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_aggregates_and_windows_are_refused(name):
    with pytest.raises(ConfigurationError, match="looks at other rows"):
        compile(f"a > {name}(a)", SCHEMA)


@pytest.mark.parametrize(
    "text",
    ["sum(a)", "count(*)", "first(a)", "a - avg(a)", "row_number() over (order by a)", "lag(a) over (order by a)",
     "array_reverse(l)", "a in (select 1)", "unnest(l)", "(select 1)", "exists(select 1)", "COLUMNS('a')",
     "quantile_cont(x, 0.5)"],
)  # fmt: skip
def test_what_the_words_do_not_show_is_found_in_the_tree(monkeypatch, text):
    monkeypatch.setattr("stream.stages.expression.forbidden", lambda text: iter(()))
    with pytest.raises(ConfigurationError, match="it looks at other rows"):
        compile(text, SCHEMA)


def test_a_column_named_like_a_clock_is_read_in_double_quotes():
    schema = pa.schema([("current_date", pa.int32())])
    with pytest.raises(ConfigurationError, match='written in double quotes: "current_date"'):
        compile("current_date + 1", schema)
    assert compile('"current_date" + 1', schema).columns == ("current_date",)


CALLED = {
    call.split("(")[0]: call.replace("\t", " ")
    for call in """
    abs(a) acos(x) acosd(x) asin(x) asind(x) atan(x) atan2(x,a) atan2d(x,a) atand(x) cbrt(x) ceil(x) ceiling(x) cos(x)
    cosd(x) cot(x) cotd(x) degrees(x) div(a,b) exp(x) floor(x) ln(x) log(x,2) log10(x) log1p(x) log2(x) mod(a,b) pi()
    pow(x,2) power(x,2) radians(x) round(x,1) sign(a) sin(x) sind(x) sqrt(x) tan(x) tand(x) xor(a,b) bit_and(a,b)
    bit_count(a) bit_or(a,b) bit_xor(a,b) bit_length(s) char_length(s) character_length(s) concat(s,a)
    concat_ws('-',s,s) ends_with(s,'c') initcap(s) left(s,1) length(s) lower(s) lpad(s,9,'x') ltrim(s,'a') normalize(s)
    octet_length(s) position('b'in\ts) regexp_like(s,'b') regexp_replace(s,'b','x') replace(s,'b','x') reverse(s)
    right(s,1) rpad(s,9,'x') rtrim(s,'c') split_part(s,'b',1) starts_with(s,'a') strpos(s,'b') substr(s,1,2)
    substring(s,2) trim(s) upper(s) strptime('2026','%Y') date('2026-01-31','%Y-%m-%d') time('06:00','%H:%M')
    timestamp('2026-01-31','%Y-%m-%d') datetime('2026-01-31','%Y-%m-%d') strftime(t,'%Y') date_part('hour',t)
    extract(hour\tfrom\tt) day(t) dayofmonth(t) dayofweek(t) dayofyear(t) hour(t) minute(t) month(t) quarter(t)
    second(t) week(t) year(t) array_contains(l,1) array_get(l,1) array_length(l) array_mean(l) array_sum(l)
    array_to_string(l,',') coalesce(b,a) greatest(a,b) if(flag,a,b) ifnull(b,a) least(a,b) nullif(a,b)
""".replace("\n", " ").split(" ")
    if call
}


def test_every_function_that_is_allowed_is_tried():
    assert set(CALLED) == FUNCTIONS


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_that_is_allowed_judges_a_row_by_itself(batch, name):
    expression = compile(CALLED[name], SCHEMA)
    together = expression.evaluate(batch).to_pylist()
    alone = [expression.evaluate(batch.slice(i, i + 1)).to_pylist()[0] for i in range(3)]
    assert same(together, alone)


# rows that fail


@pytest.mark.parametrize("text", ["cast(s as int)", "s::double", "cast(x as int)", "strptime(s, '%Y')", "price / 0"])
def test_a_row_that_cannot_be_computed_is_poison_and_its_value_is_not_told(batch, text):
    expression = compile(text, SCHEMA)
    with pytest.raises(PoisonError) as raised:
        expression.evaluate(batch)
    assert raised.value.reason == "expression"
    assert raised.value.detail.startswith(f"{text}: ")
    assert "abc" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_halving_finds_the_row_that_fails(batch):
    from stream.batch import Result

    expression = compile("cast(s as int)", SCHEMA)
    result = apply("transform", lambda b: Result(b.with_columns({"n": expression.evaluate(b)})), batch)
    assert [(f.row, f.stage, f.reason) for f in result.failures] == [(0, "transform", "expression")]
    assert result.batch.columns["n"].to_pylist() == [12, None]


# conditions and names


def test_a_condition_must_be_true_or_false():
    assert isinstance(compile_condition("x > 15", SCHEMA), Expression)
    assert compile_condition("flag", SCHEMA).columns == ("flag",)
    with pytest.raises(ConfigurationError, match="a condition must be true or false, this is int32"):
        compile_condition("a + 1", SCHEMA)


def test_an_expression_has_an_end():
    with pytest.raises(ConfigurationError, match="more than 10000 characters"):
        compile("a" * 10_001, SCHEMA)


def test_meta_names_are_those_of_the_meta_columns():
    assert tuple(META_SCHEMA.names) == META_NAMES


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab.()'\"`$-/*,+= 1\n", max_size=30))
def test_any_text_is_an_expression_or_a_configuration_error(text):
    with suppress(ConfigurationError):
        compile(text, SCHEMA)
