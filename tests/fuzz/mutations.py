"""Accidents and attacks that happen to bytes, to text and to trees of JSON values, made by a Random."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

EXTREMES: Final = (
    *(0, 1, -1, 2, 63, 64, 65, 127, 128, 255, 256, 1000, 1001, 65535, 1_000_000, 1_000_001, 2**31 - 1, 2**31),
    *(-(2**31), -(2**31) - 1, 2**32 - 1, 2**32, 2**40, 2**62, 2**63 - 1, -(2**63)),
)
"""Numbers at which something changes: signs, widths, limits of the product."""


def varint(value: int) -> bytes:
    """Avro's zigzag of a number of 64 bits."""
    raw = ((value << 1) ^ (value >> 63)) & ((1 << 64) - 1)
    out = bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


EXTREME_VARINTS: Final = (
    *map(varint, EXTREMES),
    *(b"\x80" * 9 + b"\x01", b"\xff" * 9 + b"\x01", b"\xff" * 9 + b"\x02", b"\xff" * 10, b"\x80" * 10 + b"\x00"),
    *(b"\x80\x00", b"\x80" * 8 + b"\x00", b"\x80", b""),
)
"""Those numbers, the longest forms and some that are too long, and one that does not end."""
BAD_UTF8: Final = (
    *(b"\xff", b"\x80", b"\xc3", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80"),
    *(b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98"),
)
"""Bytes that are no text: long forms, surrogates, beyond Unicode, characters that are cut."""
TEXTS: Final = (
    *("", " ", "\0", "\n", "\t", "\r\n", "\x1b[2J", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\u202e", "\ud800"),
    *(
        "é",
        "日本語",
        "\N{GRINNING FACE}",
        "a" * 300,
        "b" * 5000,
        "../../etc/passwd",
        "/dev/null",
        "a/b",
        ".",
        "..",
        "~",
    ),
    *(
        "null",
        "true",
        "yes",
        "on",
        "1",
        "-1",
        "1e999",
        "NaN",
        ".inf",
        "0x10",
        "2026-01-01",
        "12:30",
        "1_000",
        "²",
        "١٢",
    ),
    *(
        "${env:HOME}",
        "${",
        "{",
        "{x}",
        "%s",
        "%(a)s",
        "'",
        '"',
        "`",
        "\\",
        "a: b",
        "- a",
        "#",
        "*a",
        "&a",
        "!!str",
        "<<",
    ),
    *("10s", "-5s", "1e9s", "16MiB", "99999999999GiB", "5/s", "select 1", "1 = 1", "a" + "\u0301" * 200),
)
MAX_GROWN: Final = 10_000
"""Values that one accident adds."""
NUMBERS: Final = (*EXTREMES, 2**64, 10**30, 10**400, 0.0, -0.0, 0.1, 1e-320, 1e308, 5e-324, float("inf"), float("nan"))


def damaged(random: Random, data: bytes, other: bytes = b"") -> bytes:
    """One accident of bytes. other: another input, a part of which may get in."""
    at = random.randrange(len(data) + 1)
    return random.choice(_ACCIDENTS)(random, data, at, other)


def _flip(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    if at >= len(data):
        return data
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _set(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    byte = random.choice((b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", b"\xfe", random.randbytes(1)))
    return data[:at] + byte + data[at + 1 :]


def _cut(_random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    return data[:at]


def _lose(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    return data[:at] + data[at + random.choice((1, 1, 2, 4, 8, 30)) :]


def _repeat(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    size, times = random.choice((1, 1, 2, 3, 8, 40)), random.choice((1, 1, 2, 5, 50, 400))
    return data[:at] + data[at : at + size] * times + data[at:]


def _splice(random: Random, data: bytes, at: int, other: bytes) -> bytes:
    return data[:at] + other[random.randrange(len(other) + 1) :]


def _insert(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    return data[:at] + random.randbytes(random.choice((1, 1, 2, 5, 9))) + data[at:]


def _number(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    return data[:at] + random.choice(EXTREME_VARINTS) + data[at + random.choice((0, 1, 1)) :]


def _no_text(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    bad = random.choice(BAD_UTF8)
    return data[:at] + bad + data[at + random.choice((0, len(bad))) :]


def _float(random: Random, data: bytes, at: int, _other: bytes) -> bytes:
    value = struct.pack("<d", random.choice((float("nan"), float("inf"), -0.0, 5e-324, 1.7e308)))
    return data[:at] + value + data[at + 8 :]


_ACCIDENTS: Final[Sequence[Callable[[Random, bytes, int, bytes], bytes]]] = (
    *(_flip, _flip, _set, _cut, _lose, _repeat, _splice, _insert, _number, _number, _no_text, _float),
)


class Pairs(list[Any]):
    """A mapping as a list of [key, value], so that a key can be there twice."""


def tree_of(value: Any) -> Any:
    """JSON values with mappings as Pairs."""
    if isinstance(value, dict):
        return Pairs([key, tree_of(held)] for key, held in value.items())
    return [tree_of(item) for item in value] if isinstance(value, list) else value


def changed(random: Random, tree: Any, words: Sequence[str], times: int) -> Any:
    """The tree with accidents. words: keys and texts that mean something to the reader."""
    tree = _copy(tree)
    for _ in range(times):
        places = list(_places(tree))
        if not places:
            return _odd(random, words)
        holder, at = random.choice(places)
        _change(random, holder, at, places, words)
    return tree


def _places(tree: Any) -> list[tuple[Any, int]]:
    """(list, index) of everything in the tree but its top."""
    found: list[tuple[Any, int]] = []
    left = [tree]
    while left:
        node = left.pop()
        if not isinstance(node, list):
            continue
        for i, item in enumerate(node):
            if isinstance(node, Pairs):
                found.append((item, 1))
                left.append(item[1])
            else:
                found.append((node, i))
                left.append(item)
    return found


def _change(random: Random, holder: Any, at: int, places: list[tuple[Any, int]], words: Sequence[str]) -> None:
    match random.randrange(12):
        case 0 | 1 | 2:
            holder[at] = _odd(random, words)
        case 3:
            holder[at] = _neighbour(random, holder[at])
        case 4:
            other, place = random.choice(places)
            holder[at] = _copy(other[place])
        case 5:
            holder[at] = [holder[at]]
        case 6:
            holder[at] = Pairs([[random.choice(words), holder[at]]])
        case 7 if isinstance(holder[at], list) and holder[at]:
            del holder[at][random.randrange(len(holder[at]))]
        case 8 if isinstance(holder[at], list) and holder[at]:
            item = random.choice(holder[at])
            most = MAX_GROWN // (1 + len(_places(item)))
            holder[at].extend(_copy(item) for _ in range(min(most, random.choice((1, 1, 2, 30, 300)))))
        case 9 if isinstance(holder[at], Pairs):
            holder[at].append([random.choice((*words, *TEXTS)), _odd(random, words)])
        case 10 if isinstance(holder[at], Pairs) and holder[at]:
            random.choice(holder[at])[0] = random.choice((*words, *words, *TEXTS))
        case 11:
            holder[at] = _deep(random, holder[at])
        case _:
            holder[at] = _odd(random, words)


def _odd(random: Random, words: Sequence[str]) -> Any:
    """A value of any type; mostly not the one that is wanted."""
    pick = random.randrange(8)
    if pick < 2:
        return random.choice(NUMBERS)
    if pick < 5:
        return random.choice(words if random.random() < 0.5 else TEXTS)
    return random.choice(
        (None, True, False, [], Pairs(), [None], Pairs([["", None]]), "x" * random.choice((1, 9, 70_000)))
    )


def _neighbour(random: Random, value: Any) -> Any:
    """One that is almost the same."""
    if isinstance(value, bool) or value is None:
        return random.choice((not value, str(value).lower(), int(bool(value))))
    if isinstance(value, int | float):
        return random.choice((-value, value + 1, value * 10**9, float(value) if abs(value) < 1e300 else 0, str(value)))
    if isinstance(value, str):
        at = random.randrange(len(value) + 1)
        return random.choice(
            (value[:at], value[:at] + random.choice(TEXTS) + value[at:], value.upper(), value * 2, [value])
        )
    return None


def _deep(random: Random, value: Any) -> Any:
    for _ in range(random.choice((3, 20, 49, 51, 150, 2000))):
        value = [value] if random.random() < 0.5 else Pairs([["a", value]])
    return value


def _copy(tree: Any) -> Any:
    """Without recursion: trees are deep here."""
    if not isinstance(tree, list):
        return tree
    top = type(tree)()
    left = [(tree, top)]
    while left:
        source, target = left.pop()
        for item in source:
            if isinstance(item, list):
                made = type(item)()
                target.append(made)
                left.append((item, made))
            else:
                target.append(item)
    return top


def as_json(tree: Any, *, ascii_only: bool = True) -> str:
    """The tree as JSON text, numbers that JSON does not have included, keys twice where they are twice."""
    out: list[str] = []
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        match node:
            case _Text():
                out.append(node)
            case Pairs():
                parts = [part for key, held in node for part in (_Text(", "), _key(key, ascii_only), held)]
                left += reversed([_Text("{"), *parts[1:], _Text("}")])
            case list():
                parts = [part for item in node for part in (_Text(", "), item)]
                left += reversed([_Text("["), *parts[1:], _Text("]")])
            case _:
                out.append(json.dumps(node, ensure_ascii=ascii_only))
    return "".join(out)


class _Text(str):
    """A piece of JSON that stands as it is."""

    __slots__ = ()


def _key(key: Any, ascii_only: bool) -> _Text:
    text = key if isinstance(key, str) else "key"
    return _Text(json.dumps(text, ensure_ascii=ascii_only) + ": ")


MAX_SCRIBBLED: Final = 1_000_000
"""Characters to which accidents may grow a text."""


def scribbled(random: Random, text: str, pieces: Sequence[str], others: Sequence[str]) -> str:
    """One accident of a text: characters and lines lost, doubled, put in; pieces mean something to its parser."""
    return _scribbled(random, text, pieces, others)[:MAX_SCRIBBLED]


def _scribbled(random: Random, text: str, pieces: Sequence[str], others: Sequence[str]) -> str:  # noqa: PLR0911 (one return an accident)
    at = random.randrange(len(text) + 1)
    lines = text.splitlines(keepends=True) or [""]
    line = random.randrange(len(lines))
    match random.randrange(10):
        case 0 | 1 | 2:
            return text[:at] + random.choice(pieces) + text[at + random.choice((0, 0, 1, 4)) :]
        case 3:
            return text[:at]
        case 4:
            return text[:at] + text[at + random.choice((1, 1, 3, 20)) :]
        case 5:
            del lines[line]
            return "".join(lines)
        case 6:
            lines[line] *= random.choice((2, 2, 3, 200))
            return "".join(lines)
        case 7:
            lines[line] = " " * random.choice((1, 2, 4, 50)) + lines[line]
            return "".join(lines)
        case 8:
            other = random.choice(others)
            return text[:at] + other[random.randrange(len(other) + 1) :]
    size = random.choice((1, 2, 10))
    return text[:at] + text[at : at + size] * random.choice((2, 20, 1000)) + text[at:]
