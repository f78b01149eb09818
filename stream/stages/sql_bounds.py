"""How long and how deep an SQL expression may be, judged before a parser sees it.

polars takes stack and time for what stands inside of each other: a chain of 5,000 + took it two minutes, and 49 case
without end, each of which may be read in two ways, would take it for ever.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from stream.stages.sql_words import OPERATORS, is_operator, tokens

MAX_EXPRESSION: Final = 10_000
MAX_OPERATORS: Final = 200
"""Of one expression: each may stand inside of the one before, and polars takes time and stack for that."""
MAX_BRACKETS: Final = 50
"""Inside of each other."""


def out_of_bounds(text: str) -> str:
    """Why an expression is not given to polars at all; "" when nothing stands against it."""
    if len(text) > MAX_EXPRESSION:
        return f"an expression of more than {MAX_EXPRESSION} characters"
    if not text.isascii() and text != text.encode(errors="ignore").decode():
        return "it holds half of a surrogate pair, which is no text"
    found = tokens(text)
    behind = ["", *(token.text for token in found)]  # a field may have any name: customer.case
    words = Counter(t.text.lower() for t, last in zip(found, behind, strict=False) if t.kind == "word" and last != ".")
    if words["case"] > words["end"]:  # polars' parser tries each way to read what has no end
        return "each case needs its end"
    operators = sum(t.text.lower() in OPERATORS if t.kind == "word" else is_operator(t) for t in found)
    if operators > MAX_OPERATORS:
        return f"more than {MAX_OPERATORS} operators; `a in (1, 2, 3)` asks for many values with one"
    depth = deepest = 0
    for token in found:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        deepest = max(deepest, depth)
    if depth > 0:  # each that stays open is tried in several ways, too
        return "it is not a whole SQL expression"
    return f"more than {MAX_BRACKETS} brackets inside each other" if deepest > MAX_BRACKETS else ""
