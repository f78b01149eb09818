"""One message as far as any decoder gets, with the reason of each that does not get to the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stream.avro import Schema, SchemaStore
from stream.avro.framing import Frame, take_off
from stream.avro.partial import read_partly
from stream.batch import Messages
from stream.cli.decoding import PlainReader
from stream.errors import PoisonError, SystemicError

if TYPE_CHECKING:
    from stream.avro.framing import Framed

HEX_LINE: Final = 16


@dataclass(frozen=True, slots=True)
class Sight:
    """What one decoder says: value is what it read, all of it when reason is empty."""

    decoder: str
    value: Any = None
    reason: str = ""


def sights(messages: Messages, store: SchemaStore, schemas: Sequence[Schema]) -> list[Sight]:
    """Every decoder on the one message, best first; those after one that read it all are not asked.

    schemas: what the pipeline reads with, tried where the message's own schema is no help.
    """
    value = messages.value(0)
    if value is None:
        return [Sight("none", reason="the message has no value")]
    found: list[Sight] = []
    for sight in _each(messages, value, store, schemas):
        found.append(sight)
        if not sight.reason:
            break
    return found


def _each(messages: Messages, value: bytes, store: SchemaStore, schemas: Sequence[Schema]) -> Iterator[Sight]:
    yield _as_written(messages, store)
    framed = take_off(messages)
    known = [*_written_with(framed, store), *schemas]
    data = bytes(value[int(framed.starts[0]) - int(messages.value_offsets[0]) :]) if framed.frames else value
    framing = "behind its framing" if framed.frames else "without framing"
    for schema in dict.fromkeys(known):
        yield _partly(schema, data, framing)
    yield _as_json(value)
    yield _as_text(value)


def _as_written(messages: Messages, store: SchemaStore) -> Sight:
    # the reference codec: what is looked at may have ended a process in the native one
    (found,) = PlainReader(store, codec="reference").read(messages)
    name = "Avro, by the schema it names"
    if isinstance(found, dict):
        return Sight(name, found)
    return Sight(name, reason=f"{found.reason}: {found.detail}".removesuffix(": "))


def _written_with(framed: Framed, store: SchemaStore) -> list[Schema]:
    frames: list[Frame] = framed.frames
    try:
        return [store.writer_schema(frame) for frame in frames]
    except (PoisonError, SystemicError):
        return []


def _partly(schema: Schema, data: bytes, framing: str) -> Sight:
    part = read_partly(schema, data)
    where = f" in {part.stopped_in}" if part.stopped_in else ""
    reason = f"{part.reason}{where} at byte {part.at}: {part.detail}" if part.reason else ""
    return Sight(f"Avro {schema.name}, {framing}", part.fields, reason)


def _as_json(value: bytes) -> Sight:
    try:
        return Sight("JSON", json.loads(value))
    except (ValueError, RecursionError) as error:
        at = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        return Sight("JSON", reason=f"not JSON{at}")


def _as_text(value: bytes) -> Sight:
    try:
        return Sight("text", value.decode())
    except UnicodeDecodeError as error:
        return Sight("text", reason=f"not UTF-8 at byte {error.start}")


def hex_lines(value: bytes, most: int) -> Iterator[str]:
    """The first bytes as `xxd` shows them: offset, hex, and the characters of ASCII."""
    for start in range(0, min(len(value), most), HEX_LINE):
        part = value[start : min(start + HEX_LINE, most)]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{HEX_LINE * 3 - 1}}  {text}"
    if len(value) > most:
        yield f"... {len(value) - most} bytes more"
