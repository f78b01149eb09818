"""A pytest plugin that plants a bug under tests that know nothing of it: which of them fail?

PYTHONPATH=tests pytest -p planted.everywhere --plant no-group-metadata tests/chaos/test_zombies.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from acceptance import running
from planted.bugs import BY_NAME
from planted.plants import plant
from planted.trial import LAUNCH


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--plant", choices=sorted(BY_NAME), required=True, help="the bug, in this process and in workers")


def pytest_configure(config: pytest.Config) -> None:
    name: str = config.getoption("--plant")
    if not BY_NAME[name].client:  # the tests have clients of their own
        plant(name)
    start = running.start

    def planted(arguments: list[str], base: Path, environ: Any, command: Any = ()) -> running.Worker:
        return start(arguments, base, environ, (sys.executable, str(LAUNCH), name))

    running.start = planted
