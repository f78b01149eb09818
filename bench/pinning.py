"""Which cores a process may use. Linux only; elsewhere, and on one core, nothing is pinned and the report says so."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

BROKER_CORE: Final = 0
SYSTEM_CORE: Final = 1


def can_pin() -> bool:
    """Whether there are two cores to keep apart."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


def cores(core: int) -> tuple[int, ...]:
    """What to pin to, if that can be done here."""
    return (core,) if can_pin() else ()


def told() -> str:
    """A sentence for the report."""
    if can_pin():
        return f"Broker on core {BROKER_CORE}, the system on core {SYSTEM_CORE}."
    return "Nothing pinned: this machine has one core, or no way to pin."


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """What is started inside runs on these cores, all of its threads. No cores: wherever we run."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
