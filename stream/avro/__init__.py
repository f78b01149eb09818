"""Avro: bytes to columns and back, and where schemas come from.

`codec.py` says what a codec is and does; `resolution.py` which schemas can be read as which.
"""

# Schemas
# Reading and writing events
from stream.avro.codec import Decoded, Decoder, Encoded, Encoder, Limits, Rejected
from stream.avro.directory import DirectorySchemas
from stream.avro.files import read_values
from stream.avro.reader import EventReader
from stream.avro.registry import RegistrySchemas
from stream.avro.resolution import resolvable
from stream.avro.schema import Schema, load_schema, parse_schema
from stream.avro.selection import choose_decoder, choose_encoder
from stream.avro.store import SchemaStore
from stream.avro.writer import EventWriter

__all__ = [
    "Decoded",
    "Decoder",
    "DirectorySchemas",
    "Encoded",
    "Encoder",
    "EventReader",
    "EventWriter",
    "Limits",
    "RegistrySchemas",
    "Rejected",
    "Schema",
    "SchemaStore",
    "choose_decoder",
    "choose_encoder",
    "load_schema",
    "parse_schema",
    "read_values",
    "resolvable",
]
