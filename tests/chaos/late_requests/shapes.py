"""The ways in which a late request meets the next transaction, and what the broker says to it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from stream.chaos.proxy import Then

Window = Literal["outputs written", "offsets sent", "idle", "timed out"]
"""When the request arrives: in the next transaction, after its outputs or after its offsets; or before there is one,
which begins at once or when a transaction that the request opened has timed out.
"""
After = Literal["goes on", "killed"]
Link = Literal["young", "old", "flapping"]
"""The connection that is lost: just made, some seconds old, or one that was lost twice while nothing was under way."""


@dataclass(frozen=True, slots=True)
class Shape:
    """api is held in one transaction and let go in `window` of the next one; then the worker goes on or is killed."""

    name: str
    api: str
    window: Window
    after: After
    link: Link = "old"
    fails: bool = False
    """The batch fails by itself, so that the transaction does not end in a commit."""


LATE_COMMIT: Final = Shape("late commit, then a crash", "EndTxn", "outputs written", "killed")
LATE_OFFSETS: Final = Shape("late offsets, then a crash", "TxnOffsetCommit", "offsets sent", "killed")
LATE_ABORT: Final = Shape("late abort, the application goes on", "EndTxn", "outputs written", "goes on", fails=True)
FLAPPING_COMMIT: Final = Shape(
    "late commit on a flapping connection, then a crash", "EndTxn", "outputs written", "killed", "flapping"
)
FLAPPING_OFFSETS: Final = Shape(
    "late offsets on a flapping connection, then a crash", "TxnOffsetCommit", "offsets sent", "killed", "flapping"
)
YOUNG_COMMIT: Final = Shape(
    "late commit on a young connection, then a crash", "EndTxn", "outputs written", "killed", "young", fails=True
)
HARMFUL: Final = (LATE_COMMIT, LATE_OFFSETS, LATE_ABORT, FLAPPING_COMMIT, FLAPPING_OFFSETS)
HARMLESS: Final = (
    Shape("late commit, the application goes on", "EndTxn", "outputs written", "goes on"),
    Shape("late offsets, the application goes on", "TxnOffsetCommit", "offsets sent", "goes on"),
)
_OTHERS: Final = ("AddPartitionsToTxn", "AddOffsetsToTxn", "Produce", "InitProducerId")
_MOMENTS: Final[tuple[tuple[Window, After], ...]] = (
    ("idle", "goes on"),
    ("idle", "killed"),
    ("timed out", "goes on"),
    ("outputs written", "goes on"),
    ("outputs written", "killed"),
    ("offsets sent", "goes on"),
)
UNTRIED: Final = tuple(
    Shape(f"late {api}, {window}, {after}", api, window, after, fails=api == "InitProducerId")
    for api in _OTHERS
    for window, after in _MOMENTS
)
"""Requests that nobody had tried, at each moment."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One shape, the way in which the client loses the connection, and the worker's mode (see launcher.py)."""

    shape: Shape
    then: Then
    mode: str


def answer_of(api: str, version: int, body: bytes) -> int:
    """The error code in the broker's answer; 0: it took the request. Versions as librdkafka 2.16 sends them."""
    if api in ("AddOffsetsToTxn", "EndTxn", "InitProducerId"):
        # throttle time, error; flexible versions have a byte of tagged fields before
        at = 4 + (api == "InitProducerId" and version >= 2) + (api != "InitProducerId" and version >= 3)
        return int(struct.unpack_from(">h", body, at)[0])
    if api in ("AddPartitionsToTxn", "TxnOffsetCommit"):
        return _first_partition_error(body, api == "TxnOffsetCommit" and version >= 3)
    return _first_produce_error(body)


def _first_partition_error(body: bytes, flexible: bool) -> int:
    """throttle time, [topic, [partition, error]]"""
    if flexible:
        name = body[6] - 1
        return int(struct.unpack_from(">h", body, 7 + name + 1 + 4)[0])
    (name,) = struct.unpack_from(">h", body, 8)
    return int(struct.unpack_from(">h", body, 10 + name + 4 + 4)[0])


def _first_produce_error(body: bytes) -> int:
    """[topic, [partition, error, ...]]; flexible from version 9 on, as librdkafka sends it."""
    name = body[2] - 1
    return int(struct.unpack_from(">h", body, 3 + name + 1 + 4)[0])
