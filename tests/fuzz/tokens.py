"""Avro data as tokens, so that an accident can happen to what a byte means: a length, a count, an index, a text.

Written from the specification (Avro 1.12, "Binary Encoding"), without the product's code; types are the product's.
"""

from __future__ import annotations

import enum
import struct
from random import Random
from typing import Final, NamedTuple

from fuzz.mutations import BAD_UTF8, EXTREME_VARINTS, damaged, varint
from fuzz.target import MARK

from stream.avro.types import Array, Enum, Fixed, Map, Primitive, Record, Type, Union


class Kind(enum.Enum):
    """What a token means."""

    NUMBER = enum.auto()
    LENGTH = enum.auto()
    COUNT = enum.auto()
    INDEX = enum.auto()
    TEXT = enum.auto()
    RAW = enum.auto()


VARINTS: Final = frozenset({Kind.NUMBER, Kind.LENGTH, Kind.COUNT, Kind.INDEX})


class Token(NamedTuple):
    kind: Kind
    data: bytes


Tokens = list[Token]
_TEXTS: Final = tuple(
    text.encode()
    for text in (
        "",
        "a",
        MARK,
        f"{MARK} é",
        f"{MARK}-日本語",
        f"sixteen-{MARK}-b",
        f"{MARK} " * 9,
        "\0",
        "\N{GRINNING FACE}",
    )
)
_END: Final = Token(Kind.COUNT, b"\0")


def tokens_of(random: Random, of: Type, room: int = 200) -> Tokens:
    """One valid datum. room: about how many tokens it may have."""
    out: Tokens = []
    _write(random, of, out, room)
    return out


def joined(tokens: Tokens) -> bytes:
    return b"".join([token.data for token in tokens])


def mutated(random: Random, tokens: Tokens, other: bytes) -> bytes:
    """The data with one to three accidents, most of them to tokens. other: data of the same schema."""
    if tokens and random.random() < 0.75:
        tokens = list(tokens)
        for _ in range(random.choice((1, 1, 2))):
            _strike(random, tokens)
        if random.random() < 0.75:
            return joined(tokens)
    data = joined(tokens)
    for _ in range(random.choice((1, 1, 2))):
        data = damaged(random, data, other)
    return data


def _strike(random: Random, tokens: Tokens) -> None:
    if not tokens:
        return
    at = random.randrange(len(tokens))
    kind, data = tokens[at]
    roll = random.random()
    if roll < 0.1:
        del tokens[at]
    elif roll < 0.2:
        size, times = random.choice((1, 1, 2, 5)), random.choice((1, 1, 2, 40, 300))
        tokens[at:at] = tokens[at : at + size] * times
    elif roll < 0.25:
        other = random.randrange(len(tokens))
        tokens[at], tokens[other] = tokens[other], tokens[at]
    elif kind in VARINTS:
        tokens[at] = Token(kind, random.choice(EXTREME_VARINTS))
    elif kind is Kind.TEXT:
        tokens[at] = Token(kind, _bad_text(random, data))
    else:
        tokens[at] = Token(kind, random.choice((b"\xff", b"\x00", b"\x7f", b"\x80")) * len(data))


def _bad_text(random: Random, data: bytes) -> bytes:
    """Bytes that are no UTF-8, of the same number or not."""
    at = random.randrange(len(data) + 1)
    bad = random.choice(BAD_UTF8)
    return data[:at] + bad + data[at + random.choice((0, len(bad), len(bad))) :]


def _write(random: Random, of: Type, out: Tokens, room: int) -> None:
    match of:
        case Union():
            index = random.randrange(len(of.branches))
            out.append(Token(Kind.INDEX, varint(index)))
            _write(random, of.branches[index], out, room)
        case Record():
            for field in of.fields:
                _write(random, field.type, out, room)
        case Array():
            _blocks(random, out, room, lambda: _write(random, of.items, out, room - 3))
        case Map():
            _blocks(random, out, room, lambda: _entry(random, of, out, room - 3))
        case Enum():
            out.append(Token(Kind.INDEX, varint(random.randrange(len(of.symbols)))))
        case Fixed(size=size):
            out.append(Token(Kind.RAW, _fixed(random, of, size)))
        case Primitive():
            _primitive(random, of, out)


def _entry(random: Random, of: Map, out: Tokens, room: int) -> None:
    _sized(out, random.choice(_TEXTS))
    _write(random, of.values, out, room)


def _blocks(random: Random, out: Tokens, room: int, item: object) -> None:
    assert callable(item)
    for _ in range(random.choice((0, 1, 1, 2))):
        count = random.choice((1, 1, 2, 3)) if len(out) < room else 0
        if count == 0:
            break
        sized = random.random() < 0.3
        at = len(out)
        for _ in range(count):
            item()
        written = sum(len(token.data) for token in out[at:])
        out[at:at] = (
            [Token(Kind.COUNT, varint(-count)), Token(Kind.LENGTH, varint(written))]
            if sized
            else [Token(Kind.COUNT, varint(count))]
        )
    out.append(_END)


def _sized(out: Tokens, data: bytes) -> None:
    out.append(Token(Kind.LENGTH, varint(len(data))))
    out.append(Token(Kind.TEXT, data))


def _fixed(random: Random, of: Fixed, size: int) -> bytes:
    if of.logical is not None and of.logical.name == "decimal":
        return _unscaled(random, of.logical.precision).to_bytes(size, "big", signed=True)
    return (MARK.encode() * 9)[:size] if random.random() < 0.5 else random.randbytes(size)


def _unscaled(random: Random, precision: int) -> int:
    return random.choice((0, 1, -1, 10**precision - 1, 1 - 10**precision, random.randrange(10**precision)))


def _primitive(random: Random, of: Primitive, out: Tokens) -> None:
    match of.name:
        case "boolean":
            out.append(Token(Kind.RAW, random.choice((b"\0", b"\1"))))
        case "int" | "long":
            out.append(Token(Kind.NUMBER, varint(_integer(random, of))))
        case "float":
            out.append(Token(Kind.RAW, struct.pack("<f", random.choice((0.0, -0.5, float("nan"), float("inf"), 1e30)))))
        case "double":
            out.append(
                Token(Kind.RAW, struct.pack("<d", random.choice((0.1, -0.0, float("nan"), float("-inf"), 1e300))))
            )
        case "bytes" if of.logical is not None and of.logical.name == "decimal":
            number = _unscaled(random, of.logical.precision)
            size = number.bit_length() // 8 + 1 + random.choice((0, 0, 1, 30))
            _sized(out, number.to_bytes(size, "big", signed=True))
        case "bytes":
            _sized(out, random.choice((b"", MARK.encode(), b"\xff" * 20, random.randbytes(5))))
        case "string":
            _sized(out, random.choice(_TEXTS))


def _integer(random: Random, of: Primitive) -> int:
    if of.logical is not None and of.logical.name.startswith("time-"):
        return random.randrange(86_400_000)
    bits = 31 if of.name == "int" else 63
    return random.choice((0, 1, -1, 2**bits - 1, -(2**bits), random.getrandbits(bits), -random.getrandbits(bits)))
