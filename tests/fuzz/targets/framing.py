"""Messages with and without framing, against a reading of one message at a time that was written from the table."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final, NamedTuple

from fuzz.mutations import damaged
from fuzz.target import INPUTS, MARK, Judge, Target, check_silent, demand

from stream.avro import EventReader, parse_schema
from stream.avro.codec import NOT_AVRO, NULL_VALUE, TRUNCATED, UNKNOWN_SCHEMA
from stream.avro.framing import SCHEMA_ID_HEADER, Form, Frame, fingerprint_prefix, id_prefix, take_off
from stream.avro.schema import Schema
from stream.batch import Header, Messages
from stream.errors import PoisonError

MESSAGES: Final = 40
MAGIC: Final = {Form.ID: b"\x00", Form.GUID: b"\x01", Form.FINGERPRINT: b"\xc3\x01"}
WIDTH: Final = {Form.ID: 4, Form.GUID: 16, Form.FINGERPRINT: 8}
SCHEMA: Final = '{"type": "record", "name": "E", "fields": [{"name": "a", "type": "string"}]}'
LATER: Final = """{"type": "record", "name": "E", "fields": [{"name": "a", "type": "string"},
    {"name": "b", "type": "int", "default": 1}]}"""


class Reading(NamedTuple):
    """What the table says of one message: a reason why not, or its frame and where its datum begins."""

    reason: str | None
    frame: Frame | None = None
    start: int = 0


class Store:
    """Knows the ids 1 and 2, and the fingerprints of the same schemas."""

    def __init__(self) -> None:
        self.schemas = [parse_schema(SCHEMA), parse_schema(LATER)]
        self.known = {(Form.ID, 1 + i): s for i, s in enumerate(self.schemas)}
        self.known |= {(Form.FINGERPRINT, s.fingerprint): s for s in self.schemas}

    def writer_schema(self, frame: Frame) -> Schema:
        found = self.known.get((frame.form, frame.number))
        if found is None:
            raise PoisonError(UNKNOWN_SCHEMA, f"schema {frame}")
        return found

    def prefix(self, _topic: str, _schema: Schema) -> bytes:
        raise NotImplementedError

    def latest(self, _subject: str) -> Schema:
        raise NotImplementedError


def prepare() -> Judge:
    store = Store()
    readers = [EventReader(schema, store, codec=codec) for schema in store.schemas for codec in ("auto", "reference")]

    def judge(random: Random, counts: Counter[str]) -> None:
        messages = _messages(random, store)
        n = len(messages)
        framed = take_off(messages)
        wanted = [_reading(messages, row) for row in range(n)]
        refused = {f.row: f.reason for f in framed.failures}
        demand(len(refused) == len(framed.failures), "a message fails once")
        demand(
            refused == {i: w.reason for i, w in enumerate(wanted) if w.reason},
            "the framing is refused as the table says",
        )
        for row, reading in enumerate(wanted):
            if reading.reason is None:
                demand(framed.frames[framed.frame[row]] == reading.frame, "the frame is that of the table")
                begun = int(framed.starts[row] - messages.value_offsets[row])
                demand(begun == reading.start, "the datum begins behind its framing")
        grouped = sorted(row for _, rows in framed.groups() for row in rows.tolist() if framed.frame[row] >= 0)
        demand(grouped == [i for i, w in enumerate(wanted) if w.reason is None], "each datum is in one group")
        results = [reader.read(messages) for reader in random.sample(readers, 2)]
        for result in results:
            rows = sorted([*result.batch.rows.tolist(), *(f.row for f in result.failures)])
            demand(rows == list(range(n)), "each message is decoded or fails, once")
            check_silent(text for f in result.failures for text in (f.detail, *f.facts.values()))
        counts[INPUTS] += n
        counts["decoded"] += len(results[0].batch)
        counts.update(refused.values())

    return judge


def _messages(random: Random, store: Store) -> Messages:
    count = random.choice((0, 1, MESSAGES, MESSAGES))
    values = [_value(random, store) for _ in range(count)]
    messages = Messages.of(values, first_offset=random.choice((0, 2**62)))
    if random.random() < 0.5:
        headers = [_headers(random) if random.random() < 0.3 else None for _ in range(count)]
        object.__setattr__(messages, "headers", headers)
    return messages


def _value(random: Random, store: Store) -> bytes | None:
    text = random.choice((b"", b"a", MARK.encode()))
    datum = bytes([2 * len(text)]) + text + random.choice((b"", b"\x04"))
    prefix = random.choice(
        (
            *(id_prefix(1), id_prefix(2), id_prefix(random.getrandbits(32)), b"\x01" + random.randbytes(16)),
            *(fingerprint_prefix(s.fingerprint) for s in store.schemas),
            *(fingerprint_prefix(random.getrandbits(64)), b"", b"\xc3", b"\x02"),
        )
    )
    value = prefix + datum
    if random.random() < 0.05:
        return None
    return damaged(random, value, id_prefix(1)) if random.random() < 0.4 else value


def _headers(random: Random) -> list[Header]:
    held = random.choice(
        (b"\x00\x00\x00\x00\x01", b"\x00\x00\x00\x00\x02", b"\x01" + random.randbytes(16), b"", None, b"\x02")
    )
    if held and random.random() < 0.3:
        held = damaged(random, held, b"\x00" * 5)
    names = random.choices((SCHEMA_ID_HEADER, "traceparent", "", SCHEMA_ID_HEADER.upper()), k=random.randint(0, 3))
    return [(name, held if name == SCHEMA_ID_HEADER else MARK.encode()) for name in names]


def _reading(messages: Messages, row: int) -> Reading:
    value = messages.value(row)
    if value is None:
        return Reading(NULL_VALUE)
    named = [held for name, held in messages.headers_of(row) if name == SCHEMA_ID_HEADER and held]
    if named:
        for form in (Form.ID, Form.GUID):
            if named[-1][:1] == MAGIC[form] and len(named[-1]) == 1 + WIDTH[form]:
                return Reading(None, Frame(form, named[-1][1:]), 0)
        return Reading(NOT_AVRO)
    for form, magic in MAGIC.items():
        if value.startswith(magic):
            whole = len(magic) + WIDTH[form]
            if len(value) < whole:
                return Reading(TRUNCATED)
            return Reading(None, Frame(form, value[len(magic) : whole]), whole)
    return Reading(NOT_AVRO)


TARGET: Final = Target(
    "framing",
    f"framing in values and headers, {MESSAGES} messages a case, and what is decoded behind it",
    prepare,
    cpu_s=10,
    mebibytes=64,
    long=100_000,
    short=400,
)
