"""Avro schemas as JSON: the project's own and random ones with accidents; what is taken can be compiled and used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from fuzz.mutations import as_json, changed, damaged, scribbled, tree_of
from fuzz.target import INPUTS, Judge, Target, check_told, demand
from unit.avro_native.schemas import Generator

from stream.avro import Limits, choose_decoder, choose_encoder, parse_schema
from stream.avro.schema import Schema
from stream.avro.types import render
from stream.errors import ConfigurationError, PoisonError

ROOT: Final = Path(__file__).resolve().parents[3]
NAME: Final = "event.avsc"
WORDS: Final = (
    *(
        "type",
        "name",
        "namespace",
        "fields",
        "items",
        "values",
        "symbols",
        "size",
        "default",
        "aliases",
        "doc",
        "order",
    ),
    *(
        "logicalType",
        "precision",
        "scale",
        "record",
        "error",
        "enum",
        "fixed",
        "array",
        "map",
        "null",
        "boolean",
        "int",
    ),
    *(
        "long",
        "float",
        "double",
        "bytes",
        "string",
        "decimal",
        "uuid",
        "date",
        "time-millis",
        "time-micros",
        "duration",
    ),
    *(
        "timestamp-millis",
        "timestamp-micros",
        "timestamp-nanos",
        "local-timestamp-millis",
        "Event",
        "a.b.Event",
        "ascending",
    ),
)
PIECES: Final = (
    *('"', "{", "}", "[", "]", ",", ":", "\\", '"type": "int"', '["null", "int"]', "null", "\\ud800", "\\u0000", "NaN"),
    *(
        "-Infinity",
        "1e999",
        "1" * 5000,
        "\0",
        "\ufeff",
        "é",
        "\t",
        "//",
        "'",
        "true",
        '"default": 1,',
        "0",
        "-1",
        "1.5",
    ),
)


def prepare() -> Judge:
    texts = [path.read_text() for path in sorted((ROOT / "schemas").glob("*.avsc"))]
    import json

    trees = [tree_of(json.loads(text)) for text in texts]

    def judge(random: Random, counts: Counter[str]) -> None:
        text = _text(random, texts, trees)
        counts[INPUTS] += 1
        try:
            schema = parse_schema(text, NAME)
        except ConfigurationError as error:
            counts["refused"] += 1
            check_told(error, NAME)
            return
        counts["taken"] += 1
        _use(random, schema)

    return judge


def _use(random: Random, schema: Schema) -> None:
    """What is taken as a schema can be written, read again, and compiled for both codecs."""
    again = parse_schema(as_json(tree_of(render(schema.root))), NAME)
    demand(again == schema, "a schema that is written as it was understood is the same")
    demand(again.fingerprint == schema.fingerprint, "so is its fingerprint")
    for codec in ("auto", "reference"):
        try:
            decoder = choose_decoder(schema, schema, Limits(), codec).decoder
        except PoisonError:
            demand(False, "a schema resolves to itself")
        decoded = decoder.decode(b"\0" * 64, np.array([0], np.int64), np.array([64], np.int64))
        decoded.columns.validate(full=True)
        encoded = choose_encoder(schema, codec).encoder.encode(decoded.columns, b"")
        demand(len(encoded.rows) + len(encoded.rejected) == len(decoded.rows), "each row is encoded or refused")
    if random.random() < 0.2:
        schema.pruned(random.sample(schema.arrow.names, len(schema.arrow.names) // 2))


def _text(random: Random, texts: Sequence[str], trees: Sequence[Any]) -> str:
    roll = random.random()
    if roll < 0.05:
        return _bomb(random)
    if roll < 0.15:
        data = damaged(random, random.choice(texts).encode(), random.choice(texts).encode())
        return data.decode("utf-8", "surrogateescape")
    if roll < 0.3:
        return scribbled(random, random.choice(texts), PIECES, texts)
    tree = tree_of(render(Generator(random).record())) if roll < 0.7 else random.choice(trees)
    text = as_json(changed(random, tree, WORDS, random.choice((0, 1, 1, 2, 4))), ascii_only=random.random() < 0.5)
    return scribbled(random, text, PIECES, texts) if random.random() < 0.1 else text


def _bomb(random: Random) -> str:
    """Few characters for many types, deep ones, wide ones, long names."""
    n = random.choice((5, 20, 70, 199, 201, 3000, 100_000))
    nested = '{"type": "record", "name": "R0", "fields": [{"name": "a", "type": "int"}]}'
    for i in range(1, min(n, 60)):
        both = f'{{"name": "a", "type": {nested}}}, {{"name": "b", "type": "R{i - 1}"}}'
        nested = f'{{"type": "record", "name": "R{i}", "fields": [{both}]}}'
    symbols, ones = ", ".join(f'"S{i}"' for i in range(n)), ", ".join("1" for _ in range(n))
    return random.choice(
        (
            nested,
            _event("[" * n + '"int"' + "]" * n),
            '{"type": "array", "items": ' * n + '"int"' + "}" * n,
            _record(", ".join(f'{{"name": "f{i}", "type": "int"}}' for i in range(n))),
            '{"type": "record", "name": "' + "E" * n + '", "fields": []}',
            _event(f'{{"type": "enum", "name": "S", "symbols": [{symbols}]}}'),
            _event(f'{{"type": "fixed", "name": "F", "size": {10 ** random.choice((1, 5, 9, 18, 30))}}}'),
            _event(f'{{"type": "array", "items": "int"}}, "default": [{ones}]'),
            _event('["null", "E"]'),
            "[" * n,
            '"' + "\\" * n,
        )
    )


def _record(fields: str) -> str:
    return f'{{"type": "record", "name": "E", "fields": [{fields}]}}'


def _event(of: str) -> str:
    return _record(f'{{"name": "a", "type": {of}}}')


TARGET: Final = Target(
    "schema",
    "Avro schemas; what is taken is compiled for both codecs",
    prepare,
    cpu_s=10,
    mebibytes=128,
    long=100_000,
    short=250,
)
