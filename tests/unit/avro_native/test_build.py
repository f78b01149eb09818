"""The native codec is there wherever it can be built."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

import stream.avro

SOURCES = Path(stream.avro.__file__).parent


@pytest.mark.skipif(shutil.which("cc") is None or sys.byteorder != "little", reason="no C compiler, or big-endian")
def test_the_native_modules_are_built_where_a_compiler_is() -> None:
    """Else every test of them would be skipped, and nobody would see it."""
    assert importlib.util.find_spec("stream.avro.native_decode") is not None
    assert importlib.util.find_spec("stream.avro.native_encode") is not None


def test_declarations_and_sources_are_short_enough_to_read() -> None:
    lines = {p.name: len(p.read_text().splitlines()) for p in SOURCES.glob("native*") if p.suffix in (".pyx", ".pxd")}
    assert lines
    assert all(n <= 300 for n in lines.values()), lines
