"""What the native codec needs for a record: decoding an event of 12 fields, encoding a result of 6, on one core.

python -m bench.codec
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from bench.committed import RESULTS, Facts, facts, measured_on, spread_text, table, write
from bench.pinning import SYSTEM_CORE, cores, pinned
from stream.avro import Limits, Schema, choose_decoder, choose_encoder, parse_schema
from stream.avro.selection import NATIVE

ROWS: Final = 10_000
"""Of a call: one batch."""
CALLS: Final = 50
REFERENCE_CALLS: Final = 2
ROUNDS: Final = 7
SEED: Final = 12
PREFIX: Final = b"\x00\x00\x00\x00\x01"
STATES: Final = ("NEW", "OPEN", "HELD", "DONE")

EVENT: Final = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "customer", "type": "string"},
        {"name": "country", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": list(STATES)}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "discount", "type": ["null", "double"]},
        {"name": "weight", "type": ["null", "double"]},
        {"name": "express", "type": "boolean"},
        {"name": "items", "type": "int"},
        {"name": "features", "type": {"type": "array", "items": "double"}},
    ],
}
RESULT: Final = {
    "type": "record",
    "name": "Result",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "customer", "type": "string"},
        {"name": "score", "type": "double"},
        {"name": "held", "type": "boolean"},
        {"name": "model", "type": "string"},
    ],
}


def main() -> int:
    parser = argparse.ArgumentParser("codec", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each measurement (default {ROUNDS})")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    with pinned(cores(SYSTEM_CORE)):
        found = {**facts(rounds=given.rounds), "results": _results(given.rounds)}
    write(given.output, "codec", found, codec_table(found))
    return 0 if all(r["native"] for r in found["results"]) else 1


def codec_table(found: Facts) -> str:
    """Markdown."""
    head = ("pass", "fields", "bytes", "native, ns a record", "fastavro, ns a record")
    rows = [
        (r["pass"], r["fields"], r["bytes"], spread_text(r["native_ns"], 0), f"{min(r['fastavro_ns']):,.0f}")
        for r in found["results"]
    ]
    notes = [
        f"CPU time of one thread on one core, batches of {ROWS:,}: min / median / max of {found['rounds']} rounds;",
        f"fastavro the least of {found['rounds']}. New buffers are made for every batch, as in a pipeline.",
        measured_on(found),
    ]
    return table("The codec", head, rows, notes)


def _results(rounds: int) -> list[dict[str, Any]]:
    import fastavro

    event, result = parse_schema(json.dumps(EVENT)), parse_schema(json.dumps(RESULT))
    records = _records(ROWS)
    parsed = fastavro.parse_schema(EVENT), fastavro.parse_schema(RESULT)
    data = [_datum(parsed[0], record) for record in records]
    decoder, encoder = choose_decoder(event, event, Limits()), choose_encoder(result)
    ends = np.cumsum([len(datum) for datum in data], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    values = b"".join(data)
    decoded = decoder.decoder.decode(values, starts, ends).columns
    results = _result_columns(decoded, result)
    rows = results.to_pylist()
    written = encoder.encoder.encode(results, PREFIX)
    assert bytes(written.values[: written.offsets[1]]) == PREFIX + _datum(parsed[1], rows[0]), "not the same bytes"
    assert decoded.to_pylist()[0] == fastavro.schemaless_reader(BytesIO(data[0]), parsed[0], None), "not the same event"
    return [
        {
            "pass": "decode",
            "fields": len(EVENT["fields"]),
            "bytes": round(len(values) / ROWS),
            "native": decoder.name == NATIVE,
            "native_ns": _ns(lambda: decoder.decoder.decode(values, starts, ends), CALLS, rounds),
            "fastavro_ns": _ns(lambda: _read_all(data, parsed[0]), REFERENCE_CALLS, rounds),
        },
        {
            "pass": "encode",
            "fields": len(RESULT["fields"]),
            "bytes": round(len(written.values) / ROWS),
            "native": encoder.name == NATIVE,
            "native_ns": _ns(lambda: encoder.encoder.encode(results, PREFIX), CALLS, rounds),
            "fastavro_ns": _ns(lambda: [_datum(parsed[1], row) for row in rows], REFERENCE_CALLS, rounds),
        },
    ]


def _records(number: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(SEED)
    amounts = rng.normal(100, 20, (number, 7)).tolist()
    return [
        {
            "id": 1_000_000 + i,
            "at": 1_700_000_000_000 + i,
            "customer": f"customer of region 7-{i % 9973:05d}",
            "country": ("Deutschland", "France", "United Kingdom", "United States")[i % 4],
            "amount": amounts[i][0],
            "state": STATES[i % 4],
            "note": None if i % 3 else "leave it at the back door",
            "discount": None if i % 2 else amounts[i][1],
            "weight": amounts[i][2] if i % 5 else None,
            "express": i % 7 == 0,
            "items": i % 12,
            "features": amounts[i][3:],
        }
        for i in range(number)
    ]


def _result_columns(events: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    taken = {"id": "id", "at": "at", "customer": "customer", "score": "amount", "held": "express", "model": "country"}
    columns = [events.column(taken[field.name]).cast(field.type) for field in schema.arrow]
    return pa.RecordBatch.from_arrays(columns, schema=schema.arrow)


def _datum(schema: Any, record: dict[str, Any]) -> bytes:
    import fastavro

    out = BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def _read_all(data: Sequence[bytes], schema: Any) -> None:
    import fastavro

    for datum in data:
        fastavro.schemaless_reader(BytesIO(datum), schema, None)


def _ns(call: Callable[[], object], calls: int, rounds: int) -> list[float]:
    """CPU nanoseconds of this thread for a record, once a round."""
    call()
    found = []
    for _ in range(rounds):
        started = time.thread_time_ns()
        for _ in range(calls):
            call()
        found.append(round((time.thread_time_ns() - started) / calls / ROWS, 1))
    return found


if __name__ == "__main__":
    sys.exit(main())
