"""Loads pipeline texts as files of a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from stream.config import Config, load
from stream.errors import ConfigurationError

SHORTEST = """\
input: {topic: flights, schema: flight.avsc}
stages:
  - transform: {gained: dep_delay - air_time / 60}
outputs:
  - {topic: results, schema: result.avsc}
"""

Load = Callable[..., Config]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """load_text(text, environ) -> Config, of the file flights.yaml on the host 'host'."""
    monkeypatch.chdir(tmp_path)

    def run(text: str = SHORTEST, environ: Mapping[str, str] = {}, *, terminal: bool = False) -> Config:
        Path("flights.yaml").write_text(text, "utf-8")
        return load(Path("flights.yaml"), environ, host_name="host", terminal=terminal)

    return run


@pytest.fixture
def mistakes(load_text: Load) -> Mistakes:
    """mistakes(text, environ) -> the lines that `stream check` prints."""

    def run(text: str = SHORTEST, environ: Mapping[str, str] = {}) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            load_text(text, environ)
        return str(raised.value).split("\n")

    return run
