"""Texts with {column} in them: parsed once, checked against the columns, filled for each event.

{{ and }} are a brace each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import pyarrow as pa

from stream.batch import META_SCHEMA, resolve
from stream.suggestion import did_you_mean

_TOKEN: Final = re.compile(r"\$\{([^{}]*)\}|(\{\{|\}\})|\{([^{}]*)\}|([{}])")
PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
MAX_LISTED: Final = 12


class Literal(NamedTuple):
    text: str


class Reference(NamedTuple):
    """What stands in ${...}."""

    name: str


class Column(NamedTuple):
    """What stands in {...}: a column, a field of a record by dotted path, or a meta column."""

    path: str


Part = Literal | Reference | Column


def parse(text: str) -> tuple[Part, ...]:
    """Raises ValueError saying what is wrong with a brace."""
    return tuple(_parts(text))


def _parts(text: str) -> Iterator[Part]:
    end = 0
    for found in _TOKEN.finditer(text):
        if found.start() > end:
            yield Literal(text[end : found.start()])
        reference, brace, path, lone = found.groups()
        if lone is not None:
            raise ValueError(f"has a lone '{lone}': write {{column}}, or {lone * 2} for a brace")
        if path is not None and not PATH.fullmatch(path):
            raise ValueError(f"has {{{path}}}, which is no column; write {{{{ and }}}} for braces")
        yield Reference(reference) if reference is not None else Column(path) if path is not None else Literal(brace[0])
        end = found.end()
    if end < len(text):
        yield Literal(text[end:])


def unknown(path: str, schema: pa.Schema) -> str | None:
    """What to say of a column that does not reach the stage; None for one that does."""
    if resolve(schema, path) is not None:
        return None
    known = [*schema.names, *META_SCHEMA.names]
    more = ", ..." if len(schema.names) > MAX_LISTED else ""
    return f"no column '{path}'{did_you_mean(path, known)}; columns here: {', '.join(schema.names[:MAX_LISTED])}{more}"
