"""Makes what the documents say from the code: the tables of the README, and the JSON Schema of the pipeline file.

`make docs` writes them; tests/unit/test_docs.py compares. A table stands between two comments of its document:

<!-- table: metrics -->
...
<!-- end -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from stream.config import configuration_table, environment_table, json_schema
from stream.metrics import metrics_table

ROOT: Final = Path(__file__).resolve().parents[1]
README: Final = ROOT / "README.md"
SCHEMA: Final = ROOT / "docs" / "pipeline.schema.json"
TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "configuration": configuration_table,
    "environment": environment_table,
    "metrics": metrics_table,
}
_REGION: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The document with every table made anew. Raises KeyError for a table that nobody makes."""
    return _REGION.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def schema_text() -> str:
    """What `stream schema` prints."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    README.write_text(filled(README.read_text("utf-8")), "utf-8")
    SCHEMA.write_text(schema_text(), "utf-8")


if __name__ == "__main__":
    main()
