"""Every exception of the product, in three families: the family says what happens next.

    StreamError
    ├── EventError               this event is bad: set aside with a reason, the others go on
    │   ├── PoisonError          it will never pass: dead letter
    │   └── TransientError       it may pass later: retry tier, or dead letter when there is none
    ├── AttemptError             this attempt failed: commit nothing, recover, read again
    │   ├── TransactionError     Kafka refused or lost a step of the transaction
    │   └── SystemicError        something every event needs is down: pause, probe, resume
    └── ProcessError             this process is done: one clear line, a non-zero exit code
        ├── ConfigurationError   the pipeline file, the environment or a file they name is wrong
        ├── UnreachableError     Kafka or the schema registry did not answer at start
        └── FatalError           fenced, a fatal client error, or stuck while running

Anything else that is raised is a defect of ours or of a user's hook: it is never swallowed and never
dead-lettered, the process ends with its traceback.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

MAX_TOLD_CHARACTERS: Final = 2000
"""Of one mistake's message: what it quotes from a file may be of any length."""
_NOT_TO_PRINT: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")
"""What moves a terminal's cursor, turns its text around, or is no text at all; a line's end and a tab may stand."""


class ExitCode(enum.IntEnum):
    """What the exit status of every command means."""

    DONE = 0
    CHECK_FAILED = 1
    CONFIGURATION = 2
    UNREACHABLE = 3
    FATAL = 4


class StreamError(Exception):
    """Root of the product's own exceptions."""


class EventError(StreamError):
    """This event is bad. `reason` is a metric label from a small closed set, `detail` is for a person.

    Neither may hold a piece of the event: both reach logs, metrics and headers.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class PoisonError(EventError):
    """The event will fail however often it is tried."""


class TransientError(EventError):
    """The event may pass later, for example when a called service answers again."""


class AttemptError(StreamError):
    """This attempt failed as a whole; nothing of it was committed."""


class TransactionError(AttemptError):
    """A step of the Kafka transaction failed, or its outcome is not known.

    reason is a metric label: "transaction", "late_request", "fenced" or "refused".
    """

    def __init__(self, detail: str, reason: str = "transaction") -> None:
        super().__init__(detail)
        self.reason = reason


class SystemicError(AttemptError):
    """Something every event depends on is unavailable; `reason` is a short label for state and metric."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ProcessError(StreamError):
    """This process cannot go on. The supervisor above it decides whether to start another."""

    exit_code: ExitCode = ExitCode.FATAL


class UnreachableError(ProcessError):
    """A service that is needed to start did not answer in time."""

    exit_code = ExitCode.UNREACHABLE


class FatalError(ProcessError):
    """Fenced by another instance, a fatal client error, or no progress within the watchdog's time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: what is wrong and what would be right.

    `at` is the path of keys in the pipeline file, for example ("stages", 0, "validate", "suite").
    `place` is "file:line:column" once it is known; a problem inside another file (a suite, a schema)
    sets it itself. Both can be printed, whatever they quote: control characters are shown as escapes, and
    a message is cut at MAX_TOLD_CHARACTERS.
    """

    message: str
    at: tuple[str | int, ...] = ()
    place: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _printable(self.message))
        object.__setattr__(self, "place", _printable(self.place))

    def under(self, *prefix: str | int) -> Problem:
        """The same problem seen from a level further up in the file."""
        return replace(self, at=(*prefix, *self.at))

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


def _printable(text: str) -> str:
    text = _NOT_TO_PRINT.sub(lambda found: ascii(found[0])[1:-1], text)
    half = MAX_TOLD_CHARACTERS // 2
    return text if len(text) <= MAX_TOLD_CHARACTERS else f"{text[:half]} ... {text[-half:]}"


class ConfigurationError(ProcessError):
    """All mistakes found in the configuration, reported together."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, problems: Iterable[Problem | str]) -> None:
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))
