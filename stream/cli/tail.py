"""Show the events of a topic, decoded."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.environment import SCHEMAS, SchemasOption, kafka_environment, schema_store
from stream.cli.show import as_json, json_text

if TYPE_CHECKING:
    from stream.batch import Failure, Header, Messages
    from stream.cli.decoding import PlainReader

HEAD_BYTES: Final = 32
"""So much of a value that cannot be decoded is shown."""
STREAMS: Final = "__streams.errors."
STREAMS_HEADERS: Final = ("topic", "partition", "offset", "exception", "message", "stacktrace")
OWN: Final = "stream."
IN_MESSAGE: Final = ("stage", "reason")
EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream tail flights.predictions                the last 10, then new ones
  stream tail flights.dlq --from earliest        what failed, and why
  stream tail flights --from latest --count 1    the next event
  stream tail flights.dlq --no-follow --output json | jq .headers"""


class Format(enum.StrEnum):
    """How an event is shown."""

    TEXT = "text"
    JSON = "json"


def command(
    topic: Annotated[str, typer.Argument(help="The topic.")],
    *,
    start: Annotated[
        str, typer.Option("--from", help="earliest, latest, an offset, -N for the last N of each partition, or a time.")
    ] = "-10",
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many events.")] = None,
    schema: Annotated[
        Path | None,
        typer.Option("--schema", help="Read as this Avro schema; default: as each event's writer meant it."),
    ] = None,
    schemas: SchemasOption = SCHEMAS,
    output: Annotated[Format, typer.Option("--output", help="How an event is shown.")] = Format.TEXT,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for new events at the end.")] = True,
) -> None:
    """Show the events of a topic, decoded.

    Reads committed events only, outside of any consumer group, and commits
    nothing: nobody notices.
    """
    from stream.avro import load_schema
    from stream.cli.decoding import PlainReader
    from stream.kafka.connection import Connection
    from stream.kafka.tailing import Start, Tail

    reader = load_schema(schema) if schema is not None else None
    environment = kafka_environment()
    plain = PlainReader(schema_store(environment, schemas, [reader] if reader is not None else []), reader)
    tail = Tail(Connection(environment.kafka_properties()), topic, Start.parse(start), follow)
    show = _as_text if output is Format.TEXT else as_json
    with closing(tail.read()) as chunks:
        for event in islice(_events(chunks, plain), count):
            show(event)


def _events(chunks: Iterator[Messages], plain: PlainReader) -> Iterator[dict[str, Any]]:
    for messages in chunks:
        for row, found in enumerate(plain.read(messages)):
            yield facts(messages, row, found)


def facts(messages: Messages, row: int, found: dict[str, Any] | Failure) -> dict[str, Any]:
    """All there is to say of a message: `value`, or `error` and the first bytes in `value_hex`."""
    origin, stamp, value = messages.origin(row), int(messages.timestamp[row]), messages.value(row)
    known: dict[str, Any] = {
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "timestamp": _time(stamp) if stamp >= 0 else None,
        "key": _text(messages.key(row)),
        "headers": _headers(messages.headers_of(row)),
    }
    if isinstance(found, dict):
        return {**known, "value": found}
    if value is None:
        return {**known, "value": None}
    head = value[:HEAD_BYTES].hex() + ("..." if len(value) > HEAD_BYTES else "")
    error = f"{found.reason}: {found.detail}".removesuffix(": ")
    return {**known, "error": error, "value_hex": head, "value_bytes": len(value)}


def _time(stamp_ms: int) -> str:
    return datetime.fromtimestamp(stamp_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _headers(headers: Sequence[Header]) -> dict[str, Any]:
    """By name; one that is there several times has a list."""
    found: dict[str, list[str | None]] = {}
    for name, held in headers:
        found.setdefault(name, []).append(_text(held))
    return {name: held[0] if len(held) == 1 else held for name, held in found.items()}


def _text(held: bytes | None) -> str | None:
    """Keys and headers are text by custom; others are shown in hex."""
    if held is None:
        return None
    text = held.decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else "0x" + held.hex()


def _as_text(event: dict[str, Any]) -> None:
    """Where, when and key; why it failed, if it did; the other headers; the value."""
    where = f"{event['topic']}/{event['partition']}@{event['offset']}"
    key = "" if event["key"] is None else f"  key {event['key']}"
    typer.echo(typer.style(f"{where}  {event['timestamp'] or 'no time'}{key}", bold=True))
    headers = dict(event["headers"])
    for line in (*failure_lines(headers), *(f"{name}: {held}" for name, held in headers.items())):
        typer.echo(f"  {line}")
    if "error" in event:
        typer.echo(f"  not decoded: {event['error']}\n  {event['value_bytes']} bytes: {event['value_hex']}")
    else:
        typer.echo(f"  {json_text(event['value'])}")


def failure_lines(headers: dict[str, Any]) -> Iterator[str]:
    """The error headers of a dead letter as sentences; they are taken out of headers."""
    streams = {name: headers.pop(STREAMS + name, None) for name in STREAMS_HEADERS}
    own = {name.removeprefix(OWN): headers.pop(name) for name in [*headers] if name.startswith(OWN)}
    if not own:
        return
    yield f"failed  {streams['message'] or own.pop('reason', '')}"
    yield f"from    {streams['topic']}/{streams['partition']}@{streams['offset']}"
    for name in ("first-failed", "failed", "due"):
        if str(own.get(name)).isdecimal():
            own[name] = _time(int(own[name]))
    yield "with    " + ", ".join(f"{name} {held}" for name, held in own.items() if held and name not in IN_MESSAGE)
