"""The table of each kind of result, made from what is committed: the JSON alone, so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench import growth, pipeline
from bench.codec import codec_table
from bench.committed import Facts, read
from bench.latency import latency_table
from bench.memory import memory_table
from bench.metrics_cost import metrics_table
from bench.reference import reference_table
from bench.report import comparison
from bench.settings import settings_table

TABLES: Final[Mapping[str, Callable[[Facts], str]]] = {
    "reference": reference_table,
    "fresh": comparison,
    "fresh_trees": comparison,
    "warm": comparison,
    "delay": comparison,
    "pipeline": pipeline.table,
    "growth": lambda found: growth.table(found["results"], found),
    "latency": latency_table,
    "memory": memory_table,
    "metrics": metrics_table,
    "codec": codec_table,
    "settings": settings_table,
}


def rendered(name: str, folder: Path) -> str:
    """Markdown; empty when nothing of this name is in the folder. Raises KeyError for a name that has no table."""
    table = TABLES[name]
    found = read(name, folder)
    return "" if found is None else table(found)
