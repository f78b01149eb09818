"""Avro's binary encoding of one datum, read value by value with every length and count checked first.

Source: Avro 1.12 specification, "Binary Encoding". The end of the data shows as IndexError, which the
caller turns into "truncated": the bytes are indexed once a value, and a test before each would cost more.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from stream.avro.codec import INVALID_UTF8, OUT_OF_RANGE, TOO_MANY_ITEMS, TRUNCATED, Limits
from stream.errors import PoisonError

_FLOAT: Final = struct.Struct("<f")
_DOUBLE: Final = struct.Struct("<d")


class Cursor:
    """A place in the data of one message, and what it may still ask for."""

    __slots__ = ("data", "empty_items", "items", "pos")

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.pos = 0
        self.items = limits.max_items
        self.empty_items = limits.max_empty_items


def read_null(_: Cursor) -> None:
    return None


def read_boolean(c: Cursor) -> bool:
    byte = c.data[c.pos]
    if byte > 1:
        raise PoisonError(OUT_OF_RANGE, "a boolean that is neither 0 nor 1")
    c.pos += 1
    return byte == 1


def read_long(c: Cursor) -> int:
    byte = c.data[c.pos]
    c.pos += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1)
    value, shift = byte & 0x7F, 7
    while byte > 0x7F:
        if shift > 63:
            raise PoisonError(OUT_OF_RANGE, "a number of more than 10 bytes")
        byte = c.data[c.pos]
        c.pos += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    if value >> 64:
        raise PoisonError(OUT_OF_RANGE, "a number of more than 64 bits")
    return (value >> 1) ^ -(value & 1)


def read_int(c: Cursor) -> int:
    value = read_long(c)
    if not -0x80000000 <= value <= 0x7FFFFFFF:
        raise PoisonError(OUT_OF_RANGE, "an int of more than 32 bits")
    return value


def read_float(c: Cursor) -> float:
    (value,) = _FLOAT.unpack(take(c, 4))
    return float(value)


def read_double(c: Cursor) -> float:
    (value,) = _DOUBLE.unpack(take(c, 8))
    return float(value)


def read_bytes(c: Cursor) -> bytes:
    return take(c, read_length(c))


def read_string(c: Cursor) -> str:
    try:
        return take(c, read_length(c)).decode()
    except UnicodeDecodeError:
        raise PoisonError(INVALID_UTF8, "text that is not UTF-8") from None


def skip_bytes(c: Cursor) -> None:
    take(c, read_length(c))


def read_length(c: Cursor) -> int:
    length = read_long(c)
    if length < 0:
        raise PoisonError(OUT_OF_RANGE, "a negative length")
    return length


def take(c: Cursor, size: int) -> bytes:
    """The next `size` bytes."""
    end = c.pos + size
    if end > len(c.data):
        raise PoisonError(TRUNCATED, f"a value of {size} bytes where {len(c.data) - c.pos} are left")
    value = c.data[c.pos : end]
    c.pos = end
    return value


def read_index(c: Cursor, n: int, what: str) -> int:
    """An index into n symbols or branches."""
    index = read_int(c)
    if not 0 <= index < n:
        raise PoisonError(OUT_OF_RANGE, f"{what} {index} of {n}")
    return index


def read_block(c: Cursor, width: int) -> int:
    """The count of the next block of an array or map, 0 at its end; width is the fewest bytes of an item."""
    count = read_long(c)
    if count < 0:
        count = -count
        if read_length(c) > len(c.data) - c.pos:
            raise PoisonError(TRUNCATED, "a block of more bytes than are left")
    c.items -= count
    c.empty_items -= count if width == 0 else 0
    if c.items < 0 or c.empty_items < 0:
        raise PoisonError(TOO_MANY_ITEMS, "more items than a message may have")
    if count * width > len(c.data) - c.pos:
        raise PoisonError(TRUNCATED, "a block of more items than bytes are left")
    return count


PRIMITIVES: Final[dict[str, Any]] = {
    "null": read_null,
    "boolean": read_boolean,
    "int": read_int,
    "long": read_long,
    "float": read_float,
    "double": read_double,
    "bytes": read_bytes,
    "string": read_string,
}
