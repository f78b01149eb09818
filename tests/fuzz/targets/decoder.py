"""Avro data for both codecs and fastavro: the same value, or a refusal for the same reason."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import fastavro
import numpy as np
from fuzz.mutations import varint
from fuzz.target import INPUTS, Judge, Target, check_silent, demand
from fuzz.tokens import joined, mutated, tokens_of
from unit.avro_native.data import plain
from unit.avro_native.schemas import Evolution, Generator, schema_of

from stream.avro import Limits, Schema, codec, parse_schema, reference
from stream.avro.codec import Decoded
from stream.errors import PoisonError

VALID: Final = 24
"""Valid messages of a case, from which all others are made."""
MESSAGES: Final = 500
"""Of a case; each codec decodes all of them in one call."""
ALONE: Final = 40
"""Of them, decoded by the native codec once more, among other neighbours."""
REASONS: Final = frozenset(
    (
        *(codec.TRUNCATED, codec.TRAILING_BYTES, codec.OUT_OF_RANGE, codec.INVALID_UTF8),
        *(codec.TOO_DEEP, codec.TOO_MANY_ITEMS, codec.UNRESOLVABLE),
    )
)
BOMBS: Final = tuple(
    f'{{"type": "record", "name": "Bomb", "fields": [{{"name": "x", "type": {items}}}]}}'
    for items in (
        '{"type": "array", "items": "null"}',
        '{"type": "array", "items": {"type": "record", "name": "Empty", "fields": []}}',
        '{"type": "array", "items": {"type": "array", "items": {"type": "array", "items": "int"}}}',
        '{"type": "map", "values": {"type": "map", "values": "null"}}',
        '{"type": "array", "items": {"type": "fixed", "name": "Nothing", "size": 0}}',
        '{"type": "array", "items": ["null", "boolean"]}',
        '{"type": "array", "items": "double"}',
        '{"type": "bytes", "logicalType": "decimal", "precision": 38}',
        '{"type": "array", "items": "string"}',
    )
)
"""Schemas of few bytes that ask for many values."""


def prepare() -> Judge:
    from stream.avro import native

    def judge(random: Random, counts: Counter[str]) -> None:
        bomb = random.random() < 0.02
        writer, reader, plain_values = _bomb(random) if bomb else _schemas(random)
        limits = random.choice((Limits(), Limits(), Limits(random.randint(1, 6), max_items=9, max_empty_items=4)))
        decoders = _compiled(native, writer, reader, limits, counts)
        if decoders is None:
            return
        messages = _bombs(random) if bomb else _messages(random, writer)
        got, wanted = (_decode(decoder, messages) for decoder in decoders)
        _check(got, len(messages), counts)
        _same(got, wanted)
        check_silent(r.detail for r in wanted.rejected)
        counts["by the reference codec too"] += len(messages)
        few = sorted(random.sample(range(len(messages)), min(ALONE, len(messages))))
        _same_verdicts(got, _decode(decoders[0], [messages[i] for i in few]), few)
        if plain_values:
            _witness(writer, messages, got, counts)

    return judge


def _schemas(random: Random) -> tuple[Schema, Schema, bool]:
    """(writer, reader, whether fastavro's values are comparable: it has other ideas of unions and logical types)."""
    simple = random.random() < 0.4
    generator = Generator(random, general=not simple)
    record = generator.record()
    if simple:
        writer = schema_of(record, logical=False)
        return writer, writer, True
    if random.random() < 0.5:
        writer = schema_of(record)
        return writer, writer, False
    return schema_of(record), schema_of(Evolution(random, generator).record(record)), False


def _compiled(native: Any, writer: Schema, reader: Schema, limits: Limits, counts: Counter[str]) -> Any:
    """(native decoder, reference decoder), or None for schemas that do not resolve: then for both."""
    try:
        wanted = reference.compile_decoder(writer, reader, limits)
    except PoisonError:
        try:
            native.compile_decoder(writer, reader, limits)
        except PoisonError:
            counts["pairs of schemas that do not resolve"] += 1
            return None
        demand(False, "the native codec resolves schemas that the reference codec does not")
    try:
        return native.compile_decoder(writer, reader, limits), wanted
    except native.Unsupported:
        counts["schemas that the native codec does not take"] += 1
        return None


def _messages(random: Random, writer: Schema) -> list[bytes]:
    trees = [tokens_of(random, writer.root) for _ in range(VALID)]
    valid = [joined(tree) for tree in trees]
    made = [mutated(random, random.choice(trees), random.choice(valid)) for _ in range(MESSAGES - VALID)]
    made += valid
    random.shuffle(made)
    return made


def _bomb(random: Random) -> tuple[Schema, Schema, bool]:
    schema = parse_schema(random.choice(BOMBS))
    return schema, schema, False


def _bombs(random: Random) -> list[bytes]:
    """Counts and lengths at every limit, with as much behind them as a message may have, or nothing."""
    out = []
    for _ in range(20):
        count = random.choice((1, 999, 1000, 1001, 65_536, 10**6, 10**6 + 1, 2**31, 2**40, 2**62, -(2**63)))
        fill = random.choice((b"\0", b"\2", b"\1", b"\2\0", b"\xff", b"\x02a"))
        size = random.choice((0, 1, 10, 1000, 1000, 300_000))
        head = varint(count) if random.random() < 0.7 else varint(-abs(count) or -1) + varint(size)
        out.append(head + fill * size + random.choice((b"", b"\0", b"\0" * 3)))
    out += [varint(1000) + b"\0", (varint(1000) + varint(0)) * 3, varint(900) + varint(200) + b"\0"]
    return out


def _decode(decoder: Any, messages: Sequence[bytes]) -> Decoded:
    ends = np.cumsum([len(m) for m in messages], dtype=np.int64)
    decoded: Decoded = decoder.decode(b"".join(messages), ends - [len(m) for m in messages], ends)
    return decoded


def _check(got: Decoded, n: int, counts: Counter[str]) -> None:
    got.columns.validate(full=True)
    rejected = [r.row for r in got.rejected]
    demand(sorted([*got.rows.tolist(), *rejected]) == list(range(n)), "each message is accepted or rejected, once")
    demand(got.columns.num_rows == len(got.rows), "each accepted message has its row")
    demand(REASONS.issuperset(r.reason for r in got.rejected), "the reasons are those that are listed")
    check_silent(r.detail for r in got.rejected)
    counts[INPUTS] += n
    counts["accepted"] += len(got.rows)
    counts.update(r.reason for r in got.rejected)


def _same(got: Decoded, wanted: Decoded) -> None:
    got.columns.validate(full=True)
    verdicts = [(r.row, r.reason) for r in got.rejected], [(r.row, r.reason) for r in wanted.rejected]
    demand(verdicts[0] == verdicts[1], "both codecs refuse the same messages for the same reasons", _first(*verdicts))
    demand(got.rows.tolist() == wanted.rows.tolist(), "both codecs accept the same messages")
    demand(got.columns.schema.equals(wanted.columns.schema), "both codecs have the same columns")
    if not got.columns.equals(wanted.columns):
        for name, one, other in zip(got.columns.schema.names, got.columns, wanted.columns, strict=True):
            demand(repr(plain(one)) == repr(plain(other)), "both codecs give the same values", name)


def _first(got: Sequence[object], wanted: Sequence[object]) -> str:
    return str(next(((g, w) for g, w in zip(got, wanted, strict=False) if g != w), (len(got), len(wanted))))


def _same_verdicts(all_: Decoded, few: Decoded, places: Sequence[int]) -> None:
    """What a message is refused for does not depend on those around it."""
    reasons = {r.row: r.reason for r in all_.rejected}
    told = {places[r.row]: r.reason for r in few.rejected}
    demand(told == {p: reasons[p] for p in places if p in reasons}, "a verdict does not depend on the other messages")


def _witness(writer: Schema, messages: Sequence[bytes], ours: Decoded, counts: Counter[str]) -> None:
    """Whatever we accept, fastavro reads to the end and to the same value; it is laxer in what it refuses."""
    parsed = fastavro.parse_schema(writer.json)
    rows = ours.columns.to_pylist(maps_as_pydicts="lossy")
    for row, place in enumerate(ours.rows.tolist()):
        stream = io.BytesIO(messages[place])
        wanted = fastavro.schemaless_reader(stream, parsed, None)
        counts["by fastavro"] += 1
        demand(stream.tell() == len(messages[place]), "fastavro reads an accepted message to its end")
        demand(repr(rows[row]) == repr(wanted), "fastavro reads the same value")


TARGET: Final = Target(
    "decoder",
    f"Avro data, {MESSAGES} messages a case: both codecs, fastavro",
    prepare,
    cpu_s=20,
    mebibytes=64,
    long=25_000,
    short=40,
)
