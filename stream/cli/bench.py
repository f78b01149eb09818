"""Measure a pipeline on events of your own: throughput, latency, error rate, recovery, CPU, memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream.cli.show import Output, OutputOption, as_json, as_table
from stream.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from stream.avro import Schema
    from stream.bench.measure import Measurement
    from stream.bench.place import Kafka
    from stream.bench.report import Facts

EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream bench pipelines/flights.yaml --input flights.csv
  stream bench flights.yaml --input f.avro --events 1000000 --output json
  stream bench flights.yaml --input f.jsonl --kafka given --workers 4
  stream bench flights.yaml --input f.csv --latency-rate 500 --no-kill

Topics, group and pipeline have names of their own (bench-...), made for the
measurement and deleted after it: those of the pipeline file are not touched.
Stages run as they are: one that calls a service calls it."""


def command(
    pipeline: Annotated[Path, typer.Argument(help="The pipeline file.")],
    *,
    source: Annotated[Path, typer.Option("--input", help="CSV, JSON lines, Parquet or Avro file of input events.")],
    events: Annotated[
        int | None,
        typer.Option("--events", min=1, help="Size of the backlog; the file is repeated.", show_default="as the file"),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Field that is the key.", show_default="each event its own")
    ] = None,
    kafka: Annotated[
        str, typer.Option("--kafka", help="embedded: a fresh one on this machine; given: that of the environment.")
    ] = "embedded",
    latency_rate: Annotated[
        float | None,
        typer.Option(
            "--latency-rate",
            min=0,
            help="Events per second of the steady load; 0 for no latency and no kills.",
            show_default="5000, at most half of the throughput",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long latency is taken.")] = 10.0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Of each topic.", show_default="4, at least one a worker")
    ] = None,
    kill: Annotated[bool, typer.Option("--kill/--no-kill", help="Kill workers under load, and time recovery.")] = True,
    folder: Annotated[Path, typer.Option(help="Where Kafka's data and the workers' logs are kept.")] = Path(
        ".stream/bench"
    ),
    output: OutputOption = Output.TABLE,
) -> None:
    """Measure a pipeline on events of your own, on a real Kafka, exactly once.

    A backlog is drained (throughput, CPU, memory), then a steady load is
    timed (latency) while workers are killed (recovery). In the end a reader
    of its own looks for each event; exit code 1 if one is lost or doubled.
    """
    from stream.bench.place import Kafka
    from stream.bench.report import facts
    from stream.bench.screen import Screen

    if kafka not in list(Kafka):
        raise ConfigurationError([f"--kafka {kafka}: must be embedded or given"])
    folder.mkdir(parents=True, exist_ok=True)
    with Screen(quiet=output is Output.JSON) as screen:
        measurement = _measurement(pipeline, source, events, key, Kafka(kafka), folder)
        measurement.workers, measurement.partitions = workers, partitions or max(4, workers)
        measurement.rate, measurement.seconds = latency_rate, seconds
        measurement.kills = measurement.kills if kill else 0
        measurement.say, measurement.show = screen.say, screen.show
        measured = measurement.run()
    found = facts(measured)
    if output is Output.JSON:
        as_json(found)
    else:
        _tell(found)
    raise typer.Exit(ExitCode.DONE if measured.verdict.holds else ExitCode.CHECK_FAILED)


def _measurement(
    pipeline: Path, source: Path, events: int | None, key: str | None, kafka: Kafka, folder: Path
) -> Measurement:
    """The pipeline checked and the events read, before anything is started."""
    from stream.assembly import input_schema, local_schemas, open_pipeline
    from stream.bench.events import read_events
    from stream.bench.measure import Measurement

    config, line = open_pipeline(pipeline, os.environ, offline=True)
    schema = input_schema(config)
    prefix = local_schemas(config, [schema]).prefix(config.file.input.topics[0], schema)
    found = read_events(source, schema, prefix, events, _keys(schema, key))
    return Measurement(config, line, schema, found, events or len(found.values), kafka, folder)


def _keys(schema: Schema, key: str | None) -> Callable[[Sequence[bytes]], list[bytes | None]] | None:
    from stream.cli.decoding import Keys

    return None if key is None else Keys(schema, key).of


def _tell(found: Facts) -> None:
    from stream.bench.report import TIME_HEAD, advice, rows, time_rows

    as_table(["measured", "number", "how"], [(what, _figure(number), how) for what, number, how in rows(found)])
    typer.echo()
    as_table(TIME_HEAD, time_rows(found))
    if hint := advice(found):
        typer.echo(f"\n{hint}")
    typer.echo("\nA batch commits while the next one is processed: commit runs beside the others.")
    where, on = found["machine"], found["versions"]
    typer.echo(f"{where['cpu']}, {where['cores']} cores (load {where['load_1_min']}), Python {on['python']}")
    if found["rows_refused"]:
        typer.echo(f"{found['rows_refused']} rows of the file are no events and were left out")
    verdict = "Exactly once: each event" if found["verdict"]["exactly_once"] else "NOT exactly once: not each event"
    typer.echo(f"{verdict} is in exactly one place.")


def _figure(number: object) -> object:
    return round(number, 3) if isinstance(number, float) else number
