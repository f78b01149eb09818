"""Files of events for `stream process` and `stream produce`: CSV, JSON lines, Avro containers, Parquet."""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.mutations import TEXTS, as_json, changed, damaged, scribbled, tree_of
from fuzz.target import INPUTS, MARK, Judge, Target, check_silent, check_told, demand

from stream.avro import parse_schema
from stream.avro.codec import Rejected
from stream.avro.files import read_values
from stream.errors import ConfigurationError

FIELDS: Final[list[dict[str, Any]]] = [
    {"name": "id", "type": "long"},
    {"name": "text", "type": ["null", "string"], "default": None},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 0},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "default": "A"},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    {"name": "x", "type": ["int", "string", "null"], "default": 1},
    {"name": "inner", "default": {},
     "type": {"type": "record", "name": "Inner", "fields": [{"name": "y", "type": "float", "default": 0.5}]}},
]  # fmt: skip
SCHEMA: Final[dict[str, Any]] = {"type": "record", "name": "Event", "fields": FIELDS}
EVENT: Final[dict[str, Any]] = {
    "id": 1, "text": MARK, "price": "12.50", "at": "2026-01-31T06:00:00Z", "day": "2026-01-31", "kind": "B",
    "tags": [MARK], "x": {"string": MARK}, "inner": {"y": 1.5},
}  # fmt: skip
WORDS: Final = (
    *EVENT,
    "y",
    MARK,
    "int",
    "string",
    "A",
    "12.505",
    "2026-13-01",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59Z",
)
PIECES: Final = (
    '"',
    ",",
    "\n",
    "\r",
    "\0",
    '""',
    "\ufeff",
    ";",
    "\t",
    MARK,
    "null",
    "{}",
    "1e999",
    "é",
    "\\",
    "\n\n",
    '"\n"',
)
MAX_BYTES: Final = 500_000
"""Of a file of JSON: objects in memory take a hundred times their text."""
CSV: Final = "id,text,price,at,day,kind,x\n" + f"1,{MARK},12.50,2026-01-31T06:00:00Z,2026-01-31,A,1\n" * 3


def prepare() -> Judge:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-files-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    schema = parse_schema(json.dumps(SCHEMA))
    containers, parquet = [_container(codec) for codec in ("null", "deflate")], _parquet()

    def judge(random: Random, counts: Counter[str]) -> None:
        suffix, content = _file(random, containers, parquet)
        path = folder / f"events{suffix}"
        path.write_bytes(content)
        counts[INPUTS] += 1
        rows = 0
        try:
            for events in read_values(path, schema, codec=random.choice(("auto", "reference"))):
                check_silent(event.detail for event in events if isinstance(event, Rejected))
                for number, event in enumerate(events, rows):
                    demand(not isinstance(event, Rejected) or event.row == number, "a rejected row has its number")
                rows += len(events)
                counts["events"] += sum(isinstance(event, bytes) for event in events)
                counts["rejected events"] += sum(isinstance(event, Rejected) for event in events)
        except ConfigurationError as error:
            counts[f"{suffix} refused"] += 1
            check_told(error, str(path))
        else:
            counts[f"{suffix} read"] += 1

    return judge


def _container(codec: str) -> bytes:
    out = io.BytesIO()
    one: dict[str, Any] = {
        "id": 1,
        "text": MARK,
        "price": b"\x04",
        "at": 5,
        "day": 1,
        "kind": "A",
        "tags": [MARK],
        "x": 1,
    }
    plain = fastavro.parse_schema(json.loads(json.dumps(_without_logical(SCHEMA))))
    fastavro.writer(out, plain, [one | {"inner": {"y": 0.5}}] * 4, codec=codec, sync_interval=40)
    return out.getvalue()


def _without_logical(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_logical(v) for k, v in schema.items() if k not in ("logicalType", "precision", "scale")}
    return [_without_logical(item) for item in schema] if isinstance(schema, list) else schema


def _parquet() -> bytes:
    table = pa.table(
        {"id": [1, 2], "text": [MARK, None], "at": pa.array([1, 2], pa.timestamp("ms", "UTC")), "kind": ["A", "B"],
         "price": pa.array([None, None], pa.decimal128(6, 2)), "tags": [[MARK], []], "inner": [{"y": 1.0}, {"y": None}]}
    )  # fmt: skip
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _file(random: Random, containers: list[bytes], parquet: bytes) -> tuple[str, bytes]:
    kind = random.choice((".jsonl", ".jsonl", ".csv", ".csv", ".avro", ".avro", ".parquet", ".json"))
    if kind == ".avro":
        return kind, _damaged(random, random.choice(containers), random.choice(containers))
    if kind == ".parquet":
        return kind, _damaged(random, parquet, parquet)
    if kind == ".csv":
        text = CSV
        for _ in range(random.choice((0, 1, 2, 4))):
            text = scribbled(random, text, (*PIECES, *TEXTS), (CSV,))
        return kind, text.encode("utf-8", "surrogatepass")
    lines = []
    for _ in range(random.choice((1, 3))):
        tree = changed(random, tree_of(EVENT), WORDS, random.choice((0, 1, 1, 3)))
        lines.append(as_json(tree, ascii_only=random.random() < 0.7))
    text = "\n".join(lines)
    if random.random() < 0.2:
        text = scribbled(random, text, PIECES, lines)
    data = text.encode("utf-8", "surrogatepass" if random.random() < 0.05 else "replace")
    return kind, (damaged(random, data, b"\xff") if random.random() < 0.1 else data)[:MAX_BYTES]


def _damaged(random: Random, data: bytes, other: bytes) -> bytes:
    for _ in range(random.choice((0, 1, 1, 2, 5))):
        data = damaged(random, data, other)
    return data


TARGET: Final = Target(
    "files",
    "files of events: CSV, JSON lines, Avro containers, Parquet",
    prepare,
    cpu_s=10,
    mebibytes=128,
    long=100_000,
    short=200,
)
