"""Puts the results into docs/performance.md, each between its marks.

python -m bench.document
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = ROOT / "docs" / "performance.md"
RESULTS: Final = ROOT / "bench" / "results"
MARKED: Final = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOTHING: Final = "No result of this kind is committed; `make bench-all` measures it and writes it here.\n"


def filled(text: str, results: Path = RESULTS) -> str:
    """The document with the tables of `results` as they are now; their headings one level down."""

    def replace(found: re.Match[str]) -> str:
        file = results / f"{found[2]}.md"
        table = re.sub(r"^## ", "### ", file.read_text("utf-8"), flags=re.MULTILINE) if file.exists() else NOTHING
        return f"{found[1]}{table}{found[3]}"

    return MARKED.sub(replace, text)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text("utf-8")), "utf-8")
