"""The stage `transform`: add columns computed by SQL expressions, or replace columns.

- transform: {gained: dep_delay - air_time / 60, is_late: gained > 15}

The expressions run in order: a later one may use the columns of an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pydantic import ConfigDict, Field, RootModel

from stream.batch import Batch, Result
from stream.errors import ConfigurationError, Problem
from stream.stages.expression import Expression, compile
from stream.stages.stage import Project, Stage
from stream.stages.text import ColumnName, ExpressionText


class Settings(RootModel[dict[ColumnName, ExpressionText]]):
    """New column: SQL expression over the columns, those of the expressions above it included.

    The name of a column that is there already replaces it.
    """

    model_config = ConfigDict(frozen=True)

    root: dict[ColumnName, ExpressionText] = Field(
        min_length=1,
        examples=[{"gained": "dep_delay - air_time / 60", "is_late": "dep_delay > 15"}],
    )


@dataclass(slots=True)
class Transform:
    """Passes every row on, with the new columns."""

    name: str
    schema: pa.Schema
    _expressions: Mapping[str, Expression]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset(path for found in self._expressions.values() for path in found.columns)

    def apply(self, batch: Batch) -> Result:
        """Raises PoisonError when an expression fails for some row."""
        for column, expression in self._expressions.items():
            batch = batch.with_columns({column: expression.evaluate(batch)})
        return Result(batch)

    def explain(self) -> list[str]:
        """For each new column its expression, type, and what it reads."""
        return [
            f"{column} = {found.text}: {found.type}, from {', '.join(found.columns) or 'no column'}"
            for column, found in self._expressions.items()
        ]


def adds(settings: Settings) -> set[str]:
    return set(settings.root)


def build(settings: Settings, name: str, schema: pa.Schema, project: Project) -> Stage:
    """Check every expression against the columns that reach it. Raises ConfigurationError with all mistakes."""
    expressions: dict[str, Expression] = {}
    problems: list[Problem] = []
    for column, text in settings.root.items():
        try:
            found = compile(text, schema)
        except ConfigurationError as error:
            problems += [problem.under(column) for problem in error.problems]
            continue
        expressions[column] = found
        schema = _with_field(schema, pa.field(column, found.type, nullable=found.nullable))
    if problems:
        raise ConfigurationError(problems)
    return Transform(name, schema, expressions)


def _with_field(schema: pa.Schema, field: pa.Field) -> pa.Schema:
    index = schema.get_field_index(field.name)
    return schema.append(field) if index < 0 else schema.set(index, field)
