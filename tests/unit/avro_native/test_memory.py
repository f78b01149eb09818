"""Memory goes to Arrow and comes back: nothing leaks, nothing that is in use changes."""

from __future__ import annotations

import gc
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from unit.avro_native.conftest import record
from unit.avro_native.data import varint

from stream.avro import Decoder, Limits

SCHEMA = record("long", ["null", "string"], {"type": "array", "items": ["null", "double"]}, ["null", "boolean"])
PAGE = 4096


def messages(n: int, first: int = 0) -> list[bytes]:
    return [
        varint(i)
        + (b"\0" if i % 7 == 0 else b"\2" + varint(i % 50) + b"x" * (i % 50))
        + b"\4\0\2"
        + struct.pack("<d", i)
        + b"\0"
        + (b"\0" if i % 2 else b"\2\1")
        for i in range(first, first + n)
    ]


def decode(decoder: Decoder, data: list[bytes]) -> pa.RecordBatch:
    ends = np.cumsum([len(d) for d in data], dtype=np.int64)
    return decoder.decode(b"".join(data), ends - [len(d) for d in data], ends).columns


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def test_a_thousand_calls_leave_memory_as_it_was(native: Any) -> None:
    decoder, encoder = native.compile_decoder(SCHEMA, SCHEMA, Limits()), native.compile_encoder(SCHEMA)
    data = [*messages(2000), b"\xff" * 12]

    def work() -> None:
        assert encoder.encode(decode(decoder, data), b"prefix").rows[-1] == 1999

    for _ in range(50):
        work()
    before = resident()
    for _ in range(1000):
        work()
    assert resident() - before < 4 << 20


def test_a_thousand_decoders_leave_memory_as_it_was(native: Any) -> None:
    data = messages(500)

    def work() -> None:
        native.compile_encoder(SCHEMA).encode(decode(native.compile_decoder(SCHEMA, SCHEMA, Limits()), data), b"")

    for _ in range(50):
        work()
    before = resident()
    for _ in range(1000):
        work()
    assert resident() - before < 4 << 20


def test_a_batch_in_use_does_not_change_under_later_calls(native: Any) -> None:
    decoder = native.compile_decoder(SCHEMA, SCHEMA, Limits())
    kept = [decode(decoder, messages(100, first=100 * i)) for i in range(6)]
    for i, batch in enumerate(kept):
        assert batch.column(0).to_pylist() == list(range(100 * i, 100 * i + 100))
        assert batch.column(1).to_pylist() == [
            None if j % 7 == 0 else "x" * (j % 50) for j in range(100 * i, 100 * i + 100)
        ]


def test_one_column_outlives_its_batch_and_its_decoder(native: Any) -> None:
    decoder = native.compile_decoder(SCHEMA, SCHEMA, Limits())
    column = decode(decoder, messages(100)).column(2)
    del decoder
    gc.collect()
    assert column.to_pylist() == [[None, float(i)] for i in range(100)]


def test_values_outlive_their_encoder_and_do_not_change(native: Any) -> None:
    batch = decode(native.compile_decoder(SCHEMA, SCHEMA, Limits()), messages(100))
    encoder = native.compile_encoder(SCHEMA)
    first = encoder.encode(batch, b"1")
    copy = bytes(first.values)
    others = [encoder.encode(batch, b"2") for _ in range(5)]
    del encoder
    assert bytes(first.values) == copy
    assert all(bytes(o.values) != copy for o in others)
    assert first.values.readonly


def test_a_batch_without_nulls_after_one_with_nulls(native: Any) -> None:
    """Memory that held nulls before holds none of them now, and the reverse."""
    schema = record(["null", "int"])
    decoder = native.compile_decoder(schema, schema, Limits())
    for data in ([b"\0"] * 100, [b"\2\2"] * 200, [b"\0", b"\2\2"] * 300, [b"\2\2"] * 5, [b"\2\2", b"\0"] * 700):
        batch = decode(decoder, data)
        assert batch.column(0).to_pylist() == [None if d == b"\0" else 1 for d in data]
        assert batch.column(0).null_count == data.count(b"\0")


def test_any_buffer_is_read(native: Any) -> None:
    schema = record("string")
    decoder = native.compile_decoder(schema, schema, Limits())
    place = np.array([1]), np.array([3])
    for values in (b"_\2x_", bytearray(b"_\2x_"), memoryview(b"_\2x_"), np.frombuffer(b"_\2x_", np.uint8)):
        assert decoder.decode(values, *place).columns.column(0).to_pylist() == ["x"]
    assert decoder.decode(b"", np.zeros(0, np.int64), np.zeros(0, np.int64)).rows.tolist() == []


def test_threads_share_a_decoder_and_an_encoder(native: Any) -> None:
    decoder, encoder = native.compile_decoder(SCHEMA, SCHEMA, Limits()), native.compile_encoder(SCHEMA)
    wrong: list[int] = []

    def work(first: int) -> None:
        data = messages(300, first)
        for _ in range(50):
            batch = decode(decoder, data)
            if batch.column(0).to_pylist() != list(range(first, first + 300)):
                wrong.append(first)
            if bytes(encoder.encode(batch, b"").values)[: len(data[0])] != data[0]:
                wrong.append(-first)

    threads = [threading.Thread(target=work, args=(1000 * i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
