import pyarrow as pa

from stream.avro.codec import Decoded, Limits
from stream.avro.program import Program
from stream.batch import Int64s

class Decoder:
    schema: pa.Schema
    def __init__(self, program: Program, schema: pa.Schema, limits: Limits) -> None: ...
    def decode(self, values: bytes | memoryview, starts: Int64s, ends: Int64s) -> Decoded: ...
