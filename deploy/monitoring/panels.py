"""The nouns of a board: what is shown, in which unit, and what an operator does about it.

Expressions are PromQL as Grafana takes it. The variables of the board are put into each of them:
`stream_x{a="b"}` becomes `stream_x{a="b",pipeline=~"$pipeline",instance=~"$instance"}`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

WITHOUT_PIPELINE: Final = ("stream_build_info", "process_", "up", "scrape_")
"""Metrics of the process, which may run any pipeline."""
_METRIC: Final = re.compile(
    r"(?<![\w:$])(stream_\w+|stream:[\w:]+|process_\w+|scrape_\w+|up)(?:\{([^}]*)\})?(?=[\s\[),+*/>=-]|$)"
)


class Kind(enum.StrEnum):
    """How a panel is drawn; Grafana's names."""

    LINES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    HEATMAP = "heatmap"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """legend: what a series is called, with {{label}} for the value of a label."""

    expr: str
    legend: str = ""

    @property
    def on_board(self) -> str:
        """The expression with the variables of the board."""
        return _METRIC.sub(_selected, self.expr)


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on the panel has this colour."""

    value: float
    color: str


@dataclass(frozen=True, slots=True)
class Panel:
    """description: what it means and what to do. unit: Grafana's id of it.

    empty: why it may rightly show nothing, such as no trouble to be shown; such a panel is never a mistake.
    width of 24, height in units of 30 px.
    """

    title: str
    unit: str
    description: str
    queries: Sequence[Query]
    kind: Kind = Kind.LINES
    width: int = 8
    height: int = 8
    stacked: bool = False
    steps: Sequence[Step] = ()
    colors: Mapping[str, str] = field(default_factory=dict)
    """Series name -> colour, where the name says how bad it is."""
    most: float | None = None
    empty: str = ""
    board: str = ""
    """uid of the board that tells more."""


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """uid: stable, part of its address."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row.panels]


def lines(title: str, unit: str, description: str, *queries: Query, **more: object) -> Panel:
    return Panel(title, unit, description, queries, **more)  # type: ignore[arg-type]


def number(title: str, unit: str, description: str, query: Query, **more: object) -> Panel:
    """One number of now; six of them fill a row."""
    settings: dict[str, object] = {"kind": Kind.NUMBER, "width": 4, "height": 4, **more}
    return Panel(title, unit, description, (query,), **settings)  # type: ignore[arg-type]


def bars(title: str, unit: str, description: str, query: Query, **more: object) -> Panel:
    """One bar a series, its last value."""
    return Panel(title, unit, description, (query,), kind=Kind.BARS, **more)  # type: ignore[arg-type]


def _selected(found: re.Match[str]) -> str:
    name, labels = found[1], found[2]
    variables = ['instance=~"$instance"'] if name.startswith(WITHOUT_PIPELINE) else ['pipeline=~"$pipeline"']
    if name.startswith("stream_") and name != "stream_build_info":
        variables.append('instance=~"$instance"')
    if name.startswith(("up", "scrape_", "process_")):
        variables.insert(0, 'job="stream"')
    return f"{name}{{{','.join([*([labels] if labels else []), *variables])}}}"
