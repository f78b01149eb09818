"""Which words an SQL expression may use: what is known to judge each row by itself, the same every time.

A list of what is allowed, not of what is forbidden: a function that a later polars adds is refused until
it has been looked at and tested here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from stream.suggestion import did_you_mean

FUNCTIONS: Final = frozenset(
    """
    abs acos acosd asin asind atan atan2 atan2d atand cbrt ceil ceiling cos cosd cot cotd degrees div exp floor
    ln log log10 log1p log2 mod pi pow power radians round sign sin sind sqrt tan tand xor
    bit_and bit_count bit_or bit_xor
    bit_length char_length character_length concat concat_ws ends_with initcap left length lower lpad ltrim
    normalize octet_length position regexp_like regexp_replace replace reverse right rpad rtrim split_part
    starts_with strpos strptime substr substring trim upper
    date datetime time timestamp strftime date_part extract day dayofmonth dayofweek dayofyear hour minute month
    quarter second week year
    array_contains array_get array_length array_mean array_sum array_to_string
    coalesce greatest if ifnull least nullif
    """.split()  # noqa: SIM905
)
"""Functions whose answer for a row depends on that row alone."""

SYNTAX: Final = frozenset(
    """
    and any array as between bigint by case cast char decimal distinct double else end float from ilike in interval
    is like not null numeric or rlike regexp then timestamptz try_cast varchar varbinary when
    """.split()  # noqa: SIM905
)
"""Words that may stand before a bracket without being a function."""

OPERATORS: Final = frozenset(
    {"and", "between", "case", "div", "ilike", "is", "like", "not", "or", "regexp", "rlike", "when", "xor"}
)
"""Words that stand between or before operands."""

CLOCK: Final = frozenset(
    """
    current_date current_time current_timestamp localtime localtimestamp now today sysdate getdate getutcdate
    clock_timestamp statement_timestamp transaction_timestamp unix_timestamp utc_timestamp curdate curtime
    """.split()  # noqa: SIM905
)
BARE_CLOCK: Final = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
"""Read the clock without brackets, too."""

CHANCE: Final = frozenset(
    """
    gen_random_uuid generate_uuid newid rand randn random sample shuffle uniform uuid
    """.split()  # noqa: SIM905
)
ROWS: Final = frozenset(
    """
    approx_quantile array_agg avg corr count covar covar_pop covar_samp cume_dist cumsum dense_rank every exists
    filter first first_value generate_series group_concat lag last last_value lead listagg max mean median min mode
    nth_value ntile over percent_rank quantile quantile_cont quantile_disc rank row_number select std stddev
    stddev_samp stdev stdev_samp string_agg sum total unnest var var_samp variance explode columns within
    """.split()  # noqa: SIM905
)
"""Aggregates, windows and queries: the answer depends on which other rows are in the batch."""

INSTEAD: Final[Mapping[str, str]] = {
    "max": "greatest(a, b) compares columns of one row",
    "min": "least(a, b) compares columns of one row",
    "sum": "a + b adds columns, array_sum(a) the items of a list",
    "avg": "array_mean(a) takes the items of a list",
    "count": "array_length(a) counts the items of a list",
    "array_max": "greatest(array_get(a, 1), array_get(a, 2), ...) takes the items, counted from 1",
    "list_max": "greatest(array_get(a, 1), array_get(a, 2), ...) takes the items, counted from 1",
    "array_min": "least(array_get(a, 1), array_get(a, 2), ...) takes the items, counted from 1",
    "list_min": "least(array_get(a, 1), array_get(a, 2), ...) takes the items, counted from 1",
    "date_trunc": "use cast(t as date), or date_part('hour', t)",
    "isnan": "use x > 1.7e308, as NaN is larger than every number",
    "is_nan": "use x > 1.7e308, as NaN is larger than every number",
}
"""What people look for, and what there is."""

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<text>[A-Za-z]?'(?:[^']|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")*" | `[^`]*`)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """kind: text, quoted, word, number or sign. start and end are offsets in the expression."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """The identifier this token writes."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text


class Identifier(NamedTuple):
    """A column or a dotted path as written; start and end are offsets in the expression."""

    path: str
    start: int
    end: int


def tokens(expression: str) -> list[Token]:
    """The expression's tokens without white space and comments; never fails."""
    found = []
    for match in _TOKEN.finditer(expression):
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), match.start(), match.end()))
    return found


def is_operator(token: Token) -> bool:
    """Of a sign: whether it is one of +, <, ||, :: and so on, each character of which counts."""
    return token.kind == "sign" and token.text not in "()[],."


def forbidden(expression: str) -> Iterator[tuple[str, str]]:
    """Each word of the expression that is refused, and why."""
    found = tokens(expression)
    following = [*found, Token("sign", "", 0, 0)][1:]
    told = set()
    for token, after in zip(found, following, strict=True):
        word = token.name.lower()
        is_call = after.text == "("
        if token.kind in ("word", "quoted") and word not in told:
            reason = _reason(word, is_call=is_call, is_quoted=token.kind == "quoted")
            if reason:
                told.add(word)
                yield word, reason


def _reason(word: str, *, is_call: bool, is_quoted: bool) -> str:
    reads_clock = word in CLOCK and (is_call or (word in BARE_CLOCK and not is_quoted))
    if reads_clock or (is_call and word in CHANCE):
        instead = "the event's own time or _timestamp" if reads_clock else "a column of the event"
        return f"{word} differs each time an event is read; use {instead}"
    if is_call and word in ROWS:
        instead = INSTEAD.get(word, "an expression sees one row")
        return f"{word} looks at other rows, and which those are depends on the batch; {instead}"
    if is_call and word not in FUNCTIONS | SYNTAX:
        hint = f"; {INSTEAD[word]}" if word in INSTEAD else did_you_mean(word, FUNCTIONS)
        return f"there is no function {word}(){hint}"
    return ""


def identifiers(expression: str) -> list[Identifier]:
    """Dotted paths (a.b, "a".b), which SQL would read as table.column; functions and single names left out."""
    found, result, index = tokens(expression), [], 0
    while index < len(found):
        end = index
        while _continues(found, end):
            end += 2
        if end > index:
            path = ".".join(t.name for t in found[index : end + 1 : 2])
            result.append(Identifier(path, found[index].start, found[end].end))
        index = end + 1
    return result


def _continues(found: list[Token], index: int) -> bool:
    names = ("word", "quoted")
    return (
        index + 2 < len(found)
        and found[index].kind in names
        and found[index + 1].text == "."
        and found[index + 2].kind in names
    )
