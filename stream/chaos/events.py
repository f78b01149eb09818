"""The events of a run: what each one is, and where it must end, follow from its number alone.

Written and read with nothing of the product: Avro's binary encoding of two records, by hand
(avro.apache.org, specification, "Binary Encoding").
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from stream.batch import Int64s

KEYS: Final = 211
"""Different keys; the events of one must stay in order."""
TOO_BIG: Final = 2e6
"""An x above the critical bound of the suite."""
HIGH: Final = 400.0
"""y above it goes to the topic `high`."""
KEY_BYTES: Final = 8
LATER_S: Final = 1.0
"""A `later` event passes when it is older than this."""


class Place(enum.IntEnum):
    """Where an event may end. WAITING: in the tier of one hour, which no run outlives."""

    HIGH = 0
    LOW = 1
    DEAD = 2
    WAITING = 3


class Fate(enum.IntEnum):
    """What is wrong with an event, if anything, and so which road it takes."""

    PLAIN = 0
    TOO_BIG = 1
    """Fails a critical expectation: dead letter."""
    CUT_SHORT = 2
    """Ends behind its id: dead letter."""
    TO_SPARE = 3
    """Has two bytes too many: dead letter."""
    LATER = 4
    """A stage refuses it for its first second: through a retry tier, then to an output."""
    HOPELESS = 5
    """Refused at every attempt: through two tiers, then dead letter."""
    PATIENT = 6
    """Waits in the tier of one hour."""


def fates(ids: Int64s) -> Int64s:
    """The Fate of each id: one in 30 does not simply pass."""
    found = np.zeros(len(ids), np.int64)
    for every, rest, fate in (
        (100, 7, Fate.TOO_BIG),
        (100, 13, Fate.CUT_SHORT),
        (100, 23, Fate.TO_SPARE),
        (500, 31, Fate.LATER),
        (500, 143, Fate.HOPELESS),
        (1000, 277, Fate.PATIENT),
    ):
        found[ids % every == rest] = fate
    return found


def places(ids: Int64s) -> Int64s:
    """The Place of each id."""
    found = np.where(scores(ids) > HIGH, Place.HIGH, Place.LOW).astype(np.int64)
    fate = fates(ids)
    found[np.isin(fate, (Fate.TOO_BIG, Fate.CUT_SHORT, Fate.TO_SPARE, Fate.HOPELESS))] = Place.DEAD
    found[fate == Fate.PATIENT] = Place.WAITING
    return found


def ordered(ids: Int64s) -> npt.NDArray[np.bool_]:
    """Which of them keep the order of their key: those that are never tried again (order: relaxed)."""
    result: npt.NDArray[np.bool_] = fates(ids) < Fate.LATER
    return result


def keys(ids: Int64s) -> Int64s:
    """The key of each id, as a number."""
    return ids % KEYS


def scores(ids: Int64s) -> npt.NDArray[np.float32]:
    """y of each id, as the model must have it: 2 x + 1."""
    return (ids * 37 % 400 * 2 + 1).astype(np.float32)


def key(number: int) -> bytes:
    """The key of an event, 8 bytes big-endian."""
    return struct.pack(">q", number % KEYS)


def value(number: int, fate: int, prefix: bytes) -> bytes:
    """A framed reading: prefix, id, x, and no note."""
    x = TOO_BIG if fate == Fate.TOO_BIG else float(number * 37 % 400)
    head = prefix + zigzag(number)
    if fate == Fate.CUT_SHORT:
        return head
    return head + struct.pack("<d", x) + (b"\x00\x01\x02" if fate == Fate.TO_SPARE else b"\x00")


def pairs(start: int, stop: int, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of the events start to stop."""
    for number, fate in enumerate(fates(np.arange(start, stop, dtype=np.int64)).tolist(), start):
        yield key(number), value(number, fate, prefix)


def zigzag(number: int) -> bytes:
    """An Avro long."""
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)
