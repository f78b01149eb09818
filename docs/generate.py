"""Makes what the documents say from the code, and from results that are kept: tables, and the JSON Schema.

`make docs` writes them; tests/unit/test_docs.py compares. A table stands between two comments of its document:

<!-- table: metrics -->
...
<!-- end -->
"""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from stream.chaos.results import Results, faults_table, kinds_table, runs_table, totals_table, verifiers_table
from stream.cli.reference import commands_section
from stream.config import configuration_table, environment_table, json_schema
from stream.metrics import metrics_table

ROOT: Final = Path(__file__).resolve().parents[1]
CONFIGURATION: Final = ROOT / "docs" / "configuration.md"
METRICS: Final = ROOT / "docs" / "metrics.md"
RELIABILITY: Final = ROOT / "docs" / "reliability.md"
EXACTLY_ONCE: Final = ROOT / "docs" / "exactly-once.md"
DOCUMENTS: Final = (CONFIGURATION, METRICS, RELIABILITY, EXACTLY_ONCE)
SCHEMA: Final = ROOT / "docs" / "pipeline.schema.json"
TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "configuration": configuration_table,
    "environment": environment_table,
    "commands": commands_section,
    "metrics": metrics_table,
    "kinds": kinds_table,
    "totals": lambda: totals_table(results()),
    "faults": lambda: faults_table(results()),
    "runs": lambda: runs_table(results()),
    "late": lambda: late_requests("harmful_table"),
    "late_others": lambda: late_requests("untried_table"),
    "planted": lambda: planted("planted_table"),
    "failing": lambda: planted("failing_table"),
    "fuzzing": lambda: str(runpy.run_path(str(ROOT / "tests" / "fuzz" / "results.py"))["fuzzing_table"]()),
    "verifiers": lambda: verifiers_table(RELIABILITY.with_suffix("") / "verifiers.json"),
}
_REGION: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The document with every table made anew. Raises KeyError for a table that nobody makes."""
    return _REGION.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def results() -> Results:
    """The long runs of `stream chaos`."""
    return Results.read(RELIABILITY.with_suffix(""))


def planted(table: str) -> str:
    """Of the planted bugs, which are in no package."""
    return str(runpy.run_path(str(ROOT / "tests" / "planted" / "bugs.py"))[table]())


def late_requests(table: str) -> str:
    """Of the trials with requests that come late: their results are beside the tests."""
    return str(runpy.run_path(str(ROOT / "tests" / "chaos" / "late_requests" / "tables.py"))[table]())


def schema_text() -> str:
    """What `stream schema` prints."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text("utf-8")), "utf-8")
    SCHEMA.write_text(schema_text(), "utf-8")


if __name__ == "__main__":
    main()
