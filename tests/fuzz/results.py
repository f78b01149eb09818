"""The long runs as a table for docs/reliability.md, from the JSON lines that `--results` writes.

Read by docs/generate.py by its path: nothing of the product or of the targets is imported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WHAT: Final = {
    "decoder": "Avro data, 500 messages a case: native codec, reference codec, fastavro",
    "framing": "framing in values and in headers, and what is decoded behind it; 40 messages a case",
    "headers": "headers of dead letters and retries in four families, the topic of resolved letters; 10 records a case",
    "pipeline": "pipeline files; one in ten is opened with the schemas, suites and models it names",
    "suite": "suites of Great Expectations; what is taken judges events",
    "manifest": "manifests of model packages",
    "onnx": "model files, before ONNX Runtime sees them",
    "schema": "Avro schemas; what is taken is compiled for both codecs",
    "filter": "conditions of dead letters (`--where`); what is taken chooses among dead letters",
    "answer": "answers of HTTP services, `Retry-After`, read into columns of every type",
    "environment": "`STREAM_*` variables and urls of stages; two inputs a case",
    "files": "files of events: CSV, JSON lines, Avro containers, Parquet",
    "sanitized": "the decoder's cases once more, native codec under AddressSanitizer and UBSan",
}
"""What each target is given, in the order of the table."""
WITHOUT_LIMITS: Final = frozenset({"sanitized"})
"""AddressSanitizer takes an address space of its own size: memory is not measured under it."""


@dataclass(frozen=True, slots=True)
class Results:
    """Lines of runs, as `fuzz.runner.Report.line` makes them."""

    lines: Sequence[dict[str, Any]]

    @classmethod
    def parse(cls, text: str) -> Results:
        return cls([json.loads(line) for line in text.splitlines() if line])

    def table(self) -> str:
        rows = [
            "| Target | Given | Seeds | Cases | Inputs | Longest case, s | Most memory, MiB | Deaths | Findings |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for target, what in WHAT.items():
            of = [line for line in self.lines if line["target"] == target]
            if of:
                rows.append(f"| `{target}` | {what} | {_row(of, measured=target not in WITHOUT_LIMITS)} |")
        return "\n".join(rows) + "\n"


def _row(lines: Sequence[dict[str, Any]], *, measured: bool) -> str:
    seeds = ", ".join(map(str, sorted({line["seed"] for line in lines})))
    cases, inputs = sum(line["cases"] for line in lines), sum(line["counts"].get("inputs", 0) for line in lines)
    slowest, largest = max(line["most_cpu_s"] for line in lines), max(line["most_mib"] for line in lines)
    deaths, found = sum(line["deaths"] for line in lines), sum(len(line["found"]) for line in lines)
    memory = f"{largest:g}" if measured else "not measured"
    return f"{seeds} | {cases:,} | {inputs:,} | {slowest:g} | {memory} | {deaths} | {found}"


def fuzzing_table() -> str:
    """Of the runs that are kept in docs/fuzzing.jsonl."""
    kept = Path(__file__).resolve().parents[2] / "docs" / "reliability" / "fuzzing" / "runs.jsonl"
    return Results.parse(kept.read_text("utf-8") if kept.exists() else "").table()
