"""Expressions that are small to write and endless to read are refused before polars reads them: found by fuzzing."""

import pyarrow as pa
import pytest

from stream.errors import ConfigurationError
from stream.stages.expression import compile
from stream.stages.sql_bounds import MAX_OPERATORS

SCHEMA = pa.schema([pa.field("a", pa.int64()), pa.field("t", pa.string()), pa.field("n", pa.int64())])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("+".join(["a"] * (MAX_OPERATORS + 2)), "more than 200 operators"),
        ("not " * 300 + "true", "more than 200 operators"),
        ("(" * 51 + "a" + ")" * 51, "more than 50 brackets"),
        ("case when true then " * 49 + "true", "each case needs its end"),
        ("position((" * 20 + "t", "not a whole SQL expression"),
        ("a between 1 and " + "3and " * 600 + "3", "nested too deeply|operators"),
        ("- 1e308 in (- 1e308, null > a)", "the same for all events"),
        ("t = '\ud800'", "half of a surrogate pair"),
        ("lpad(t, 999999999999, 'a')", "fill the memory"),
        ("rpad(t, n, 'a')", "fill the memory"),
    ],
)
def test_what_would_not_end_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        compile(text, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["a"] * (MAX_OPERATORS + 1)),
        "(" * 20 + "a" + ")" * 20,
        f"a in ({', '.join(map(str, range(1000)))})",
        "case when a > 1 then t else 'x' end",
        "lpad(t, 20, 'a')",
    ],
)
def test_what_ends_is_taken(text: str) -> None:
    compile(text, SCHEMA)


def test_a_field_may_have_the_name_of_a_word_that_needs_an_end() -> None:
    schema = pa.schema([pa.field("customer", pa.struct([pa.field("case", pa.int64())]))])
    assert compile("customer.case + 1", schema).columns == ("customer.case",)
