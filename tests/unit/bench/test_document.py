"""The tables of docs/performance.md and docs/deployment.md are those of the committed results."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
MEASURED = {
    "date": "2026-01-01",
    "commit": "abc1234",
    "machine": {"cpu": "x", "cores": 2, "memory_gib": 8, "system": "Linux"},
}
CODEC = {
    **MEASURED,
    "rounds": 3,
    "results": [{"pass": "decode", "fields": 12, "bytes": 99, "native_ns": [51, 50, 52], "fastavro_ns": [4000.0]}],
}


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """bench/ is no installed package: it is run in the project's folder."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield importlib.import_module("bench.document")
    for name in [name for name in sys.modules if name == "bench" or name.startswith("bench.")]:
        del sys.modules[name]


def test_the_documents_show_what_is_committed(document: ModuleType) -> None:
    for file in (document.DOCUMENT, document.DEPLOYMENT, document.README):
        text = file.read_text("utf-8")
        assert document.filled(text) == text, "run: python -m bench.document"


def test_every_kind_of_result_has_a_place_in_the_document_and_a_table(document: ModuleType) -> None:
    tables = importlib.import_module("bench.tables")
    shown = [
        {found[2] for found in document.MARKED.finditer(file.read_text("utf-8"))}
        for file in (document.DOCUMENT, document.DEPLOYMENT, document.README)
    ]
    assert shown == [{*tables.TABLES, document.BARS}, {document.SIZING}, {document.HEADLINE}]
    committed = {file.stem for file in document.RESULTS.glob("*.json")}
    assert committed <= {*tables.TABLES, "holds"}


def test_a_table_takes_the_place_of_what_was_there(document: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "codec.json").write_text(json.dumps(CODEC))
    text = "before\n<!-- results: codec -->\nold\n<!-- end -->\nafter\n<!-- results: warm -->\nold\n<!-- end -->\n"
    new = document.filled(text, tmp_path)
    assert new.startswith("before\n<!-- results: codec -->\n### The codec\n\n| pass |")
    assert "| decode | 12 | 99 | 50 / 51 / 52 | 4,000 |" in new
    assert "at commit abc1234 on x, 2 cores" in new
    assert document.NOTHING in new
    assert document.filled(new, tmp_path) == new


def test_what_sizing_goes_by_is_of_both_transports_and_of_verified_runs_only(
    document: ModuleType, tmp_path: Path
) -> None:
    run = {"system": "stream", "verified": True, "loop_cpu_s_per_million": 2.0, "events_per_s": 400_000, "rss_mib": 240}
    others = [
        {**run, "loop_cpu_s_per_million": 1.5},
        {**run, "loop_cpu_s_per_million": 9.0, "verified": False},
        {**run, "loop_cpu_s_per_million": 9.0, "system": "rawcopy"},
        {**run, "system": "stream-native", "rss_mib": 230},
    ]
    reference = {**MEASURED, "runs": [{**one, "model": "mlp"} for one in (run, *others)]}
    reference["runs"].append({**run, "model": "trees", "loop_cpu_s_per_million": 9.0})
    (tmp_path / "reference.json").write_text(json.dumps(reference))
    told = document.filled("<!-- results: sizing -->\n<!-- end -->\n", tmp_path)
    cpu = "CPU seconds per million events, first poll to last commit, on a broker that was just started"
    assert f"| {cpu} | 1.50 / 1.75 / 2.00 | 2.00 |" in told
    assert "just started | 240 / 240 / 240 | 230 |" in told
    assert "9.00" not in told
    assert told.count("at commit abc1234") == 1


def test_a_place_for_results_that_nobody_makes_is_a_mistake(document: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="nothing"):
        document.filled("<!-- results: nothing -->\n<!-- end -->\n", tmp_path)
