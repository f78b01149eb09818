"""Events of a file as Avro data: what `stream produce` sends and `stream process` reads.

.avro                      object container file, of any writer schema that resolves
.jsonl .ndjson .json       one JSON object a line
.csv                       a header line with the names of fields
.parquet                   columns with the names of fields
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import pyarrow as pa

from stream.avro.arrow import arrow_type
from stream.avro.codec import NOT_AVRO, Encoded, Limits, Rejected
from stream.avro.decoding import Compiler, skip
from stream.avro.filling import fill_from
from stream.avro.plain import cell, record
from stream.avro.reference import record_batch
from stream.avro.schema import Schema, parse_schema
from stream.avro.selection import choose_decoder, choose_encoder
from stream.avro.types import Field
from stream.avro.wire import Cursor
from stream.batch import pack
from stream.errors import ConfigurationError, PoisonError

CHUNK: Final = 10_000
"""Events of a list."""
Events = list[bytes | Rejected]
Row = list[Any] | Rejected


def read_values(path: Path, schema: Schema, chunk: int = CHUNK, *, codec: str = "auto") -> Iterator[Events]:
    """The events of a file in its order, each as data of the schema without framing, in lists of chunk.

    A row that is no event of the schema is a Rejected with its number, from 0, and what was wrong.
    Raises ConfigurationError for a file that cannot be read, whose kind is not known, or whose columns
    the schema cannot be filled from.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise ConfigurationError([f"{path}: the name must end in one of {', '.join(_READERS)}"])
    try:
        yield from read(path, schema, chunk, codec)
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path}: not UTF-8 text"]) from error


def _json_lines(path: Path, schema: Schema, chunk: int, codec: str) -> Iterator[Events]:
    to_fields = record(schema.root)

    def convert(line: str) -> list[Any]:
        return to_fields(_parsed(line))

    with path.open(encoding="utf-8-sig") as text:
        numbered = ((i, line) for i, line in enumerate(text, 1) if not line.isspace())
        rows = (_row(n, f"line {i}", partial(convert, line)) for n, (i, line) in enumerate(numbered))
        yield from _encode_rows(rows, schema, chunk, codec)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise PoisonError(NOT_AVRO, "not JSON") from None


def _row(number: int, place: str, convert: Callable[[], list[Any]]) -> Row:
    try:
        return convert()
    except PoisonError as error:
        return Rejected(number, error.reason, f"{place}: {error.detail}")


def _csv(path: Path, schema: Schema, chunk: int, codec: str) -> Iterator[Events]:
    with path.open(encoding="utf-8-sig", newline="") as text:
        lines = csv.reader(text)
        names = next(lines, [])
        # Which columns there are is checked as for Parquet; the cells' types are then those of the fields.
        matching = [(f.name, arrow_type(f.type)) for f in schema.root.fields if f.name in names]
        others = [(n, pa.string()) for n in names if n not in dict(matching)]
        fill_from(pa.schema([*matching, *others]), schema, what=f"{path}: field", meta=False)
        yield from _encode_rows(_lines(lines, names, schema), schema, chunk, codec)


def _lines(lines: Any, names: Sequence[str], schema: Schema) -> Iterator[Row]:
    fields = [_cell_of(field, names) for field in schema.root.fields]

    def convert(cells: list[str]) -> list[Any]:
        if len(cells) != len(names):
            raise PoisonError(NOT_AVRO, f"{len(cells)} cells where the header has {len(names)}")
        return [field(cells) for field in fields]

    for number in count():
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejected(number, NOT_AVRO, f"line {lines.line_num}: not CSV: {error}")
            continue
        yield _row(number, f"line {lines.line_num}", partial(convert, cells))


def _cell_of(field: Field, names: Sequence[str]) -> Callable[[list[str]], Any]:
    if field.name not in names:
        default = Compiler(Limits().max_depth).default(field.type, field.default)
        return lambda _: default
    index, read, name = names.index(field.name), cell(field.type), field.name

    def convert(cells: list[str]) -> Any:
        try:
            return read(cells[index])
        except PoisonError as error:
            raise PoisonError(error.reason, f"field {name}: {error.detail}") from None

    return convert


