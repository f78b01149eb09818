"""Which shared library the installed confluent_kafka has brought along."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PLACES: Final = (
    "../confluent_kafka.libs/librdkafka*.so*",  # Linux wheels
    ".dylibs/librdkafka*.dylib",  # macOS wheels
)
"""Patterns, seen from the package's folder."""


class UnavailableError(Exception):
    """The native transport cannot be used here; the text says why."""


def bundled(package: Path) -> Path | None:
    """The librdkafka that belongs to a confluent_kafka package, None when it was built without one of its own."""
    for pattern in PLACES:
        folder, name = (package / pattern).parent.resolve(), Path(pattern).name
        found = sorted(folder.glob(name))
        if len(found) == 1:
            return found[0]
    return None
