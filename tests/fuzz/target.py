"""What a target of the fuzzing is, and what counts as found.

A case is made from (target, seed, number) alone and judged by its target: what the product may answer is
checked there, and every exception that leaves the judge is a finding, whatever its type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from stream.errors import ConfigurationError

Judge = Callable[[Random, Counter[str]], None]
"""Makes one case, gives it to the product and checks the answer; counts inputs, and what else is worth telling."""

INPUTS: Final = "inputs"
MARK: Final = "c4n4ry"
"""Stands in the texts of payloads and in secrets, and must be in no error."""
MAX_PROBLEM_CHARACTERS: Final = 5_000
MAX_PROBLEMS: Final = 25_000


class FindingError(AssertionError):
    """A property of the product does not hold. The message says which, the same for every case."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that reads what others wrote.

    prepare: imports and builds what all cases share, once in each child. cpu_s and mebibytes bound one case: its time
    of computing, and the memory it may take beyond what the process has. long and short: cases of `make fuzz`, and of
    `make test`.
    """

    name: str
    what: str
    prepare: Callable[[], Judge]
    cpu_s: float
    mebibytes: int
    long: int
    short: int


def demand(holds: bool, what: str, detail: object = "") -> None:
    """Raise a finding unless it holds. detail differs from case to case, what does not."""
    if not holds:
        raise FindingError(f"{what}\n{detail}")


def check_told(error: ConfigurationError, *places: str) -> None:
    """Every mistake is told in words, at a place, in a text of some bounded length that can be printed."""
    demand(0 < len(error.problems) <= MAX_PROBLEMS, "a refusal names its mistakes", len(error.problems))
    for problem in error.problems:
        text = str(problem)
        demand(bool(problem.message.strip()), "a mistake is told in words", repr(text[:300]))
        demand(len(text) <= MAX_PROBLEM_CHARACTERS, "a mistake is told in a text of bounded length", len(text))
        demand(_printable(text), "what is told of a mistake can be written as UTF-8", ascii(text[:300]))
        if places:
            demand(any(place in text for place in places), "a mistake is told with its place", ascii(text[:300]))


def check_silent(texts: Iterable[str]) -> None:
    """No piece of a payload is told."""
    for text in texts:
        demand(MARK not in text, "an error holds a piece of a payload", ascii(text[:300]))


def _printable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
