"""SQL expressions over the columns of a batch, by polars.

An expression judges each row by itself and always the same: what reads the clock, chance or other rows
is refused. As SQL in polars has it:

* a / b is a fraction (7 / 2 = 3.5, 7 / 0 = infinity, 0 / 0 = NaN); a // b, a % b are whole, null for b = 0;
* whole numbers wrap around at their type's end: write cast(a as bigint) where int may be too small;
* NaN equals NaN and is larger than every other number; null makes null, in a condition it does not hold;
* a cast that fails for a row sets that row aside; try_cast gives null instead;
* 1.5 is an exact decimal; a result is a double all the same unless a decimal column or cast is in it;
* a time in UTC is compared with timestamptz '2026-01-31 06:00:00Z', a local one with timestamp '...'.

A name with a dot is a field of a record: customer.age_days. A name that SQL knows as a word, or with other
characters, goes in double quotes: "order".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from stream.batch import META_SCHEMA, Batch, resolve
from stream.errors import ConfigurationError, PoisonError
from stream.stages.arrow_types import plain
from stream.stages.sql_bounds import MAX_EXPRESSION, out_of_bounds
from stream.stages.sql_words import forbidden, identifiers, tokens
from stream.suggestion import did_you_mean

if TYPE_CHECKING:
    import polars as pl

REASON: Final = "expression"
MAX_LISTED: Final = 30
MAX_PADDED: Final = 10_000
"""Characters that lpad and rpad may fill up to."""

_CHILDREN: Final = {
    "Column": (),
    "Literal": (),
    "BinaryExpr": ("left", "right"),
    "Ternary": ("predicate", "truthy", "falsy"),
    "Cast": ("expr",),
    "Function": ("input",),
}
"""Nodes of polars' tree that compute a row from that row, and where their operands are."""
_ROW_FUNCTIONS: Final = frozenset(
    """
    Abs Atan2 Bitwise Boolean.IsNotNull Boolean.IsNull Boolean.Not Ceil Clip Coalesce Exp FillNull Floor ListExpr Log
    Log1p MaxHorizontal MinHorizontal Pow Sign Sql StringExpr StructExpr TemporalExpr Trigonometry
    """.split()  # noqa: SIM905
)
"""The functions among them; polars has others, such as Reverse and Rank, that move or compare rows."""
_PADDING: Final = frozenset({"StringExpr.PadStart", "StringExpr.PadEnd"})
_CONVERSION: Final = re.compile(r"conversion from `[^`]*` to `[^`]*` failed")


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. columns are the paths it reads, type and nullable describe its result."""

    text: str
    columns: tuple[str, ...]
    type: pa.DataType
    nullable: bool
    _plan: pl.Expr

    def evaluate(self, batch: Batch) -> pa.Array:
        """One value for each row, of `type`.

        Raises PoisonError when it fails for some row, for example a cast; which row is not known.
        """
        import polars as pl

        if self._plan.meta.is_column():
            return batch.column(self.columns[0])
        frame = pl.DataFrame([pl.Series(path, batch.column(path)) for path in self.columns])
        try:
            result = frame.select(self._plan).to_series().to_arrow().cast(self.type)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowInvalid) as error:
            # polars' text quotes the values that failed
            found = _CONVERSION.search(str(error))
            why = found[0].replace("`", "") if found else "it cannot be computed for this event"
            raise PoisonError(REASON, f"{self.text}: {why}") from None
        if not self.columns:
            return pa.repeat(result[0], len(batch))
        assert len(result) == len(batch), f"{self.text}: {len(batch)} rows in, {len(result)} out"
        return result


def compile(text: str, schema: pa.Schema) -> Expression:
    """Check an expression against the columns it may read. Raises ConfigurationError with all that is wrong."""
    if reason := out_of_bounds(text):
        raise ConfigurationError([reason if len(text) > MAX_EXPRESSION else _told(text, reason)])
    if refused := list(forbidden(text)):
        raise ConfigurationError(
            [
                _told(text, reason + (_word_hint(text, schema) if word in schema.names else ""))
                for word, reason in refused
            ]
        )
    plan = _parsed(text, schema)
    columns = tuple(dict.fromkeys(plan.meta.root_names()))
    if unknown := [path for path in columns if resolve(schema, path) is None]:
        raise ConfigurationError([_unknown_column(text, path, schema) for path in unknown])
    if plan.meta.is_column():
        field = _field(schema, columns[0])
        return Expression(text, columns, field.type, field.nullable, plan)
    plan, found = _typed(text, plan, columns, schema)
    return Expression(text, columns, plain(found), _may_be_null(_tree(plan), schema), plan)


def compile_condition(text: str, schema: pa.Schema) -> Expression:
    """The same for an expression that must be true or false."""
    found = compile(text, schema)
    if not pa.types.is_boolean(found.type):
        raise ConfigurationError([_told(text, f"a condition must be true or false, this is {found.type}")])
    return found


def paths_of(schema: pa.Schema) -> list[str]:
    """Every name an expression may use: columns, fields of records, meta columns."""
    return [path for field in (*schema, *META_SCHEMA) for path in _paths(field, field.name)]


def _paths(field: pa.Field, path: str) -> Iterator[str]:
    yield path
    if pa.types.is_struct(field.type):
        for child in field.type:
            yield from _paths(child, f"{path}.{child.name}")


def _parsed(text: str, schema: pa.Schema) -> pl.Expr:
    import polars as pl

    try:
        plan, again = (pl.sql_expr(_with_quoted_paths(text)) for _ in range(2))
        refused = next(_refusals(_tree(plan)), "")
        if not refused and plan.meta.serialize() != again.meta.serialize():
            refused = "it differs each time it is read; use columns of the event"
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ConfigurationError([_told(text, _readable(error) + _word_hint(text, schema))]) from None
    except RecursionError:
        raise ConfigurationError([_told(text, "it is nested too deeply")]) from None
    if refused:
        raise ConfigurationError([_told(text, refused)])
    return plan


def _with_quoted_paths(text: str) -> str:
    """a.b as "a.b": the column of that name is what Batch.column("a.b") gives."""
    for found in reversed(identifiers(text)):
        text = text[: found.start] + '"' + found.path.replace('"', '""') + '"' + text[found.end :]
    return text


def _typed(text: str, plan: pl.Expr, columns: tuple[str, ...], schema: pa.Schema) -> tuple[pl.Expr, pa.DataType]:
    """The plan and the type of its result, found on two rows of nulls."""
    import polars as pl

    fields = [_field(schema, path) for path in columns]
    for field in fields:
        if _holds_wide_decimal(field.type):
            raise ConfigurationError(
                [_told(text, f"the decimal '{field.name}' has more than 38 digits; no expression can use it")]
            )
    try:
        frame = pl.DataFrame([pl.Series(f.name, pa.nulls(2, f.type)) for f in fields])
        result = frame.select(plan).to_series().to_arrow()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, NotImplementedError) as error:
        raise ConfigurationError([_told(text, _readable(error) + _time_hint(fields))]) from None
    found = result.type
    if columns and len(result) != 2:
        raise ConfigurationError([_told(text, "it is the same for all events, whatever they hold; leave it out")])
    if pa.types.is_null(found):
        raise ConfigurationError([_told(text, "it is always null and has no type; write cast(null as double)")])
    if pa.types.is_decimal(found) and not _wants_decimal(text, fields):
        return plan.cast(pl.Float64), pa.float64()
    return plan, found


def _wants_decimal(text: str, fields: list[pa.Field]) -> bool:
    words = {token.text.lower() for token in tokens(text) if token.kind == "word"}
    return any(pa.types.is_decimal(f.type) for f in fields) or bool(words & {"decimal", "numeric"})


def _holds_wide_decimal(type_: pa.DataType) -> bool:
    """polars ends with a panic on these."""
    return pa.types.is_decimal256(type_) or any(
        _holds_wide_decimal(type_.field(i).type) for i in range(type_.num_fields)
    )


def _tree(plan: pl.Expr) -> Any:
    return json.loads(plan.meta.serialize(format="json"))


def _refusals(node: Any) -> Iterator[str]:
    """What in the tree does not compute a row from that row alone."""
    kind, body = _kind(node)
    if kind == "Alias":
        yield "two words stand side by side; an operator is missing between them"
    elif kind not in _CHILDREN or (kind == "Function" and not _function_names(body) & _ROW_FUNCTIONS):
        yield "it looks at other rows, and which those are depends on the batch; an expression sees one row"
    elif kind == "Function" and '"format": null' in json.dumps(body["function"]):
        yield "a time needs its format, such as strptime(a, '%Y-%m-%d'); without, it would be guessed from other rows"
    elif kind == "Function" and _function_names(body) & _PADDING and not _is_short(body["input"][1]):
        yield f"lpad and rpad take their length as a number up to {MAX_PADDED}: one of an event's could fill the memory"
    for child in _children(node):
        yield from _refusals(child)


def _is_short(node: Any) -> bool:
    """A literal length that text may be filled up to."""
    value = re.fullmatch(r'\{"Literal": \{"\w+": \{"\w+": (\d{1,9})\}\}\}', json.dumps(node))
    return value is not None and int(value[1]) <= MAX_PADDED


def _function_names(body: Any) -> set[str]:
    """{"Boolean", "Boolean.IsNull"} of {"function": {"Boolean": "IsNull"}}."""
    family, detail = _kind(body["function"])
    return {family, f"{family}.{_kind(detail)[0] if detail else ''}"}


def _children(node: Any) -> list[Any]:
    kind, body = _kind(node)
    found = [body[name] for name in _CHILDREN.get(kind, ())]
    return [child for item in found for child in (item if isinstance(item, list) else [item])]


def _kind(node: Any) -> tuple[str, Any]:
    """("Cast", {...}) of {"Cast": {...}}; a node without operands is a string."""
    return next(iter(node.items())) if isinstance(node, dict) and node else (str(node), {})


def _may_be_null(node: Any, schema: pa.Schema) -> bool:
    """False only where it is plain that the result has no nulls."""
    kind, body = _kind(node)
    if kind == "Column":
        return bool(_field(schema, body).nullable)
    if kind == "Literal":
        return "Null" in json.dumps(body)
    if kind == "Function":
        return body["function"] != "Coalesce" or all(_may_be_null(n, schema) for n in body["input"])
    if kind == "Cast" and body["options"] != "Strict":
        return True
    return any(_may_be_null(child, schema) for child in _children(node))


def _field(schema: pa.Schema, path: str) -> pa.Field:
    found = resolve(schema, path)
    assert found is not None, f"{path} was checked before"
    return found


def _told(text: str, what: str) -> str:
    return f"expression `{text}`: {what}"


def _unknown_column(text: str, path: str, schema: pa.Schema) -> str:
    known = paths_of(schema)
    listed = ", ".join(known[:MAX_LISTED]) + (", ..." if len(known) > MAX_LISTED else "")
    hint = did_you_mean(path, known) or f"; a text stands in single quotes: '{path}'"
    return _told(text, f"no column '{path}'{hint}; columns here: {listed}")


def _readable(error: BaseException) -> str:
    """polars' first line, without its names for what people did not write."""
    line = str(error).split("\n")[0].removeprefix("sql parser error: ")
    if line.startswith(("unable to parse", "called `Result::unwrap()`")):
        return "it is not a whole SQL expression"
    if " { " in line:  # the parser's own tree
        return f"{line.split(' { ')[0].split('(')[0]} is not supported"
    return re.sub(r"col\(\"([^\"]*)\"\)", r"\1", line).replace("dyn ", "").replace("`", "'")


def _word_hint(text: str, schema: pa.Schema) -> str:
    """Columns whose names SQL reads as words of its own."""
    import polars as pl

    words = {t.text for t in tokens(text) if t.kind == "word" and t.text in schema.names}
    taken = []
    for word in sorted(words):
        try:
            is_column = pl.sql_expr(word).meta.is_column()
        except pl.exceptions.PolarsError:
            is_column = False
        if not is_column:
            taken.append(f'"{word}"')
    return f"; a column whose name SQL knows is written in double quotes: {', '.join(taken)}" if taken else ""


def _time_hint(fields: list[pa.Field]) -> str:
    if any(pa.types.is_timestamp(f.type) and f.type.tz for f in fields):
        return "; a time in UTC is compared with timestamptz '2026-01-31 06:00:00Z'"
    return ""
