"""Tests that other files make of the Python transport, of the native one: those that tell most.

`make acceptance TRANSPORT=native` makes all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from acceptance.running import QUICK_GROUP, Project
from acceptance.test_exactly_once import (
    test_a_death_at_any_step_loses_nothing_and_doubles_nothing,
    test_a_drain_by_two_workers_adds_up_and_every_result_is_right,
)

from stream.kafka.choice import choose_transport

__all__ = [
    "test_a_death_at_any_step_loses_nothing_and_doubles_nothing",
    "test_a_drain_by_two_workers_adds_up_and_every_result_is_right",
]
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def project(project: Callable[..., Project]) -> Callable[..., Project]:
    """As everywhere, with workers on the native transport, which must be there."""
    assert choose_transport("native").name == "native"

    def create(base: str = "readings", *, environ: Mapping[str, str] = QUICK_GROUP, **settings: Any) -> Project:
        return project(base, environ={**environ, "STREAM_TRANSPORT": "native"}, **settings)

    return create
