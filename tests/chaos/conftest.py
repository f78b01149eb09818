"""The brokers, topics and projects of the acceptance tests, and a seed that is printed and can be given again."""

from __future__ import annotations

import os
import random
import secrets

import pytest
from acceptance.conftest import (
    kafka,
    kafka3,
    kafka3_io,
    kafka3_session,
    kafka_io,
    project,
    project3,
    terminated_tests_stop_their_brokers,
    tiny_files,
    unique_name,
)

__all__ = [
    "kafka",
    "kafka3",
    "kafka3_io",
    "kafka3_session",
    "kafka_io",
    "project",
    "project3",
    "terminated_tests_stop_their_brokers",
    "tiny_files",
    "unique_name",
]


@pytest.fixture
def rng() -> random.Random:
    """Chance of this test; CHAOS_SEED=<seed> repeats its choices, though not the machine's timing."""
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(2**32))
    print(f"CHAOS_SEED={seed}")
    return random.Random(seed)
