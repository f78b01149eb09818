"""What a codec is: Avro data in, Arrow columns out, and the reverse, with a verdict for each message.

Two codecs stand behind these protocols: the native one (`native.py`) and the reference one
(`reference.py`), which is an oracle of the native one's tests and takes the schemas that the native one
does not. Which schemas resolve to which, and how, is in `resolution.py` for both.

Avro to Arrow (Avro 1.12 specification, section "Logical Types"):

    null, boolean, int, long      null, bool, int32, int64
    float, double                 float32, float64
    bytes, fixed(n)               binary, fixed_size_binary(n)
    string, enum, uuid            string (UTF-8)
    record                        struct
    array, map                    list<item>, map<string, value>
    ["null", T] in either order   T, nullable
    any other union               string: the Avro JSON encoding of the value, null where it is null
    decimal(p, s)                 decimal128 (p <= 38), decimal256 (p <= 76), else binary
    date, time-millis, -micros    date32, time32[ms], time64[us]
    timestamp-millis/-micros/-nanos         timestamp[ms/us/ns, UTC]
    local-timestamp-millis/-micros/-nanos   timestamp[ms/us/ns]
    duration                      fixed_size_binary(12)

A schema that contains itself has no columns and is refused by name.

What both codecs check, so that a message gets the same verdict from either, in the order of the bytes:

    truncated       the data ends too early, or a length, a block size, or a count times the fewest
                    bytes that an item takes, is beyond the bytes left
    out_of_range    a varint of more than 10 bytes or 64 bits; an int beyond 32 bits; a negative length,
                    or a negative block size; a union or enum index that the writer's schema does not
                    have; a boolean other than 0 or 1; a decimal of more digits than its precision;
                    a time outside of the day
    too_many_items  counts of blocks sum up to more than max_items, or those of items that take no
                    bytes to more than max_empty_items; checked before the bytes left
    too_deep        a record, array, map or union deeper than max_depth is entered; the event is 1
    invalid_utf8    in a string, a map key, or bytes read as a string
    unresolvable    a branch or an enum symbol that the reader's schema has no place for
    trailing_bytes  the datum ends before the data

Fields that the reader does not have are checked too, except for UTF-8, digits and times. A map keeps
all of its entries as they come, a key twice if it stands there twice. Logical values are bits: a date or
timestamp beyond the years of a calendar passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import pyarrow as pa

from stream.batch import Int64s

NULL_VALUE: Final = "null_value"
NOT_AVRO: Final = "not_avro"
UNKNOWN_SCHEMA: Final = "unknown_schema"
TRUNCATED: Final = "truncated"
TRAILING_BYTES: Final = "trailing_bytes"
OUT_OF_RANGE: Final = "out_of_range"
INVALID_UTF8: Final = "invalid_utf8"
TOO_DEEP: Final = "too_deep"
TOO_MANY_ITEMS: Final = "too_many_items"
UNRESOLVABLE: Final = "unresolvable"
NULL_FIELD: Final = "null_field"
"""Reasons, a closed set: the last one is an encoder's (a null for a field that takes none)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one message's decoding; a message beyond one is set aside, never decoded in part."""

    max_depth: int = 64
    """Nesting of records, arrays, maps and unions."""
    max_items: int = 1_000_000
    """Items of all arrays and maps of a message together, zero-width items included."""
    max_empty_items: int = 1_000
    """Items of a message that take no bytes (nulls, empty records): five bytes can ask for 10^12 of them."""


class Rejected(NamedTuple):
    """A message, or a row, that a codec does not take. detail never holds a piece of the event."""

    row: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """columns holds the accepted messages in order; rows[i] is the index, within the call, of row i."""

    columns: pa.RecordBatch
    rows: Int64s
    rejected: Sequence[Rejected]


class Decoder(Protocol):
    """One writer schema resolved to one reader schema."""

    schema: pa.Schema

    def decode(self, values: bytes | memoryview, starts: Int64s, ends: Int64s) -> Decoded:
        """Decode n data, values[starts[i]:ends[i]] each, framing already taken off."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """values[offsets[i]:offsets[i + 1]] is accepted row i, framing included; rows[i] its index in the call."""

    values: bytes | memoryview
    offsets: Int64s
    rows: Int64s
    rejected: Sequence[Rejected]


class Encoder(Protocol):
    """One Avro record schema; takes a record batch with a column for each field, in field order."""

    def encode(self, columns: pa.RecordBatch, prefix: bytes) -> Encoded:
        """Encode each row after the framing bytes `prefix`."""
        ...
