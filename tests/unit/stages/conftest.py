"""Batches for stages, and stages from settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stream.batch import Batch, Messages
from stream.errors import ConfigurationError
from stream.stages import kind
from stream.stages.stage import Project, Stage


def batch_of(columns: Mapping[str, pa.Array] | pa.RecordBatch) -> Batch:
    """Row i has the key ki, the offset 100 + i and the timestamp 1000 ms."""
    held = columns if isinstance(columns, pa.RecordBatch) else pa.record_batch(dict(columns))
    n = held.num_rows
    messages = Messages.of(
        [b""] * n, [f"k{i}".encode() for i in range(n)], topic="flights", timestamp_ms=1000, first_offset=100
    )
    return Batch(messages, np.arange(n), held)


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    return batch_of


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Stage]:
    """build(kind, settings, schema) -> the stage, in a project whose pipelines stand in tmp_path/pipelines."""

    def run(name: str, settings: Any, schema: pa.Schema) -> Stage:
        found = kind(name)
        folder = tmp_path / "pipelines"
        folder.mkdir(exist_ok=True)
        return found.build(found.settings.model_validate(settings), name, schema, Project(folder))

    return run


@pytest.fixture
def problems(build: Callable[..., Stage]) -> Callable[..., list[tuple[tuple[str | int, ...], str]]]:
    """problems(kind, settings, schema) -> (at, message) of each."""

    def run(name: str, settings: Any, schema: pa.Schema) -> list[tuple[tuple[str | int, ...], str]]:
        with pytest.raises(ConfigurationError) as raised:
            build(name, settings, schema)
        return [(problem.at, problem.message) for problem in raised.value.problems]

    return run
