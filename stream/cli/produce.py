"""Write the rows of a file, or the demonstration's flights, to a topic as Avro events."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias

import typer

from stream.cli.environment import SCHEMAS, kafka_environment, schema_store
from stream.cli.show import Output, OutputOption, as_json, as_table, counted, note
from stream.errors import ExitCode

if TYPE_CHECKING:
    from stream.avro import Rejected, Schema
    from stream.cli.decoding import Keys
    from stream.kafka.producing import EventProducer

Rows: TypeAlias = "Sequence[bytes | Rejected | Framed]"
CHUNK: Final = 2_000
"""Rows read ahead of sending."""
SHOWN_ROWS: Final = 20
"""Refused rows that are told one by one."""
EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream produce flights --schema schemas/flight.avsc --input flights.csv
  stream produce flights --schema flight.avsc --input f.jsonl --limit 10
  stream produce flights --schema flight.avsc --input f.parquet --rate 500
  stream produce flights --schema schemas/flight.avsc --flights --rate 2000 --repeat

Kinds of files: .csv (with a header line), .jsonl, .parquet, .avro"""


def command(
    topic: Annotated[str, typer.Argument(help="The topic; it must exist.")],
    *,
    schema: Annotated[Path, typer.Option("--schema", help="Avro schema of the events.")],
    source: Annotated[
        Path | None, typer.Option("--input", help="CSV, JSON lines, Parquet or Avro file.", show_default=False)
    ] = None,
    flights: Annotated[
        bool,
        typer.Option(
            "--flights",
            help="Instead of a file: the 336,776 flights of the demonstration, every thousandth one damaged.",
        ),
    ] = False,
    repeat: Annotated[bool, typer.Option("--repeat", help="From the start again, until SIGTERM or Ctrl-C.")] = False,
    key: Annotated[
        str | None, typer.Option("--key", help="Field whose value is the key: events of one key stay in order.")
    ] = None,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Events per second at most; 0 for no limit.")] = 0.0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many rows.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write the rows of a file to a topic as Avro events.

    Idempotent, acks=all; only what Kafka acknowledged counts. Rows that do
    not fit the schema are told (rows count from 0), the others are written.
    Exit code 1 when any was refused. SIGTERM and Ctrl-C end it in good order:
    what was sent is waited for and told.
    """
    from stream.avro import load_schema
    from stream.cli.decoding import Keys
    from stream.kafka.connection import Connection
    from stream.kafka.producing import EventProducer

    if (source is None) is not flights:
        raise typer.BadParameter("give one of them: --input FILE, or --flights", param_hint="--input / --flights")
    if flights and key is not None:
        raise typer.BadParameter("the flights have a key of their own, their number", param_hint="--key")
    events_schema = load_schema(schema)
    keys = Keys(events_schema, key) if key is not None else None
    environment = kafka_environment()
    producer = EventProducer(Connection(environment.kafka_properties()), topic, time.monotonic, time.sleep, rate)
    prefix = schema_store(environment, SCHEMAS, [events_schema]).prefix(topic, events_schema)
    production = Production(producer, prefix, keys)
    one_pass = flights_of(events_schema, prefix) if flights else rows_of(source or Path(), events_schema)
    started = time.monotonic()
    with counted("written") as tell, until_stopped():
        for chunk in _limited(passes(one_pass, repeat), limit):
            production.send(chunk)
            tell(producer.acknowledged)
    producer.flush()
    _report(topic, production, time.monotonic() - started, output)
    if production.refused or producer.failed:
        raise typer.Exit(ExitCode.CHECK_FAILED)


@contextmanager
def until_stopped() -> Iterator[None]:
    """SIGTERM or Ctrl-C ends the block, and what is behind it goes on; a container's first process must see to it."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        note("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def rows_of(source: Path, schema: Schema) -> Callable[[], Iterator[Rows]]:
    """The rows of a file as values without framing, chunk by chunk; every call begins anew."""
    from stream.avro import read_values

    return lambda: read_values(source, schema, CHUNK)


def flights_of(schema: Schema, prefix: bytes) -> Callable[[], Iterator[Rows]]:
    """The flights as they are in the demonstration, the key being their number; some are damaged, framing and all."""
    from stream.demo import flights

    def one_pass() -> Iterator[Rows]:
        for chunk in flights.events(schema, prefix):
            for start in range(0, len(chunk), CHUNK):
                yield [Framed(key, value) for key, value in chunk[start : start + CHUNK]]

    return one_pass


def passes(one_pass: Callable[[], Iterator[Rows]], repeat: bool) -> Iterator[Rows]:
    """One pass over the rows, or one after the other without end; a pass that has no row ends it."""
    rows = True
    while rows:
        rows = False
        for chunk in one_pass():
            rows = repeat
            yield chunk


class Framed(NamedTuple):
    """An event as it is to be sent, framing included."""

    key: bytes
    value: bytes


@dataclass(slots=True)
class Production:
    """Sends chunks of rows; tells the refused ones, up to a number, as they come."""

    producer: EventProducer
    prefix: bytes
    keys: Keys | None
    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def send(self, chunk: Rows) -> None:
        """A chunk holds values and refused rows, or framed events."""
        values = [row for row in chunk if isinstance(row, bytes)]
        keys: Iterable[bytes | None] = self.keys.of(values) if self.keys is not None else [None] * len(values)
        framed = [row for row in chunk if isinstance(row, Framed)]
        for row in chunk:
            if not isinstance(row, (bytes, Framed)):
                self._refuse(row)
        self.rows += len(chunk)
        self.producer.send((key, self.prefix + value) for key, value in zip(keys, values, strict=True))
        self.producer.send(framed)

    def _refuse(self, rejected: Rejected) -> None:
        number = self.refused.total()
        self.refused[rejected.reason] += 1
        if number < SHOWN_ROWS:
            note(f"row {rejected.row} refused: {rejected.reason}: {rejected.detail}")
        elif number == SHOWN_ROWS:
            note("further refused rows are only counted")


def _limited(chunks: Iterator[Rows], limit: int | None) -> Iterator[Rows]:
    """The first `limit` rows."""
    left = limit
    for chunk in chunks:
        yield chunk if left is None else list(islice(chunk, left))
        if left is not None:
            left -= len(chunk)
            if left <= 0:
                return


def _report(topic: str, production: Production, seconds: float, output: Output) -> None:
    producer = production.producer
    facts: dict[str, Any] = {
        "topic": topic,
        "rows": production.rows,
        "written": producer.acknowledged,
        "refused": dict(production.refused),
        "failed": producer.failed,
        "seconds": round(seconds, 3),
    }
    if output is Output.JSON:
        as_json(facts)
    else:
        refused = [(f"refused, {reason}", rows) for reason, rows in production.refused.items()]
        rows = [("rows read", production.rows), ("events written", producer.acknowledged), *refused]
        as_table((topic, "number"), [*rows, ("failed", producer.failed), ("seconds", facts["seconds"])])
    if producer.failed:
        note(f"{producer.failed} events were not acknowledged, the first because of: {producer.first_failure}")
