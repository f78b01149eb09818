"""The command line: one file a command, imported when the command is called.

A command's module has either `app`, a typer.Typer with commands of its own, or a function `command`;
EXAMPLES ends its help. COMMANDS has the first line of each, so that `stream --help` imports none.
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
import typer.core
import typer.main

import stream
from stream.errors import ConfigurationError, ExitCode, Problem, ProcessError

COMMANDS: Final[dict[str, str]] = {
    "demo": "Watch 336,776 real flights go through a real Kafka, exactly once, over a worker that is killed.",
    "init": "Make a new project that runs at once: pipeline, schemas, suite, model, events, a test.",
    "chaos": "Break a running pipeline on purpose, again and again, and prove that no event is lost or doubled.",
    "run": "Run pipelines: read, validate, score and write, each event exactly once, until stopped.",
    "check": "Check a pipeline file and everything it names; with --live, Kafka and the registry too.",
    "process": "Run a pipeline over a file, without Kafka.",
    "bench": "Measure a pipeline on events of your own: throughput, latency, error rate, recovery, CPU, memory.",
    "topics": "Show the topics a pipeline needs, and create what is missing.",
    "produce": "Write the rows of a file, or the demonstration's flights, to a topic as Avro events.",
    "tail": "Show the events of a topic, decoded.",
    "positions": "Show where a pipeline stands in its input; with --to, go on somewhere else.",
    "dlq": "Dead letters: look at them, send them again, discard them.",
    "kafka": "A real Apache Kafka for a laptop, from pip packages alone (extra `devkafka`).",
    "model": "Model packages: make one from an ONNX file, verify one.",
    "health": "Ask a worker on this machine whether it is alive, or ready.",
    "schema": "Print the JSON Schema of the pipeline file, for editors.",
}
PANELS: Final = {
    "Start here": ("demo", "init", "chaos"),
    "Pipelines": ("run", "check", "process", "bench", "health", "schema", "model"),
    "Kafka": ("topics", "produce", "tail", "positions", "dlq", "kafka"),
}
EPILOG: Final = """\
[bold]Examples[/bold]

  stream demo                                    see it work on this machine
  stream init machines                           a project of your own, to start from
  stream check pipelines/flights.yaml            every mistake, at its line
  stream process pipelines/flights.yaml --input rows.csv --output out
  stream topics pipelines/flights.yaml --apply   create its topics
  stream run pipelines/flights.yaml              run it
  stream dlq list pipelines/flights.yaml         see what failed, and why

[bold]Exit codes[/bold]

    0  done
    1  a check failed: a topic is missing, rows were refused, ...
    2  wrong usage or configuration: every mistake is listed
    3  Kafka or the schema registry did not answer at start
    4  fatal while running: fenced, stuck, or a defect (with its traceback)
  130  interrupted (Ctrl-C)

[bold]Environment[/bold]

  STREAM_KAFKA_BOOTSTRAP_SERVERS                 host:port
  STREAM_KAFKA_<LIBRDKAFKA_PROPERTY>             security, tuning, ...
  STREAM_SCHEMA_REGISTRY_URL                     if there is one
  STREAM_INSTANCE  STREAM_HTTP_ADDRESS  STREAM_LOG_FORMAT"""


class LazyCommands(typer.core.TyperGroup):
    """Commands whose modules are imported when they are called; until then only their help is known."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, names in PANELS.items():
            for name in names:
                stub = typer.core.TyperCommand(name, help=COMMANDS[name], rich_help_panel=panel)
                self.add_command(stub)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            self.add_command(load(args[0]), args[0])
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _suggestions():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _suggestions():
            return super().invoke(ctx)

    def main(self, *args: Any, **settings: Any) -> Any:
        """Translate what ends a command into its exit code. A defect keeps its traceback."""
        try:
            return super().main(*args, **settings)
        except ProcessError as error:
            report(error)
            sys.exit(error.exit_code)
        except Exception:
            traceback.print_exc()
            sys.exit(ExitCode.FATAL)


def load(name: str) -> Any:
    """The command of this name, from its module."""
    module = importlib.import_module(f"stream.cli.{name}")
    if hasattr(module, "app"):
        return typer.main.get_group(module.app)
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(name, epilog=getattr(module, "EXAMPLES", None))(module.command)
    return typer.main.get_command(single)


def report(error: ProcessError) -> None:
    """One line a problem, on stderr; one with a place begins with it, as editors want it."""
    problems = error.problems if isinstance(error, ConfigurationError) else (error,)
    for problem in problems:
        placed = isinstance(problem, Problem) and problem.place
        typer.echo(problem if placed else f"error: {problem}", err=True)
    for text in getattr(error, "__notes__", ()):
        typer.echo(text, err=True)


@contextmanager
def _suggestions() -> Iterator[None]:
    """An unknown option gets the same "did you mean" as an unknown command."""
    try:
        yield
    except typer.TyperException as error:
        if near := getattr(error, "possibilities", None):
            error.message += f". Did you mean {' or '.join(sorted(near))}?"
            error.possibilities = None  # type: ignore[attr-defined]
        raise


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stream {stream.__version__}")
        raise typer.Exit


app = typer.Typer(
    name="stream",
    cls=LazyCommands,
    epilog=EPILOG,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    """Exactly-once model inference on Kafka: Avro in, checked, scored, one transaction out."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `stream` and `python -m stream`; ends with SystemExit."""
    # a command that has not asked for logs says by itself what went wrong
    logging.getLogger("stream").addHandler(logging.NullHandler())
    typer.main.get_command(app).main(arguments, prog_name="stream")
