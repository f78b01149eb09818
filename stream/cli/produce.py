"""Write the rows of a file to a topic as Avro events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.environment import SCHEMAS, kafka_environment, schema_store
from stream.cli.show import Output, OutputOption, as_json, as_table, counted, note
from stream.errors import ExitCode

if TYPE_CHECKING:
    from stream.avro import Rejected
    from stream.cli.decoding import Keys
    from stream.kafka.producing import EventProducer

CHUNK: Final = 2_000
"""Rows read ahead of sending."""
SHOWN_ROWS: Final = 20
"""Refused rows that are told one by one."""
EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream produce flights --schema schemas/flight.avsc --input flights.csv
  stream produce flights --schema flight.avsc --input f.jsonl --limit 10
  stream produce flights --schema flight.avsc --input f.parquet --rate 500

Kinds of files: .csv (with a header line), .jsonl, .parquet, .avro"""


def command(
    topic: Annotated[str, typer.Argument(help="The topic; it must exist.")],
    *,
    schema: Annotated[Path, typer.Option("--schema", help="Avro schema of the events.")],
    source: Annotated[Path, typer.Option("--input", help="CSV, JSON lines, Parquet or Avro file.")],
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
    Exit code 1 when any was refused.
    """
    from stream.avro import load_schema, read_values
    from stream.cli.decoding import Keys
    from stream.kafka.connection import Connection
    from stream.kafka.producing import EventProducer

    events_schema = load_schema(schema)
    keys = Keys(events_schema, key) if key is not None else None
    environment = kafka_environment()
    producer = EventProducer(Connection(environment.kafka_properties()), topic, time.monotonic, time.sleep, rate)
    prefix = schema_store(environment, SCHEMAS, [events_schema]).prefix(topic, events_schema)
    production = Production(producer, prefix, keys)
    started = time.monotonic()
    with counted("written") as tell:
        for chunk in _limited(read_values(source, events_schema, CHUNK), limit):
            production.send(chunk)
            tell(producer.acknowledged)
        producer.flush()
    _report(topic, production, time.monotonic() - started, output)
    if production.refused or producer.failed:
        raise typer.Exit(ExitCode.CHECK_FAILED)


@dataclass(slots=True)
class Production:
    """Sends chunks of rows; tells the refused ones, up to a number, as they come."""

    producer: EventProducer
    prefix: bytes
    keys: Keys | None
    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def send(self, chunk: list[bytes | Rejected]) -> None:
        values = [row for row in chunk if isinstance(row, bytes)]
        keys: Iterable[bytes | None] = self.keys.of(values) if self.keys is not None else [None] * len(values)
        for row in chunk:
            if not isinstance(row, bytes):
                self._refuse(row)
        self.rows += len(chunk)
        self.producer.send((key, self.prefix + value) for key, value in zip(keys, values, strict=True))

    def _refuse(self, rejected: Rejected) -> None:
        number = self.refused.total()
        self.refused[rejected.reason] += 1
        if number < SHOWN_ROWS:
            note(f"row {rejected.row} refused: {rejected.reason}: {rejected.detail}")
        elif number == SHOWN_ROWS:
            note("further refused rows are only counted")


def _limited(chunks: Iterator[list[bytes | Rejected]], limit: int | None) -> Iterator[list[bytes | Rejected]]:
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
