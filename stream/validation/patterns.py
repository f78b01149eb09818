"""Regular expressions, run on the engine that Great Expectations would use for the row alone.

GX asks pandas, and pandas 3 asks RE2 (through Arrow) unless the pattern or the text needs Python's `re`
(pandas/core/arrays/_arrow_string_mixins.py, _needs_python_regex, version 3.1). pandas decides for a whole
column, so that a row's verdict may depend on its neighbours; here the same rule is applied to each row.
RE2 takes linear time; Python's `re` may not, so text longer than MAX_PYTHON_CHARACTERS is not given to it.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream.arrow import Bools, booleans, of_texts
from stream.validation.columns import Column

MAX_PYTHON_CHARACTERS: Final = 10_000
"""Longer text is not matched by Python's `re`: it does not meet the expectation."""

_UNICODE_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\(?:[uU]|N{)")
_END_ANCHOR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\Z")
_REPEATED_OFTEN: Final = 10
"""Repeats of a repeat from which on backtracking may explode."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """python: always on Python's `re`; not_ascii, newline: text with such characters goes there too.

    explosive: a repeat within a repeat, which may take Python's `re` exponential time.
    """

    source: str
    re2: str
    search: re.Pattern[str]
    python: bool
    not_ascii: bool
    newline: bool
    explosive: bool

    def search_rows(self, column: Column) -> tuple[Bools, Bools | None]:
        """(rows where the pattern is found, rows too long to tell or None when there are none); nulls: False."""
        rows = self._python_rows(column)
        if rows is not None and rows.all():
            return self._search_in_python(column.texts(None))
        found = booleans(pc.match_substring_regex(column.array, self.re2))
        if rows is None:
            return found, None
        found, unsure = found.copy(), np.zeros(len(found), np.bool_)
        found[rows], some = self._search_in_python(column.texts(rows))
        if some is None:
            return found, None
        unsure[rows] = some
        return found, unsure

    def _python_rows(self, column: Column) -> Bools | None:
        if self.python:
            return np.ones(len(column), np.bool_)
        rows: Bools | None = None
        content = column.content()
        if self.not_ascii and content.size and content.max() >= 128:
            rows = ~booleans(pc.string_is_ascii(column.array))
        if self.newline and (content == ord("\n")).any():
            lines = booleans(pc.match_substring(column.array, "\n"))
            rows = lines if rows is None else rows | lines
        return rows

    def _search_in_python(self, texts: list[str | None]) -> tuple[Bools, Bools | None]:
        verdicts: dict[str | None, bool | None] = {text: self._search(text) for text in set(texts)}
        found = np.fromiter((verdicts[text] is True for text in texts), np.bool_, len(texts))
        if None not in verdicts.values():
            return found, None
        return found, np.fromiter((verdicts[text] is None for text in texts), np.bool_, len(texts))

    def _search(self, text: str | None) -> bool | None:
        if text is None:
            return False
        return self.search.search(text) is not None if len(text) <= MAX_PYTHON_CHARACTERS else None


def compile_pattern(source: str) -> Pattern:
    """Raises re.error when Python does not take the pattern, pa.ArrowInvalid when RE2 has to and does not."""
    with warnings.catch_warnings():  # of nested sets, which mean the same as ever
        warnings.simplefilter("ignore")
        search = re.compile(source)
        parsed = list(_nodes(_parser().parse(source), 0))
    parser = _parser()
    nodes = {(op, argument) for op, argument, _ in parsed if op in (parser.CATEGORY, parser.AT)}
    categories = {str(argument) for op, argument in nodes if op is parser.CATEGORY}
    anchors = {str(argument) for op, argument in nodes if op is parser.AT}
    unsupported = {parser.ASSERT, parser.ASSERT_NOT, parser.GROUPREF}
    pattern = Pattern(
        source=source,
        re2=_END_ANCHOR.sub(r"\1\\z", source),
        search=search,
        python=bool(_UNICODE_ESCAPE.search(source))
        or any(op in unsupported for op, _, _ in parsed)
        or bool(categories & {"CATEGORY_SPACE", "CATEGORY_NOT_SPACE"}),
        not_ascii=bool(categories & {f"CATEGORY_{x}" for x in ("WORD", "NOT_WORD", "DIGIT", "NOT_DIGIT")})
        or bool(anchors & {"AT_BOUNDARY", "AT_NON_BOUNDARY"}),
        newline="AT_END" in anchors,
        explosive=any(depth > 1 for _, _, depth in parsed),
    )
    if not pattern.python:
        pc.match_substring_regex(of_texts([""]), pattern.re2)
    return pattern


def pattern_problem(source: str) -> str | None:
    """Why a pattern cannot be used, or None."""
    try:
        source.encode()
        compile_pattern(source)
    except re.error as error:
        return f"the pattern is not a regular expression of Python: {error}"
    except pa.ArrowInvalid as error:
        return (
            "the pattern is not one of RE2, which Great Expectations runs it on under pandas 3 and then fails:"
            f" {error}. Write it without possessive repeats, atomic groups, comments, inline flags other than"
            " i, m and s, and repeats above 1000"
        )
    except (UnicodeEncodeError, RecursionError, OverflowError):
        return "the pattern is not valid text, or nested too deeply"
    return None


def _parser() -> Any:
    return importlib.import_module("re._parser")


def _nodes(tokens: Any, depth: int) -> Iterator[tuple[Any, Any, int]]:
    """(operation, argument, how many unbounded repeats hold it) of a parsed pattern, as pandas walks it."""
    parser = _parser()
    for op, argument in tokens:
        if op in (parser.MAX_REPEAT, parser.MIN_REPEAT, parser.POSSESSIVE_REPEAT):
            inner = depth + 1 if argument[1] >= _REPEATED_OFTEN else depth
            yield op, argument, inner
            yield from _nodes(argument[2], inner)
            continue
        yield op, argument, depth
        if op is parser.SUBPATTERN:
            yield from _nodes(argument[3], depth)
        elif op is parser.BRANCH:
            for branch in argument[1]:
                yield from _nodes(branch, depth)
        elif op in (parser.ATOMIC_GROUP, parser.IN):
            yield from _nodes(argument, depth)
