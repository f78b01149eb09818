"""What the demonstration shows while it runs: a live table on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from stream.demo.play import Progress

LINE_EVERY_S: Final = 2.0


@dataclass(slots=True)
class Screen:
    """A context; writes to standard error, so that standard output holds the report alone."""

    quiet: bool = False
    clock: Callable[[], float] = time.monotonic
    _live: Any = None
    _next_line: float = 0.0
    _started: float = field(default=0.0)

    def __enter__(self) -> Self:
        self._started = self.clock()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.freeze()

    def say(self, text: str) -> None:
        if not self.quiet:
            print(f"[{self.clock() - self._started:5.1f} s] {text}", file=sys.stderr, flush=True)  # noqa: T201

    def show(self, progress: Progress) -> None:
        if self.quiet:
            return
        if sys.stderr.isatty():
            self._draw(progress)
        elif self.clock() >= self._next_line:
            self._next_line = self.clock() + LINE_EVERY_S
            self.say(line(progress))

    def freeze(self) -> None:
        """Leave the last table standing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, progress: Progress) -> None:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            console = Console(stderr=True)
            self._live = Live(console=console, auto_refresh=False, redirect_stderr=True, redirect_stdout=False)
            self._live.start()
        self._live.update(drawn(progress), refresh=True)


def line(p: Progress) -> str:
    outputs = ", ".join(f"{topic} {n:,}" for topic, n in p.by_topic.items())
    return f"produced {p.produced:,} of {p.events:,} · {outputs} · {p.events_per_s:,.0f} events/s · lag {p.lag:,}"


def drawn(p: Progress) -> Any:
    """The progress as a rich table."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column()
    for name, count in (("produced", p.produced), ("done", sum(p.by_topic.values()))):
        table.add_row(name, f"{count:,}", ProgressBar(total=p.events, completed=count, width=40))
    for topic, count in p.by_topic.items():
        table.add_row(f"  {topic}", f"{count:,}", "")
    for reason, count in p.by_reason.items():
        table.add_row(f"    {reason}", f"{count:,}", "")
    table.add_row("events/s", f"{p.events_per_s:,.0f}", "")
    table.add_row("lag", f"{p.lag:,}", "")
    return table
