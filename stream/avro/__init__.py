"""Avro: bytes to columns and back, and where schemas come from."""

from stream.avro.codec import Decoded, Decoder, Encoded, Encoder, Limits, Rejected
from stream.avro.schema import Schema, load_schema, parse_schema

__all__ = [
    "Decoded",
    "Decoder",
    "Encoded",
    "Encoder",
    "Limits",
    "Rejected",
    "Schema",
    "load_schema",
    "parse_schema",
]
