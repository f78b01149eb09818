"""The tables of docs/performance.md are those of the committed results."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def document() -> ModuleType:
    spec = importlib.util.spec_from_file_location("document", ROOT / "bench" / "document.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_shows_what_is_committed(document: ModuleType) -> None:
    text = document.DOCUMENT.read_text("utf-8")
    assert document.filled(text) == text, "run: python -m bench.document"
    assert {found[2] for found in document.MARKED.finditer(text)} == {"fresh", "warm", "delay", "pipeline", "growth"}


def test_a_table_takes_the_place_of_what_was_there(document: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "warm.md").write_text("## Title\n\n| a |\n")
    text = "before\n<!-- results: warm -->\nold\n<!-- end -->\nafter\n<!-- results: none -->\nold\n<!-- end -->\n"
    new = document.filled(text, tmp_path)
    assert new.startswith("before\n<!-- results: warm -->\n### Title\n\n| a |\n<!-- end -->\nafter\n")
    assert document.NOTHING in new
    assert document.filled(new, tmp_path) == new
