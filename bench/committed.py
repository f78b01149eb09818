"""Results as they are committed: what a figure was measured on, and the files that hold it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stream.bench.machine import machine, versions

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "bench" / "results"
PACKAGES: Final = ("confluent-kafka", "fastavro", "great-expectations", "onnxruntime", "pyarrow")
Facts = dict[str, Any]


def say(text: str) -> None:
    """How it goes; standard output is for the table."""
    print(text, file=sys.stderr, flush=True)


def facts(**more: Any) -> Facts:
    """Date, commit, machine and versions, and what else a measurement is described by."""
    found: Facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(PACKAGES),
    }
    return {**found, **more}


def commit() -> str:
    """The commit that is measured, with a + when stream/ has changes that are in none; "unknown" without git."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no", "--", "stream") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write(folder: Path, name: str, content: Facts, text: str) -> None:
    """Everything as JSON; the table is shown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    print(text)


def read(name: str, folder: Path = RESULTS) -> Facts | None:
    """None when it was not measured."""
    file = folder / f"{name}.json"
    if not file.exists():
        return None
    found: Facts = json.loads(file.read_text("utf-8"))
    return found


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], notes: Sequence[str]) -> str:
    """A section in Markdown."""
    lines = [f"| {' | '.join(str(cell).strip() or '-' for cell in row)} |" for row in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join([f"## {title}", "", *lines, "", *notes, ""])


def measured_on(found: Facts) -> str:
    """One line: when, which commit, and where."""
    where = found["machine"]
    on = f"{where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB, {where['system']}"
    return f"Measured {found['date']} at commit {found.get('commit', 'unknown')} on {on}."


def spread_text(values: Sequence[float], digits: int = 2) -> str:
    """ "min / median / max"; one figure is given alone."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    shown = [ordered[0], median, ordered[-1]] if len(ordered) > 1 else [ordered[0]]
    return " / ".join(f"{value:,.{digits}f}" for value in shown)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
