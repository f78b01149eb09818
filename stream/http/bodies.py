"""What is sent: JSON made of columns. The structure is the pipeline file's, so no value can break out of it.

body: [id, amount]                         {"id": 7, "amount": 1.5}
body: {prompt: "Hello {name}", n: "{n}"}   {"prompt": "Hello Ann", "n": 3}: a lone column keeps its type
envelope: {instances: "{events}"}          {"instances": [body, body, ...]} for a group of events
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from stream.errors import ConfigurationError, Problem
from stream.http.template import Column, Part, Reference, parse, unknown
from stream.http.values import as_text, json_bytes

REASON: Final = "body_value"
EVENTS: Final = "events"
_MARK: Final = "\0events\0"

Body = Sequence[str] | Mapping[str, Any]
Values = Callable[[str], Any]
At = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class EventBody:
    """The JSON of one event. columns: the paths it is made of."""

    columns: tuple[str, ...]
    _spec: Any

    def render(self, value: Values) -> bytes:
        """value gives a column's JSON value for this event."""
        return json_bytes(_rendered(self._spec, value))


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around the bodies of a group of events: by default nothing but the list."""

    before: bytes = b"["
    after: bytes = b"]"

    def wrap(self, bodies: Sequence[bytes]) -> bytes:
        return self.before + b",".join(bodies) + self.after


def compile_body(spec: Body, schema: pa.Schema) -> EventBody:
    """Raises ConfigurationError with every mistake, `at` relative to the body."""
    template = spec if isinstance(spec, Mapping) else {path: f"{{{path}}}" for path in spec}
    texts = list(_templates(template, ()))
    problems = [p for at, text in texts if (p := _problem(text, at, schema))]
    if problems and not isinstance(spec, Mapping):
        problems = [replace(p, at=(list(spec).index(str(p.at[0])),)) for p in problems]
    if problems:
        raise ConfigurationError(problems)
    used = (part.path for _, text in texts for part in parse(text) if isinstance(part, Column))
    return EventBody(tuple(dict.fromkeys(used)), _parsed(template))


def compile_envelope(spec: Mapping[str, Any]) -> Envelope:
    """Raises ConfigurationError, `at` relative to the envelope."""
    texts = [(at, text) for at, text in _templates(spec, ()) if "{" in text or "}" in text]
    wrong = [(at, text) for at, text in texts if text != f"{{{EVENTS}}}"]
    problems = [Problem("holds {events} and constants only: columns belong in the body", at) for at, _ in wrong]
    if len(texts) - len(wrong) != 1:
        problems.append(Problem(f'needs "{{{EVENTS}}}" in one place, such as {{instances: "{{{EVENTS}}}"}}'))
    if problems:
        raise ConfigurationError(problems)
    marked = _replaced(spec, f"{{{EVENTS}}}", _MARK)
    before, _, after = json_bytes(marked).partition(json_bytes(_MARK))
    return Envelope(before + b"[", b"]" + after)


def _templates(spec: Any, at: At) -> Iterator[tuple[At, str]]:
    """Every text of the structure with its place."""
    if isinstance(spec, str):
        yield at, spec
    elif isinstance(spec, Mapping):
        for key, value in spec.items():
            yield from _templates(value, (*at, key))
    elif isinstance(spec, Sequence):
        for index, value in enumerate(spec):
            yield from _templates(value, (*at, index))


def _problem(template: str, at: At, schema: pa.Schema) -> Problem | None:
    try:
        parts = parse(template)
    except ValueError as error:
        return Problem(str(error), at)
    for part in parts:
        if isinstance(part, Reference):
            return Problem("references such as ${env:NAME} may stand in url and headers only", at)
        if isinstance(part, Column) and (told := unknown(part.path, schema)):
            return Problem(told, at)
    return None


def _parsed(spec: Any) -> Any:
    """The structure with each text as its parts: a tuple, which YAML has not."""
    if isinstance(spec, str):
        return parse(spec)
    if isinstance(spec, Mapping):
        return {key: _parsed(value) for key, value in spec.items()}
    return [_parsed(value) for value in spec] if isinstance(spec, Sequence) else spec


def _rendered(spec: Any, value: Values) -> Any:
    if isinstance(spec, tuple):
        return _text(spec, value)
    if isinstance(spec, dict):
        return {key: _rendered(item, value) for key, item in spec.items()}
    return [_rendered(item, value) for item in spec] if isinstance(spec, list) else spec


def _text(parts: tuple[Part, ...], value: Values) -> Any:
    if len(parts) == 1 and isinstance(parts[0], Column):
        return value(parts[0].path)
    return "".join(as_text(value(p.path)) if isinstance(p, Column) else p[0] for p in parts)


def _replaced(spec: Any, text: str, by: str) -> Any:
    if isinstance(spec, Mapping):
        return {key: _replaced(value, text, by) for key, value in spec.items()}
    if isinstance(spec, list | tuple):
        return [_replaced(value, text, by) for value in spec]
    return by if spec == text else spec
