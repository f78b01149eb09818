"""The log of a process that was started: what is new in it, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class LogFile:
    """Read while another process writes it: a line that is not whole yet is left for later."""

    path: Path
    _read: int = 0

    def new_lines(self) -> list[bytes]:
        """Whole lines since this was asked last."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, _, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        return whole.splitlines()

    def tail(self, lines: int) -> str:
        """The last lines, for a person."""
        return "\n".join(self.path.read_text("utf-8", errors="replace").splitlines()[-lines:])
