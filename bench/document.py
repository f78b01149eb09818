"""Puts what the committed results say into docs/performance.md, docs/deployment.md and README.md, between marks.

python -m bench.document
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # `bench` is no installed package

from bench.bars import bars_table, load_holds, load_results  # noqa: E402
from bench.headline import headline  # noqa: E402
from bench.sizing import sizing_table  # noqa: E402
from bench.tables import rendered  # noqa: E402

DOCUMENT: Final = ROOT / "docs" / "performance.md"
DEPLOYMENT: Final = ROOT / "docs" / "deployment.md"
README: Final = ROOT / "README.md"
RESULTS: Final = ROOT / "bench" / "results"
BARS: Final = "bars"
SIZING: Final = "sizing"
HEADLINE: Final = "headline"
MARKED: Final = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOTHING: Final = "No result of this kind is committed; `make bench-all` measures it and writes it here.\n"


def filled(text: str, results: Path = RESULTS) -> str:
    """The document with the tables of `results` as they are now; their headings one level down."""

    def replace(found: re.Match[str]) -> str:
        table = _table(found[2], results)
        return f"{found[1]}{re.sub(r'^## ', '### ', table or NOTHING, flags=re.MULTILINE)}{found[3]}"

    return MARKED.sub(replace, text)


def _table(name: str, results: Path) -> str:
    """Three are made from several results."""
    if name == BARS:
        return bars_table(load_results(results), load_holds(results))
    if name == HEADLINE:
        return headline(load_results(results))
    return sizing_table(load_results(results)) if name == SIZING else rendered(name, results)


if __name__ == "__main__":
    for document in (DOCUMENT, DEPLOYMENT, README):
        document.write_text(filled(document.read_text("utf-8")), "utf-8")
