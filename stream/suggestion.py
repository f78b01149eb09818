"""The "did you mean" of every error message that names something unknown."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """ "; did you mean 'topic'?" for the nearest known name, or nothing when none is near.

    prefix is what all names share and what therefore says nothing about how near they are.
    """
    from difflib import get_close_matches

    names = {name.removeprefix(prefix).casefold(): name for name in known}
    near = get_close_matches(word.removeprefix(prefix).casefold(), names, n=1, cutoff=0.6)
    return f"; did you mean '{names[near[0]]}'?" if near else ""
