"""Two promises and how fast their error budget is used: multi-window, multi-burn-rate alerts.

Freshness: the oldest event not committed is younger than 60 s, 99 % of the time. Delivery: 99 % of the events
end in an output or are filtered, not in the dead letters. The windows and factors are those of the Site
Reliability Workbook, chapter 5, for a budget of 30 days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BUDGET: Final = 0.01
"""Share of the time, or of the events, that may be bad."""
WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes ahead. In expr `[5m]` is a window and `<1m>` a number of seconds."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class BurnAlert:
    name: str
    severity: str
    expr: str
    summary: str
    meaning: str
    todo: str
    board: str


@dataclass(frozen=True, slots=True)
class _Promise:
    """record: first part of the names of its error ratios."""

    name: str
    record: str
    expr: str
    what: str
    todo: str
    board: str

    def ratio(self, window: str) -> str:
        return f"{self.record}:ratio{window}"

    def recordings(self) -> list[Recording]:
        return [Recording(self.ratio(w), self.expr.replace("WINDOW", w)) for w in WINDOWS]

    def burn(self, *pairs: tuple[float, str, str]) -> str:
        """(factor, long window, short window): the short one ends the alert soon after the trouble has ended."""
        parts = [
            f"({self.ratio(long)} > {factor * BUDGET:g} and {self.ratio(short)} > {factor * BUDGET:g})"
            for factor, long, short in pairs
        ]
        return " or ".join(parts)

    def alerts(self) -> list[BurnAlert]:
        title = f"Stream{self.name}Budget"
        fast = self.burn((14.4, "1h", "5m"), (6, "6h", "30m"))
        slow = self.burn((3, "1d", "2h"), (1, "3d", "6h"))
        days = "its budget of 30 days is gone in"
        return [
            BurnAlert(
                f"{title}Fast",
                "page",
                fast,
                f"{{{{ $labels.pipeline }}}}: {self.what}",
                f"{{{{ $value | humanizePercentage }}}} of it, where 1 % is planned: {days} five days or sooner.",
                self.todo,
                self.board,
            ),
            BurnAlert(
                f"{title}Slow",
                "ticket",
                slow,
                f"{{{{ $labels.pipeline }}}}: {self.what}, a little all the time",
                f"{{{{ $value | humanizePercentage }}}} of it, where 1 % is planned: {days} less than 30 days.",
                self.todo,
                self.board,
            ),
        ]


_FRESHNESS: Final = _Promise(
    "Freshness",
    "stream:freshness_errors",
    "avg_over_time(stream:late:bool[WINDOW])",
    "events are committed late",
    "see what the loop spends its time on, and whether it is paused",
    "stream-pipeline",
)
_DELIVERY: Final = _Promise(
    "Delivery",
    "stream:delivery_errors",
    'sum by (pipeline) (rate(stream_events_total{outcome="dead_letter"}[WINDOW]))'
    ' / (sum by (pipeline) (rate(stream_events_total{outcome!="retried"}[WINDOW])) > 0)',
    "events become dead letters",
    "`stream dlq list PIPELINE.yaml` says at which stage and why",
    "stream-failures",
)

RECORDINGS: Final[Sequence[Recording]] = (
    Recording("stream:lag_seconds:max", "max by (pipeline) (stream_consumer_lag_seconds)"),
    Recording("stream:late:bool", "stream:lag_seconds:max > bool <1m>"),
    *_FRESHNESS.recordings(),
    *_DELIVERY.recordings(),
)
BURN_ALERTS: Final[Sequence[BurnAlert]] = (*_FRESHNESS.alerts(), *_DELIVERY.alerts())
