"""Random data of a schema: Avro binary in every form the specification allows, damaged data, Arrow columns."""

from __future__ import annotations

import struct
import uuid
from decimal import Decimal
from random import Random
from typing import Any, Final

import pyarrow as pa

from stream.avro.arrow import arrow_schema
from stream.avro.decoding import EXACT
from stream.avro.defaults import DAY
from stream.avro.types import Array, Enum, Fixed, Logical, Map, Primitive, Record, Type, Union

TEXTS: Final = (
    *("", "a", "EWR", "N14228", "sixteen bytes ok", "exactly 8", "12345678", "a text of more than sixteen bytes"),
    *("é", "Zürich", "日本語", "emoji \N{GRINNING FACE}", "\N{GRINNING FACE}" * 9, "x" * 200, "\0", "\x7f\x80"),
)


def varint(value: int, random: Random | None = None) -> bytes:
    """A number, at times in more bytes than it needs."""
    raw = (value << 1) ^ (value >> 63) if value < 0 else value << 1
    raw &= (1 << 64) - 1
    out = bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    while random is not None and len(out) < 10 and random.random() < 0.02:
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def integer(random: Random, bits: int) -> int:
    """Of any magnitude, the extremes among them."""
    size = random.choice((1, 6, 7, 8, 13, 14, 20, bits - 1, bits - 1))
    value = random.choice((random.getrandbits(size), (1 << size) - 1, 0))
    return random.choice((value, ~value))


def datum(random: Random, of: Type) -> bytes:  # noqa: PLR0911 (one return a kind)
    """One valid datum."""
    match of:
        case Union():
            index = random.randrange(len(of.branches))
            return varint(index, random) + datum(random, of.branches[index])
        case Record():
            return b"".join(datum(random, f.type) for f in of.fields)
        case Array():
            return _blocks(random, [datum(random, of.items) for _ in range(_items(random))])
        case Map():
            keys = [f"{random.choice(TEXTS)}{i}".encode() for i in range(_items(random))]
            return _blocks(random, [varint(len(k), random) + k + datum(random, of.values) for k in keys])
        case Enum():
            return varint(random.randrange(len(of.symbols)), random)
        case Fixed(size=size, logical=logical):
            return decimal_bytes(random, logical, size) if is_decimal(logical) else random.randbytes(size)
    return _primitive(random, of)


def is_decimal(logical: Logical | None) -> bool:
    return logical is not None and logical.name == "decimal"


def decimal_bytes(random: Random, logical: Logical | None, size: int | None) -> bytes:
    """The two's complement of a number of the right digits, in size bytes or in some more than it takes."""
    assert logical is not None
    number = unscaled(random, logical)
    fewest = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(size or fewest + random.choice((0, 0, 1, 20)), "big", signed=True)


def unscaled(random: Random, logical: Logical) -> int:
    bound = 10**logical.precision
    return random.choice(
        (random.randrange(-bound + 1, bound), bound - 1, 1 - bound, 0, -1, 127, -128) if bound > 200 else (3, 0, -9)
    )


def damaged(random: Random, data: bytes) -> bytes:
    """Data that one accident happened to: cut, extended, a byte changed, lost or added, a number put in."""
    at = random.randrange(len(data) + 1)
    byte = bytes([random.choice((0xFF, 0x80, 0x01, 0x03, 0x7F, random.getrandbits(8)))])
    before, after = data[:at], data[at:]
    accidents = (
        before,
        data + random.randbytes(random.choice((1, 2, 9))),
        before + byte + after[1:],
        before + byte + after,
        before + after[1:],
        before + b"\xff" * random.choice((1, 9, 10)) + after,
        before + varint(integer(random, 64)) + after,
    )
    return random.choice(accidents)


def python_columns(random: Random, record: Record, rows: int, wrong: float) -> pa.RecordBatch:
    """Columns of a schema; each value is one that its field does not take with the probability `wrong`."""
    arrays = []
    for f, column in zip(record.fields, arrow_schema(record), strict=True):
        column_values = [python_value(random, f.type, wrong) for _ in range(rows)]
        arrays.append(pa.array(column_values, with_nulls(column.type)))
    if not arrays:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
    return pa.RecordBatch.from_arrays(arrays, names=[f.name for f in record.fields])