def _encode_rows(rows: Iterator[Row], schema: Schema, chunk: int, codec: str) -> Iterator[Events]:
    encoder = choose_encoder(schema, codec).encoder
    first = 0
    while part := list(islice(rows, chunk)):
        places = [i for i, row in enumerate(part) if not isinstance(row, Rejected)]
        encoded = encoder.encode(record_batch([part[i] for i in places], schema.arrow), b"")
        yield _put_back([r if isinstance(r, Rejected) else None for r in part], places, encoded, first)
        first += len(part)


def _put_back(verdicts: Sequence[Rejected | None], places: Sequence[int], encoded: Encoded, first: int) -> Events:
    """The data and verdicts of a chunk in order; row i of encoded stands at places[i], the chunk's row 0 is first."""
    events: list[bytes | Rejected | None] = list(verdicts)
    bounds = encoded.offsets.tolist()
    for i, row in enumerate(encoded.rows.tolist()):
        events[places[row]] = bytes(encoded.values[bounds[i] : bounds[i + 1]])
    for rejected in encoded.rejected:
        events[places[rejected.row]] = rejected._replace(row=first + places[rejected.row])
    assert None not in events, "a codec answers for every row"
    return [event for event in events if event is not None]


def _parquet(path: Path, schema: Schema, chunk: int, codec: str) -> Iterator[Events]:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            filling = fill_from(file.schema_arrow, schema, what=f"{path}: field", meta=False, loose=True)
            encoder, first = choose_encoder(schema, codec).encoder, 0
            for batch in file.iter_batches(chunk, columns=filling.names):
                columns = {name: batch.column(name) for name in filling.names}
                encoded = filling.encode(columns, batch.num_rows, encoder, b"")
                yield _put_back([None] * batch.num_rows, range(batch.num_rows), encoded, first)
                first += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigurationError([f"{path}: cannot be read as Parquet: {error}"]) from error


def _container(path: Path, schema: Schema, chunk: int, codec: str) -> Iterator[Events]:
    from fastavro import block_reader
    from fastavro.schema import SchemaParseException, UnknownType

    with path.open("rb") as file:
        try:
            blocks = block_reader(cast("IO[bytes]", _Bounded(file, path.stat().st_size)))
            writer = parse_schema(blocks.metadata["avro.schema"], f"{path}: its schema")
            decoder = choose_decoder(writer, schema, Limits(), codec).decoder
            encoder = choose_encoder(schema, codec).encoder
            data, first = _data(blocks, writer), 0
            while part := list(islice(data, chunk)):
                values, offsets = pack(part)
                decoded = decoder.decode(values, offsets[:-1], offsets[1:])
                verdicts: list[Rejected | None] = [None] * len(part)
                for rejected in decoded.rejected:
                    verdicts[rejected.row] = rejected._replace(row=first + rejected.row)
                yield _put_back(verdicts, decoded.rows.tolist(), encoder.encode(decoded.columns, b""), first)
                first += len(part)
        except PoisonError as error:
            raise ConfigurationError([f"{path}: cannot be read as {schema.name}: {error.detail}"]) from error
        except (ValueError, EOFError, KeyError, IndexError, OverflowError, TypeError, zlib.error) as error:
            raise ConfigurationError([f"{path}: not a whole Avro file: {error}"]) from error
        except (SchemaParseException, UnknownType) as error:
            raise ConfigurationError([f"{path}: not a whole Avro file: {error}"]) from error


@dataclass(frozen=True, slots=True)
class _Bounded:
    """A file of which nobody asks for more than it holds: a length in it can be any, and memory is taken for it."""

    file: BinaryIO
    size: int

    def read(self, count: int = -1) -> bytes:
        left = self.size - self.file.tell()
        return self.file.read(left if count < 0 else min(count, left))

    def tell(self) -> int:
        return self.file.tell()


def _data(blocks: Iterable[Any], writer: Schema) -> Iterator[bytes]:
    """Each datum of a container file, which has no mark of where one ends: it takes a walk over all of it."""
    limits = Limits()
    walk = skip(writer.root, 1, limits.max_depth)
    for block in blocks:
        data = block.bytes_.getvalue()
        pos = 0
        for _ in range(block.num_records):
            cursor = Cursor(data, limits)
            cursor.pos = pos
            walk(cursor)
            yield data[pos : cursor.pos]
            pos = cursor.pos


_READERS: Final = {
    ".avro": _container,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
