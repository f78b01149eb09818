"""The tables of docs/exactly-once.md, from what the long runs wrote down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parents[1] / "results" / "late-requests.json"
COLUMNS: Final = {
    "no guard": ("off", "naive"),
    "time alone": ("time",),
    "both, log as shown": ("info",),
    "log alone": ("log",),
    "the guard": ("guarded", "aborting"),
}
"""Modes of the worker, by what stands above them."""
HARMFUL: Final = (
    "late abort, the application goes on",
    "late commit, then a crash",
    "late commit on a young connection, then a crash",
    "late commit on a flapping connection, then a crash",
    "late offsets, then a crash",
    "late offsets on a flapping connection, then a crash",
)
ERRORS: Final = {
    "0": "none",
    "47": "INVALID_PRODUCER_EPOCH",
    "48": "INVALID_TXN_STATE",
    "51": "CONCURRENT_TRANSACTIONS",
    "90": "PRODUCER_FENCED",
}
Cell = dict[str, Any]


def cells() -> list[Cell]:
    """Of the Python transport."""
    runs = [run for run in json.loads(RESULTS.read_text("utf-8")) if run.get("transport", "python") == "python"]
    return [cell for run in runs for cell in run["cells"]]


def torn(found: Iterable[Cell]) -> str:
    """ "3 of 5", or nothing where there was no trial."""
    found = list(found)
    trials = sum(cell["trials"] for cell in found)
    return f"{sum(cell['torn'] for cell in found)} of {trials}" if trials else ""


def harmful_table() -> str:
    found = cells()
    lines = [f"| Shape | Connection | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name in HARMFUL:
        for then in ("hang", "cut"):
            here = [cell for cell in found if cell["shape"] == name and cell["then"] == then]
            columns = [torn(cell for cell in here if cell["mode"] in modes) for modes in COLUMNS.values()]
            if any(columns):
                lines.append(f"| {name} | {then} | {' | '.join(columns)} |")
    own = [cell for cell in found if cell["shape"] in HARMFUL]
    sums = [torn(cell for cell in own if cell["mode"] in modes) for modes in COLUMNS.values()]
    lines.append(f"| all | | {' | '.join(sums)} |")
    return "\n".join(lines) + "\n"


def untried_table() -> str:
    """The other requests and moments: what the broker said without the guard, and what became of the events."""
    lines = [
        "| Request, moment, and then | Broker's error, no guard | Torn, no guard | Torn, the guard |",
        "|---|---|---|---|",
    ]
    others = sorted({cell["shape"] for cell in cells()} - set(HARMFUL))
    for name in others:
        here = [cell for cell in cells() if cell["shape"] == name]
        off = [cell for cell in here if cell["mode"] == "off"]
        said = Counter[str]()
        for cell in off:
            said.update(cell["answers"])
        answers = ", ".join(f"{ERRORS.get(code, code)} ({count})" for code, count in sorted(said.items()))
        lines.append(f"| {name} | {answers} | {torn(off)} | {torn(c for c in here if c['mode'] == 'guarded')} |")
    return "\n".join(lines) + "\n"
