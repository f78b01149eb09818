"""The "did you mean" of every error message that names something unknown."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """ "; did you mean 'topic'?" for the nearest known name, or nothing when none is near.

    prefix is what all names share and what therefore says nothing about how near they are.
    """
    name = nearest(word, known, prefix)
    return f"; did you mean '{name}'?" if name is not None else ""


def nearest(word: str, known: Iterable[str], prefix: str = "") -> str | None:
    """The known name that is most like the word, or None when none is near."""
    from difflib import get_close_matches

    names = {name.removeprefix(prefix).casefold(): name for name in known}
    near = get_close_matches(word.removeprefix(prefix).casefold(), names, n=1, cutoff=0.6)
    return names[near[0]] if near else None
