"""A value that must not be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MASK: Final = "***"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password, key or token. Printing, formatting or dumping it gives ***; `reveal` gives the value."""

    _value: str

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return MASK
