"""What is shown while a run goes on: a live table on a terminal, else a line now and then. On standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from stream.chaos.plan import Look

LINE_EVERY_S: Final = 5.0
KEPT_LINES: Final = 8


@dataclass(slots=True)
class Screen:
    """A context. say keeps the last lines in the table; show draws it."""

    quiet: bool = False
    clock: Callable[[], float] = time.monotonic
    _live: Any = None
    _started: float = 0.0
    _next_line: float = 0.0
    _next_draw: float = 0.0
    _said: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._started = self.clock()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        stamped = f"[{self.clock() - self._started:6.1f} s] {text}"
        self._said = [*self._said[1 - KEPT_LINES :], stamped]
        if not self.quiet and not sys.stderr.isatty():
            print(stamped, file=sys.stderr, flush=True)  # noqa: T201

    def show(self, look: Look) -> None:
        now = self.clock()
        if self.quiet:
            return
        if sys.stderr.isatty():
            if now >= self._next_draw:
                self._next_draw = now + 0.2
                self._draw(look)
        elif now >= self._next_line:
            self._next_line = now + LINE_EVERY_S
            self.say(line(look))

    def _draw(self, look: Look) -> None:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=Console(stderr=True), auto_refresh=False, redirect_stdout=False)
            self._live.start()
        self._live.update(drawn(look, self._said), refresh=True)


def line(look: Look) -> str:
    faults = sum(look.done.values())
    return (
        f"{look.act} · {faults} of {len(look.plan.schedule)} faults · sent {look.sent:,} · ended"
        f" {sum(look.ended.values()):,} · {look.alive} workers · {look.brokers} brokers"
        + (f" · {look.hurt} not yet healed" if look.hurt else "")
    )


def drawn(look: Look, said: list[str]) -> Any:
    """The look as a rich renderable: bars, counts, what was done, the last lines."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="left")
    grid.add_column(justify="right")
    grid.add_column()
    passed = min(look.elapsed_s, look.plan.seconds)
    grid.add_row(look.act, f"{passed:.0f} s", ProgressBar(total=look.plan.seconds, completed=passed, width=40))
    ended = sum(look.ended.values())
    grid.add_row("sent", f"{look.sent:,}", f"seed {look.plan.seed}")
    grid.add_row("ended", f"{ended:,}", ProgressBar(total=max(1, look.sent), completed=ended, width=40))
    for place, number in sorted(look.ended.items()):
        grid.add_row(f"  {place.name.lower()}", f"{number:,}", "")
    grid.add_row("workers", f"{look.alive}", f"at work now, of {look.plan.workers}")
    grid.add_row("brokers", f"{look.brokers}", f"alive now, of {look.plan.brokers}")
    for kind, number in sorted(look.done.items()):
        grid.add_row(f"  {kind}", f"{number}", "")
    grid.add_row("not healed", f"{look.hurt}", "faults whose partitions do not all flow again yet")
    return Group(grid, *(Text(text, style="dim") for text in said))
