"""Compiled checks of text: sets, lengths, patterns, equality, JSON. Nulls never miss."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow.compute as pc

from stream.arrow import Bools, booleans, of_texts
from stream.validation.columns import Column, Columns
from stream.validation.gx import quietly
from stream.validation.kernels import Kernel, Range, settle, settle_pair
from stream.validation.patterns import Pattern


def in_texts(path: str, members: Sequence[str], negate: bool) -> Kernel:
    wanted = of_texts(members)

    def check(columns: Columns) -> Bools | None:
        found = booleans(pc.is_in(columns[path].array, value_set=wanted))
        return settle(columns[path], found if negate else ~found)

    return check


def lengths_between(path: str, range_: Range) -> Kernel:
    """Lengths in code points."""

    def check(columns: Columns) -> Bools | None:
        lengths = Column(pc.utf8_length(columns[path].array))
        return settle(columns[path], range_.outside(lengths.numbers()))

    return check


def matches(path: str, patterns: Sequence[Pattern], how: str) -> Kernel:
    """how: "any" or "all" of the patterns are found in the text, or "none" is.

    Text that is too long to tell misses either way.
    """

    def check(columns: Columns) -> Bools | None:
        column = columns[path]
        found, unsure = patterns[0].search_rows(column)
        for pattern in patterns[1:]:
            more, some = pattern.search_rows(column)
            found = found & more if how == "all" else found | more
            unsure = some if unsure is None else unsure if some is None else unsure | some
        misses = found if how == "none" else ~found
        return settle(column, misses if unsure is None else misses | unsure)

    return check


def equal_texts(a: str, b: str, ignore: str) -> Kernel:
    def check(columns: Columns) -> Bools | None:
        misses = ~booleans(pc.equal(columns[a].array, columns[b].array))
        return settle_pair(misses, columns[a].absent(), columns[b].absent(), ignore)

    return check


def json_parseable(path: str) -> Kernel:
    return _each(path, lambda text: _parse(text)[0])


def json_schema(path: str, schema: Mapping[str, Any]) -> Kernel:
    """JSON Schema of the draft that the schema names. Text that is not JSON misses; GX raises for the whole batch."""
    validator = _jsonschema().validators.validator_for(schema)(schema)

    def meets(text: str) -> bool:
        parsed, value = _parse(text)
        try:
            return parsed and bool(validator.is_valid(value))
        except RecursionError:  # a value nested more deeply than its recursive schema can be followed
            return False

    return _each(path, meets)


def match_format(path: str, format_: str) -> Kernel:
    """Dates and times as datetime.strptime reads them, which is lenient: 2024-1-1 matches %Y-%m-%d."""

    def meets(text: str) -> bool:
        try:
            datetime.strptime(text, format_)  # noqa: DTZ007 (the format decides)
        except ValueError:
            return False
        return True

    return _each(path, meets)


def dateutil_parseable(path: str) -> Kernel:
    """Dates and times in any form that dateutil reads."""
    parser = importlib.import_module("dateutil.parser")

    def meets(text: str) -> bool:
        try:
            parser.parse(text)
        except (ValueError, OverflowError):
            return False
        return True

    check = _each(path, meets)

    def check_quietly(columns: Columns) -> Bools | None:
        with quietly():  # of time zones that it does not know
            return check(columns)

    return check_quietly


def schema_mistake(schema: Mapping[str, Any]) -> str | None:
    """Why a JSON schema cannot be used, or None."""
    jsonschema = _jsonschema()
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"json_schema is not a JSON schema: {error.message}"
    for reference in _references(schema):
        if not reference.startswith("#"):
            return f"json_schema refers to '{reference}', which would be fetched while events wait; copy it in"
    return None


def _jsonschema() -> Any:
    """The library that GX uses for this; it has no types."""
    return importlib.import_module("jsonschema")


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from (v for k, v in schema.items() if k in ("$ref", "$dynamicRef") and isinstance(v, str))
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)


def _parse(text: str) -> tuple[bool, Any]:
    """(whether it is JSON, the value), as Python's json has it, NaN included."""
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):
        return False, None


def _each(path: str, meets: Callable[[str], bool]) -> Kernel:
    """A Python function asked once for every distinct text of the batch."""

    def check(columns: Columns) -> Bools | None:
        texts = columns[path].texts(None)
        verdicts = {text: text is not None and meets(text) for text in set(texts)}
        misses = np.fromiter((not verdicts[text] for text in texts), np.bool_, len(texts))
        return settle(columns[path], misses)

    return check
