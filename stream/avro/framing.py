"""The bytes before a datum that say which schema wrote it, taken off for a whole poll at once.

00 + 4-byte id, big endian                  Confluent schema registry
01 + 16-byte GUID                           its newer form; also in a header, `__value_schema_id`
C3 01 + 8-byte fingerprint, little endian   Avro single-object encoding
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.avro.codec import NOT_AVRO, NULL_VALUE, TRUNCATED
from stream.batch import NULL_VALUE as NULL_VALUE_FLAG
from stream.batch import Bytes, Failure, Int32s, Int64s, Messages, failures_of

Mask = npt.NDArray[np.bool_]
SCHEMA_ID_HEADER: Final = "__value_schema_id"
STAGE: Final = "decode"


class Form(enum.Enum):
    """(the bytes that begin it, how many bytes of key follow)."""

    ID = (b"\x00", 4)
    GUID = (b"\x01", 16)
    FINGERPRINT = (b"\xc3\x01", 8)


class Frame(NamedTuple):
    """Which schema wrote a datum; key is the bytes behind the magic ones."""

    form: Form
    key: bytes

    @property
    def number(self) -> int:
        """The id, or the fingerprint."""
        return int.from_bytes(self.key, "little" if self.form is Form.FINGERPRINT else "big")

    def __str__(self) -> str:
        match self.form:
            case Form.ID:
                return str(self.number)
            case Form.GUID:
                return str(uuid.UUID(bytes=self.key))
            case Form.FINGERPRINT:
                return f"{self.number:016x}"


@dataclass(frozen=True, slots=True)
class Framed:
    """The data of the messages whose framing is understood: values[starts[i]:ends[i]] for message i.

    frame[i] is an index into frames, -1 for a message that is among the failures.
    """

    frames: list[Frame]
    frame: Int32s
    starts: Int64s
    ends: Int64s
    failures: list[Failure]

    def groups(self) -> Iterator[tuple[Frame, Int64s]]:
        """Each frame with its messages, in order."""
        if len(self.frames) == 1:
            yield self.frames[0], np.flatnonzero(self.frame == 0)
            return
        order = np.argsort(self.frame, kind="stable")
        bounds = np.searchsorted(self.frame[order], np.arange(len(self.frames) + 1))
        for frame, start, stop in zip(self.frames, bounds[:-1], bounds[1:], strict=True):
            yield frame, order[start:stop]


def id_prefix(schema_id: int) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big")


def fingerprint_prefix(fingerprint: int) -> bytes:
    return b"\xc3\x01" + fingerprint.to_bytes(8, "little")


def take_off(messages: Messages) -> Framed:
    """Read the framing of every message; what has none becomes a failure."""
    nulls = (messages.flags & NULL_VALUE_FLAG) != 0
    framed = Framed(
        frames=[],
        frame=np.full(len(messages), -1, np.int32),
        starts=messages.value_offsets[:-1].copy(),
        ends=messages.value_offsets[1:],
        failures=failures_of(np.flatnonzero(nulls), STAGE, NULL_VALUE, "the message has no value"),
    )
    rest = ~nulls & ~_from_headers(messages, framed, nulls)
    values = np.frombuffer(messages.values, np.uint8)
    first = _bytes_at(values, framed.starts, framed.ends, 0)
    for form in Form:
        if not rest.any():
            break  # nearly always after the first: all have one form
        rest &= ~_from_values(values, first, form, framed, rest)
    bad = np.flatnonzero(rest)
    framed.failures.extend(failures_of(bad, STAGE, NOT_AVRO, "the value begins with no framing that says its schema"))
    return framed


def _bytes_at(values: Bytes, starts: Int64s, ends: Int64s, index: int) -> npt.NDArray[np.int16]:
    """The byte of that index of each message, -1 where it is shorter."""
    there = ends - starts > index
    found = np.full(len(starts), -1, np.int16)
    found[there] = values[starts[there] + index]
    return found


def _from_values(values: Bytes, first: npt.NDArray[np.int16], form: Form, framed: Framed, rest: Mask) -> Mask:
    """Note the messages of one form; returns which they are, those that end inside the framing included."""
    magic, width = form.value
    taken: Mask = rest & (first == magic[0])
    if not taken.any():
        return taken
    if len(magic) > 1:
        taken &= _bytes_at(values, framed.starts, framed.ends, 1) == magic[1]
    whole = taken & (framed.ends - framed.starts >= len(magic) + width)
    short = np.flatnonzero(taken & ~whole)
    framed.failures.extend(failures_of(short, STAGE, TRUNCATED, "the value ends inside its framing"))
    rows = np.flatnonzero(whole)
    if len(rows):
        distinct, which = _distinct(values, framed.starts[rows] + len(magic), width)
        framed.frame[rows] = which + len(framed.frames)
        framed.starts[rows] += len(magic) + width
        framed.frames.extend(Frame(form, key) for key in distinct)
    return taken


def _distinct(values: Bytes, places: Int64s, width: int) -> tuple[list[bytes], npt.NDArray[np.intp]]:
    """The different keys of some width at these places, and which of them each is; mostly there is one."""
    words = []
    for start in range(0, width, min(width, 8)):
        # A window of words that begin at every byte: one gather for all bytes of a key.
        window = np.ndarray(
            (len(values) - 7,) if width > 4 else (len(values) - 3,), f"u{min(width, 8)}", values, 0, (1,)
        )
        words.append(window[places + start])
    if all((word == word[0]).all() for word in words):
        return [b"".join(word[:1].tobytes() for word in words)], np.zeros(len(places), np.intp)
    keys = np.stack(words, axis=1)
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    return [key.tobytes() for key in distinct], which.reshape(-1)


def _from_headers(messages: Messages, framed: Framed, nulls: Mask) -> Mask:
    """Note the messages whose schema is named in a header; their value is the datum alone."""
    taken = np.zeros(len(messages), bool)
    if messages.headers is None:
        return taken
    known: dict[bytes, int] = {}
    for row, headers in enumerate(messages.headers):
        named = [value for name, value in headers or () if name == SCHEMA_ID_HEADER and value]
        if named and not nulls[row]:
            taken[row] = True
            _note(framed, row, named[-1], known)
    return taken


def _note(framed: Framed, row: int, header: bytes, known: dict[bytes, int]) -> None:
    form = {b"\x00": Form.ID, b"\x01": Form.GUID}.get(header[:1])
    if form is None or len(header) != 1 + form.value[1]:
        detail = f"the header {SCHEMA_ID_HEADER} holds neither a schema id nor a GUID"
        framed.failures.extend(failures_of([row], STAGE, NOT_AVRO, detail))
        return
    if header not in known:
        known[header] = len(framed.frames)
        framed.frames.append(Frame(form, header[1:]))
    framed.frame[row] = known[header]
