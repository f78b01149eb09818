"""A suite as this package knows it: expectations with their ids, severities, arguments and places."""

from __future__ import annotations

import enum
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream.errors import ConfigurationError, Problem
from stream.validation.positions import Document

ID_SEPARATOR: Final = ","
"""Ids stand in one header, separated by this."""


class Severity(enum.StrEnum):
    """What an expectation that is not met means for the event (GX 1.24, FailureSeverity)."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation; `arguments` are its kwargs with suite parameters put in.

    `id` is the expectation's own id, else meta.rule_id, else its type and columns; unique in the suite.
    """

    id: str
    type: str
    arguments: Mapping[str, Any]
    severity: Severity
    place: str
    places: Mapping[str, str]

    @property
    def mostly(self) -> float:
        """Raises ConfigurationError for what is no number: GX takes an empty list for parameters to come."""
        try:
            return float(self.arguments.get("mostly", 1.0))
        except (TypeError, ValueError):
            raise self.mistake("mostly must be a number from 0 to 1", "mostly") from None

    def problem(self, message: str, argument: str = "") -> Problem:
        """A mistake in this expectation, at the place of the argument when that is given."""
        return Problem(f"{self.id}: {message}", place=self.places.get(argument, self.place))

    def mistake(self, message: str, argument: str = "") -> ConfigurationError:
        return ConfigurationError([self.problem(message, argument)])


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite that was read and found well-formed; document is the file it came from."""

    name: str
    expectations: tuple[Expectation, ...]
    document: Document


def columns_of(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(argument, column) of every column that the arguments of an expectation name, in their order."""
    for argument in ("column", "column_A", "column_B"):
        if isinstance(arguments.get(argument), str):
            yield argument, arguments[argument]
    names = arguments.get("column_list")
    if isinstance(names, Sequence) and not isinstance(names, str):
        yield from (("column_list", name) for name in names if isinstance(name, str))


def short_id(type_: str, arguments: Mapping[str, Any]) -> str:
    """`expect_column_values_to_be_between(distance)`; several columns are separated by a slash."""
    columns = "/".join(column for _, column in columns_of(arguments))
    return f"{type_}({columns})" if columns else type_


def distinct_ids(proposed: Sequence[tuple[str, bool, object]]) -> list[str]:
    """Ids as they are shown, from (id, chosen by the author, what it stands for) of each expectation.

    Short ids that several expectations would share get a short hash of what they stand for, so that none
    depends on the order of the file; exact copies are numbered.
    """
    shared = Counter(id for id, _, _ in proposed)
    seen: Counter[str] = Counter()
    ids = []
    for id, chosen, content in proposed:
        name = id if chosen or shared[id] == 1 else f"{id}#{_digest(content)}"
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]
