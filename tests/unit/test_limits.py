"""docs/limits.md says what the code does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
ROW = re.compile(r"^\| [^|]+ \| ([0-9,.]+) \| [^|]+ \| `([\w.]+):(\w+)` \|$", re.MULTILINE)


def test_every_bound_of_the_page_is_that_of_the_code() -> None:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) > 25
    told = {(module, name): float(value.replace(",", "")) for value, module, name in rows}
    assert told == {place: float(getattr(importlib.import_module(place[0]), place[1])) for place in told}
