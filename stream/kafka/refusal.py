"""Rights that are taken away while a worker is at work: noticed by its errors, named by asking the broker.

The client's own errors do not name what is missing (a refused write shows as a failed commit), and some it
tells once and is silent then. So what ends the pause is the broker's answer, not the client's silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stream.errors import AttemptError
from stream.kafka.permissions import Permissions

SIGNS: Final = ("AUTHORIZATION_FAILED", "authorization failed", "_INCONSISTENT")
"""In the text of an error. _INCONSISTENT: messages were refused, and the commit does not say why."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """What the loop asks after an attempt that may have failed for want of a right."""

    permissions: Permissions
    create: str
    """The command that makes topics."""

    def suspects(self, error: AttemptError) -> bool:
        """Whether it may be one."""
        return any(sign in str(error) for sign in SIGNS)

    def missing(self) -> str:
        """What is missing now, in words; empty when nothing is. Raises ProcessError when Kafka does not tell."""
        return "; ".join(self.permissions.lines(self.permissions.while_running(), self.create))
