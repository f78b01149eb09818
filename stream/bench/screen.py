"""How a measurement is going: a bar a step on a terminal, a line a step elsewhere. On standard error.

quiet leaves out the lines, not the bars: whoever looks at a terminal wants to see that it goes on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(slots=True)
class Screen:
    """A context."""

    quiet: bool = False
    _bars: Any = None
    _step: str = ""
    _task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        elif not self.quiet:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def show(self, step: str, done: float, total: float) -> None:
        """A step that is new closes the one before."""
        if self._bars is None:
            if step != self._step:
                self.say(f"{step} ...")
        elif step != self._step:
            if self._task is not None:
                self._bars.update(self._task, total=1, completed=1)
            self._task = self._bars.add_task(step, total=total, completed=done)
        else:
            self._bars.update(self._task, total=total, completed=done)
        self._step = step


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))
