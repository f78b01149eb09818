"""Native decoders and encoders of schemas given as the JSON of their fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stream.avro import Decoded, Decoder, Encoded, Encoder, Limits, Schema, parse_schema

Json = Any


def record(*types: Json) -> Schema:
    """A record of the fields a, b, c ... of these types; a dict with a name is a field as it stands."""
    fields = [
        t
        if isinstance(t, dict) and "name" in t and "type" in t and t["type"] not in ("record", "enum", "fixed")
        else {"name": "abcdefghij"[i], "type": t}
        for i, t in enumerate(types)
    ]
    return parse_schema(json.dumps({"type": "record", "name": "Event", "fields": fields}))


@pytest.fixture
def native() -> Any:
    """The native codec's module."""
    return pytest.importorskip("stream.avro.native", exc_type=ImportError)


@pytest.fixture
def decode(native: Any) -> Callable[..., Decoded]:
    """decode(schema, *messages, reader=schema, limits=Limits())"""

    def run(schema: Schema, *messages: bytes, reader: Schema | None = None, limits: Limits | None = None) -> Decoded:
        decoder: Decoder = native.compile_decoder(schema, reader or schema, limits or Limits())
        ends = np.cumsum([len(m) for m in messages], dtype=np.int64)
        starts = ends - [len(m) for m in messages] if messages else ends
        decoded = decoder.decode(b"".join(messages), starts, ends)
        decoded.columns.validate(full=True)
        return decoded

    return run


@pytest.fixture
def verdict(decode: Callable[..., Decoded]) -> Callable[..., tuple[str, str]]:
    """verdict(schema, message, ...) -> reason and detail of the one message that is rejected."""

    def run(schema: Schema, message: bytes, **options: Any) -> tuple[str, str]:
        decoded = decode(schema, message, **options)
        assert decoded.columns.num_rows == len(decoded.rows) == 0
        (rejected,) = decoded.rejected
        return rejected.reason, rejected.detail

    return run


@pytest.fixture
def encode(native: Any) -> Callable[..., Encoded]:
    """encode(schema, *columns, prefix=b"")"""

    def run(schema: Schema, *columns: pa.Array, prefix: bytes = b"") -> Encoded:
        encoder: Encoder = native.compile_encoder(schema)
        return encoder.encode(pa.RecordBatch.from_arrays(list(columns), names=schema.arrow.names), prefix)

    return run
