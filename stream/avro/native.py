"""The native codec: Cython passes over whole batches, for the schemas that have native columns.

Importing this module fails with ImportError where the extension modules were not built (no C compiler at
installation) or the machine is big-endian.
"""

from __future__ import annotations

import sys

from stream.avro.codec import Decoder, Encoder, Limits
from stream.avro.decode_program import compile_plan
from stream.avro.encode_program import compile_schema
from stream.avro.native_decode import Decoder as NativeDecoder
from stream.avro.native_encode import Encoder as NativeEncoder
from stream.avro.program import Unsupported
from stream.avro.resolution import Fields, resolve
from stream.avro.schema import Schema

__all__ = ["Unsupported", "compile_decoder", "compile_encoder"]

if sys.byteorder != "little":
    raise ImportError("the native codec is for little-endian machines")


def compile_decoder(writer: Schema, reader: Schema, limits: Limits) -> Decoder:
    """Raises PoisonError("unresolvable") as `resolution.resolve`, Unsupported for a reader it has no columns for."""
    plan = resolve(writer.root, reader.root)
    assert isinstance(plan, Fields), "the schema of an event is a record"
    return NativeDecoder(compile_plan(plan, limits.max_depth), reader.arrow, limits)


def compile_encoder(schema: Schema) -> Encoder:
    """Raises Unsupported for a schema that has no native columns."""
    return NativeEncoder(compile_schema(schema.root), schema.arrow)
