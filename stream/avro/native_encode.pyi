import pyarrow as pa

from stream.avro.codec import Encoded
from stream.avro.program import Program

class Encoder:
    schema: pa.Schema
    def __init__(self, program: Program, schema: pa.Schema) -> None: ...
    def encode(self, columns: pa.RecordBatch, prefix: bytes) -> Encoded: ...
