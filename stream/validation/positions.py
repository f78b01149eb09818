"""Where every part of a JSON text stands, so that a mistake in it is reported as file:line:column."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream.errors import ConfigurationError, Problem

Steps = tuple[str | int, ...]
"""The way to a value: member names and list indices."""

MAX_VALUES: Final = 100_000
"""Values of a suite: a place is kept for each."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed JSON text. keys and values hold offsets into it; repeated lists members given twice."""

    file: str
    value: Any
    keys: Mapping[Steps, int]
    values: Mapping[Steps, int]
    repeated: Sequence[Steps]
    line_starts: Sequence[int]

    def place(self, *steps: str | int) -> str:
        """file:line:column, counted from 1, of a value, or of what holds it when it is not there."""
        while steps not in self.values:
            steps = steps[:-1]
        return self._place(self.values[steps])

    def key_place(self, *steps: str | int) -> str:
        """file:line:column of a member's name."""
        return self._place(self.keys[steps]) if steps in self.keys else self.place(*steps)

    def _place(self, offset: int) -> str:
        line = bisect_right(self.line_starts, offset)
        return f"{self.file}:{line}:{offset - self.line_starts[line - 1] + 1}"


def read_document(file: str, text: str) -> Document:
    """Parse a JSON text. Raises ConfigurationError with the place of the mistake when it is not JSON."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{file}:{error.lineno}:{error.colno}"
        raise ConfigurationError([Problem(f"this is not JSON: {error.msg}", place=place)]) from None
    except RecursionError:
        raise ConfigurationError([Problem("this JSON is nested too deeply", place=f"{file}:1:1")]) from None
    except ValueError:
        raise ConfigurationError([Problem("this JSON has a number that is too long", place=f"{file}:1:1")]) from None
    if text.count(",") > MAX_VALUES:
        raise ConfigurationError([Problem(f"this JSON has more than {MAX_VALUES} values", place=f"{file}:1:1")])
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return Document(file, value, *_locate(text), line_starts)


def _locate(text: str) -> tuple[dict[Steps, int], dict[Steps, int], list[Steps]]:
    """Offsets of all members' names and of all values, and the members that occur twice, in valid JSON."""
    keys: dict[Steps, int] = {}
    values: dict[Steps, int] = {}
    repeated: list[Steps] = []
    steps: list[str | int] = []
    opened: list[str] = []
    name_next = False
    for match in _TOKEN.finditer(text):
        token, offset = match[0], match.start()
        if token in "}]":
            opened.pop()
            steps.pop()
            name_next = False
        elif token == ",":
            name_next = opened[-1] == "{"
            if not name_next:
                steps[-1] = int(steps[-1]) + 1
        elif token == ":":
            name_next = False
        elif name_next:
            steps[-1] = json.loads(token)
            if tuple(steps) in keys:
                repeated.append(tuple(steps))
            keys[tuple(steps)] = offset
        else:
            values[tuple(steps)] = offset
            if token in "{[":
                opened.append(token)
                steps.append(0)
                name_next = token == "{"
    return keys, values, repeated
