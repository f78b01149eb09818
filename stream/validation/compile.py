"""From a suite and a schema to a plan: who decides on each expectation, and what cannot be decided at all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from stream.batch import META_SCHEMA, resolve
from stream.errors import ConfigurationError, Problem
from stream.suggestion import did_you_mean
from stream.validation.columns import plain_type
from stream.validation.kernels import Compiled
from stream.validation.kinds import (
    BATCH_METRICS,
    SCHEMA_TABLES,
    TYPE_CHECKS,
    UNUSABLE,
    ColumnKind,
    kind_of,
    type_names,
)
from stream.validation.plan import BATCH_SHARE, Check, Plan, Tier
from stream.validation.rules import compile_rule
from stream.validation.suite import Expectation, Severity, Suite, columns_of

_NULL_CHECKS: Final = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
_WORD: Final = re.compile(r"`([^`]+)`|([A-Za-z_]\w*)")


def compile_suite(suite: Suite, schema: pa.Schema, *, clock: Callable[[], float] = time.monotonic) -> Plan:
    """The checks of a suite on columns of this schema; columns may be fields of records (`a.b`) and meta columns.

    clock gives seconds; it bounds what expectations about whole batches may cost. Raises ConfigurationError
    with everything that is wrong: columns that are not there, of the wrong kind, or checks that cannot work.
    """
    checks: list[Check] = []
    problems: list[Problem] = []
    for expectation in suite.expectations:
        try:
            checks.append(_check(expectation, schema))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return Plan(suite.name, checks, clock)


def _check(expectation: Expectation, schema: pa.Schema) -> Check:
    if expectation.type in UNUSABLE:
        raise expectation.mistake(UNUSABLE[expectation.type])
    if expectation.type in SCHEMA_TABLES:
        return _schema_check(expectation, schema)
    fields = _fields(expectation, expectation.arguments, schema)
    if expectation.type in TYPE_CHECKS:
        return _type_check(expectation, fields[0])
    if expectation.mostly < 1:
        return _gx_check(expectation, schema, f"at least {expectation.mostly:g} of a batch")
    _refuse_nested(expectation, fields)
    compiled = compile_rule(expectation, fields)
    if isinstance(compiled, Compiled):
        on = ", ".join(f"{field.name} is {field.type}" for field in fields)
        reads = [field.name for field in fields]
        return Check(expectation, Tier.COMPILED, on, compiled.notes, kernel=compiled.kernel, reads=reads)
    return _gx_check(expectation, schema, compiled)


def _gx_check(expectation: Expectation, schema: pa.Schema, why: str) -> Check:
    """A check of GX, tried out on values of ours: whatever makes it fail is found here."""
    from stream.validation.gx import construct
    from stream.validation.gx_checks import BatchCheck, RowCheck, try_out

    gx_object = construct(expectation.type, expectation.arguments)
    arguments = {name: getattr(gx_object, name) for name in gx_object.__fields__}
    read = _fields(expectation, {**arguments, **expectation.arguments}, schema)
    fields = list({field.name: field for field in read}.values())
    reads = [field.name for field in fields]
    metric = getattr(gx_object, "map_metric", None)
    mostly = float(getattr(gx_object, "mostly", 1.0))
    if metric and metric not in BATCH_METRICS and mostly == 1:
        row_check = RowCheck(expectation, gx_object, fields)
        try_out(row_check)
        return Check(expectation, Tier.GX, why, row_check=row_check, reads=reads)
    batch_check = BatchCheck(expectation, gx_object, fields)
    try_out(batch_check)
    why = f"at least {mostly:g} of a batch" if metric and mostly < 1 else "about the batch as a whole"
    why = f"{why}, so it never sets an event aside; evaluated as often as {BATCH_SHARE:.0%} of the time allows"
    notes = () if expectation.severity is not Severity.CRITICAL else ("critical, and yet only counted and warned of",)
    return Check(expectation, Tier.BATCH, why, notes, batch_check=batch_check, reads=reads)


def _schema_check(expectation: Expectation, schema: pa.Schema) -> Check:
    """Decided once: the columns of a stage do not change while it runs."""
    column = expectation.arguments.get("column")
    if expectation.arguments.keys() == {"column"}:
        if not isinstance(column, str) or resolve(schema, column) is None:
            raise ConfigurationError([_missing(expectation, "column", str(column), schema)])
        return Check(expectation, Tier.SCHEMA, "the schema has the column")
    from stream.validation.gx import construct
    from stream.validation.gx_checks import BatchCheck, try_out

    gx_object = construct(expectation.type, expectation.arguments)
    if not try_out(BatchCheck(expectation, gx_object, list(schema))):
        message = f"the columns here are {', '.join(schema.names)}, so no batch could meet this"
        raise expectation.mistake(message)
    return Check(expectation, Tier.SCHEMA, "the columns of the schema meet it")


def _type_check(expectation: Expectation, field: pa.Field) -> Check:
    """Decided once, by the schema: pandas types would depend on the version and on nulls in a batch."""
    argument = TYPE_CHECKS[expectation.type]
    wanted = expectation.arguments.get(argument)
    known = type_names(field.type)
    if not any(name in known for name in ([wanted] if isinstance(wanted, str) else wanted or known)):
        message = f"'{field.name}' is {field.type}, so no event could meet this; its names are {', '.join(known)}"
        raise expectation.mistake(message, argument)
    return Check(expectation, Tier.SCHEMA, f"{field.name} is {field.type}")


def _fields(expectation: Expectation, arguments: Mapping[str, Any], schema: pa.Schema) -> list[pa.Field]:
    """The fields, with plain types, of all columns that an expectation reads, those of its row condition last."""
    named = [*columns_of(arguments), *(("row_condition", c) for c in _condition_columns(arguments, schema))]
    found = [(argument, column, resolve(schema, column)) for argument, column in named]
    missing = [_missing(expectation, argument, column, schema) for argument, column, field in found if field is None]
    if missing:
        raise ConfigurationError(missing)
    return [field.with_type(plain_type(field.type)) for _, _, field in found if field is not None]


def _condition_columns(arguments: Mapping[str, Any], schema: pa.Schema) -> Iterator[str]:
    """Columns of a row condition; of one that is text only those that are there, for it has other words too."""
    condition = arguments.get("row_condition")
    yield from _condition_names(getattr(condition, "dict", lambda: condition)(), schema)


def _condition_names(condition: Any, schema: pa.Schema) -> Iterator[str]:
    if isinstance(condition, str):
        words = (quoted or word for quoted, word in _WORD.findall(condition))
        yield from (word for word in words if resolve(schema, word) is not None)
    elif isinstance(condition, Mapping):
        column = condition.get("column")
        if isinstance(column, Mapping) and isinstance(column.get("name"), str):
            yield column["name"]
        if isinstance(condition.get("pass_through_filter"), str):
            yield from _condition_names(condition["pass_through_filter"], schema)
        for inner in condition.get("conditions") or ():
            yield from _condition_names(inner, schema)


def _missing(expectation: Expectation, argument: str, column: str, schema: pa.Schema) -> Problem:
    known = list(_paths(schema))
    hint = did_you_mean(column, known) or f"; there are {', '.join(schema.names)}"
    return expectation.problem(f"there is no column '{column}'{hint}", argument)


def _paths(schema: pa.Schema) -> Iterator[str]:
    yield from META_SCHEMA.names
    for field in schema:
        yield from _paths_of(field, field.name)


def _paths_of(field: pa.Field, path: str) -> Iterator[str]:
    yield path
    if pa.types.is_struct(field.type):
        for child in field.type:
            yield from _paths_of(child, f"{path}.{child.name}")


def _refuse_nested(expectation: Expectation, fields: list[pa.Field]) -> None:
    from stream.validation.arguments import SIGNATURES

    if expectation.type in _NULL_CHECKS or expectation.type not in SIGNATURES:
        return
    for field in fields:
        if kind_of(field.type) is ColumnKind.NESTED:
            hint = f", for example '{field.name}.{field.type.field(0).name}'" if pa.types.is_struct(field.type) else ""
            message = f"'{field.name}' is {field.type}; address one of its fields{hint}"
            raise expectation.mistake(message, "column")
