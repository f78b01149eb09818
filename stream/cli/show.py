"""What commands print: tables for people, JSON for programs, and how values of events look in both."""

from __future__ import annotations

import base64
import enum
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

PLAIN_WIDTH: Final = 200
"""Columns of a table that goes to a file or another program."""


class Output(enum.StrEnum):
    """How a command reports."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="How to report.")]


def as_json(facts: object) -> None:
    """One line of JSON on stdout."""
    typer.echo(json_text(facts))


def json_text(value: object) -> str:
    return json.dumps(json_value(value), ensure_ascii=False, allow_nan=False)


def as_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table on stdout; numbers stand to the right, with separators."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, markup=False, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        typer.echo(line.rstrip())


def note(text: str) -> None:
    """A line for the person at the terminal; stdout stays clean for what was asked for."""
    typer.echo(text, err=True)


@contextmanager
def counted(what: str) -> Iterator[Callable[[int], None]]:
    """A progress line on stderr while something is counted; only where somebody watches.

    Gives the function to tell the number so far.
    """
    if not sys.stderr.isatty():
        yield lambda _number: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(f"{what} {{task.completed:,.0f}}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda number: progress.update(task, completed=number)


def json_value(value: Any) -> Any:
    """A decoded value as JSON has it: times in ISO 8601, bytes in base64, decimals and NaN as text."""
    match value:
        case dict():
            return {str(k): json_value(v) for k, v in value.items()}
        case list() | tuple():
            return [json_value(v) for v in value]
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal() | float() if not isinstance(value, float) or not math.isfinite(value):
            return str(value)
        case _:
            return value


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.3f}"
        case _:
            return str(value)