def plain(column: pa.Array) -> list[Any]:
    """The values of a column that is no slice, dates and times as integers, maps as lists of pairs."""
    of, there = column.type, column.is_valid().to_pylist()
    if pa.types.is_temporal(of):
        return list(column.view(pa.int32() if of.bit_width == 32 else pa.int64()).to_pylist())
    if pa.types.is_struct(of):
        rows = zip(*map(plain, column.flatten()), strict=True) if of.num_fields else [()] * len(column)
        return [row if valid else None for row, valid in zip(rows, there, strict=True)]
    if pa.types.is_list(of) or pa.types.is_map(of):
        parts = [column.keys, column.items] if pa.types.is_map(of) else [column.values]
        items = list(zip(*map(plain, parts), strict=True))
        places = column.offsets.to_pylist()
        return [items[i:j] if valid else None for i, j, valid in zip(places, places[1:], there, strict=False)]
    return list(column.to_pylist())


def with_nulls(of: pa.DataType) -> pa.DataType:
    """The same type with nulls allowed everywhere inside."""
    if pa.types.is_struct(of):
        return pa.struct([pa.field(f.name, with_nulls(f.type)) for f in of])
    if pa.types.is_map(of):
        return pa.map_(of.key_type, with_nulls(of.item_type))
    return pa.list_(with_nulls(of.value_type)) if pa.types.is_list(of) else of


def python_value(random: Random, of: Type, wrong: float) -> Any:  # noqa: PLR0911 (one return a kind)
    """A value as pa.array takes it, dates and times as integers."""
    if random.random() < wrong:
        return None
    match of:
        case Union():
            return None if random.random() < 0.3 else python_value(random, of.optional or of.branches[0], wrong)
        case Record():
            return {f.name: python_value(random, f.type, wrong) for f in of.fields}
        case Array():
            return [python_value(random, of.items, wrong) for _ in range(_items(random))]
        case Map():
            return [(f"k{i}", python_value(random, of.values, wrong)) for i in range(_items(random))]
        case Enum():
            return random.choice(of.symbols) if random.random() >= wrong else "S0Y"
        case Primitive("bytes", logical) | Fixed(logical=logical) if logical and is_decimal(logical):
            return Decimal(unscaled(random, logical)).scaleb(-logical.scale, EXACT)
        case Fixed(size=size, logical=logical):
            return (
                str(uuid.UUID(bytes=random.randbytes(16)))
                if logical and logical.name == "uuid"
                else random.randbytes(size)
            )
    return _python_primitive(random, of)


def _python_primitive(random: Random, of: Primitive) -> Any:
    if of.logical and of.logical.name in DAY:
        return random.randrange(DAY[of.logical.name])
    return {
        "null": lambda: None,
        "boolean": lambda: random.random() < 0.5,
        "int": lambda: integer(random, 32),
        "long": lambda: integer(random, 64),
        "float": lambda: struct.unpack(
            "<f", random.choice((b"\0\0\xc0\x7f", b"\0\0\x80\xff", random.randbytes(3) + b"\x42"))
        )[0],
        "double": lambda: random.choice((random.gauss(0, 1e9), float("inf"), float("nan"), -0.0)),
        "bytes": lambda: random.randbytes(random.choice((0, 1, 7, 16, 17, 300))),
        "string": lambda: random.choice(TEXTS),
    }[of.name]()


def _primitive(random: Random, of: Primitive) -> bytes:
    if is_decimal(of.logical):
        data = decimal_bytes(random, of.logical, None)
        return varint(len(data), random) + data
    value = _python_primitive(random, of)
    match of.name:
        case "null":
            return b""
        case "boolean":
            return bytes([value])
        case "int" | "long":
            return varint(value, random)
        case "float" | "double":
            return struct.pack("<f" if of.name == "float" else "<d", value)
    data = value if isinstance(value, bytes) else value.encode()
    return varint(len(data), random) + data


def _items(random: Random) -> int:
    return random.choice((0, 0, 1, 2, 3, 7))


def _blocks(random: Random, items: list[bytes]) -> bytes:
    """In one block or several, with their sizes in bytes or without."""
    out = b""
    while items:
        count = random.randint(1, len(items))
        block, items = b"".join(items[:count]), items[count:]
        sized = varint(-count, random) + varint(len(block), random)
        out += (sized if random.random() < 0.5 else varint(count, random)) + block
    return out + varint(0, random)
