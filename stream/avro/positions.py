"""Line and column of a value inside a JSON text, so that an error can point at it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_decoder: Final = json.JSONDecoder()


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Both from 1, as editors count."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def index_of(text: str, path: Sequence[str | int]) -> int:
    """Where the value at path starts in a valid JSON text; of the last part of the path that exists."""
    at = _skip(text, 0)
    for step in path:
        found = _member(text, at, step) if isinstance(step, str) else _item(text, at, step)
        if found is None:
            break
        at = found
    return at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _end(text: str, at: int) -> int:
    return _skip(text, _decoder.raw_decode(text, at)[1])


def _member(text: str, at: int, key: str) -> int | None:
    """Start of the value of a key of the object at `at`; the last one counts, as for json.loads."""
    if text[at] != "{":
        return None
    at, found = _skip(text, at + 1), None
    while text[at] != "}":
        name, end = _decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, end) + 1)
        found = at if name == key else found
        at = _end(text, at)
        at = _skip(text, at + 1) if text[at] == "," else at
    return found


def _item(text: str, at: int, index: int) -> int | None:
    """Start of an item of the array at `at`."""
    if text[at] != "[":
        return None
    at = _skip(text, at + 1)
    while text[at] != "]":
        if index == 0:
            return at
        index -= 1
        at = _end(text, at)
        at = _skip(text, at + 1) if text[at] == "," else at
    return None
