"""The address to call: fixed up to the host, filled from columns behind it.

A value can never leave its place: it is escaped whole, and one that would still change which resource is
meant ("..", or nothing at all) is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from stream.errors import PoisonError
from stream.http.references import Resolver
from stream.http.template import Column, Literal, Reference, parse
from stream.http.values import as_text

REASON: Final = "url_value"
MAX_URL_CHARS: Final = 8192
DOTS: Final = frozenset({".", ".."})


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """shown is the text of the pipeline file; the parts may hold what its references stand for."""

    shown: str
    _parts: tuple[Literal | Column, ...]

    @property
    def columns(self) -> list[str]:
        return [part.path for part in self._parts if isinstance(part, Column)]

    @property
    def host(self) -> str:
        """Of the service, with its port: what may be told of an address."""
        return urlsplit(_filled(self._parts)).netloc

    def render(self, value: Callable[[str], Any]) -> str:
        """value gives a column's value for this event. Raises PoisonError for one that fits no address."""
        texts, in_path = [], True
        for part in self._parts:
            if isinstance(part, Literal):
                in_path = in_path and "?" not in part.text
                texts.append(part.text)
            else:
                texts.append(_escaped(value(part.path), part.path, in_path))
        url = "".join(texts)
        if self.columns and (len(url) > MAX_URL_CHARS or not DOTS.isdisjoint(_segments(url))):
            raise PoisonError(REASON, f"the url is longer than {MAX_URL_CHARS} characters, or a part of it is . or ..")
        return url


def compile_url(text: str, resolver: Resolver) -> Url:
    """Raises ValueError saying what would be right; never what a reference stands for."""
    if len(text) > MAX_URL_CHARS:
        raise ValueError(f"must have at most {MAX_URL_CHARS} characters")
    parts = tuple(Literal(resolver.value(p.name)) if isinstance(p, Reference) else p for p in parse(text))
    _check(parts)
    return Url(text, parts)


def _check(parts: tuple[Literal | Column, ...]) -> None:
    try:
        split = urlsplit(_filled(parts))
        _ = split.port
    except ValueError:
        raise ValueError("must be an address such as https://scorer.example.com/score") from None
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ValueError("must begin with http:// or https:// and a host, such as https://scorer.example.com/score")
    if split.username is not None or split.password is not None:
        raise ValueError("must not hold a user or password: put them in headers, as ${env:NAME}")
    if split.fragment or any(c.isspace() or not c.isprintable() for c in _filled(parts)):
        raise ValueError("must have no # part and no spaces")
    if not DOTS.isdisjoint(_segments(_filled(parts))):
        raise ValueError("must have no . or .. among the parts of its path")
    if any(isinstance(p, Column) for p in parts) and not _fixed_host(parts):
        raise ValueError("must have its columns behind the host, where they cannot change which service is called")


def _fixed_host(parts: tuple[Literal | Column, ...]) -> bool:
    """The text before the first column goes past the host."""
    before = ""
    for part in parts:
        if isinstance(part, Column):
            break
        before += part.text
    return any(mark in before.partition("://")[2] for mark in "/?")


def _filled(parts: tuple[Literal | Column, ...]) -> str:
    """An example of the address."""
    return "".join(part.text if isinstance(part, Literal) else "x" for part in parts)


def _segments(url: str) -> list[str]:
    return url.partition("?")[0].split("/")[3:]


def _escaped(value: Any, path: str, in_path: bool) -> str:
    if value is None or (in_path and value == ""):
        raise PoisonError(REASON, f"column '{path}' is {'null' if value is None else 'empty'}, and part of the url")
    return quote(as_text(value), safe="")
