"""Run a pipeline over a file, without Kafka."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.show import Output, as_json, as_table, counted, json_text
from stream.errors import ConfigurationError, SystemicError, UnreachableError

if TYPE_CHECKING:
    from stream.avro import Rejected
    from stream.batch import Failure, Messages, Outcome
    from stream.cli.decoding import Keys, PlainReader
    from stream.config import Config
    from stream.pipeline import Pipeline

INPUT_STAGE: Final = "input"
"""Stage of rows that are no event of the input schema."""
EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream process pipelines/flights.yaml --input flights.csv --output out
  stream process flights.yaml --input f.jsonl --output out --report json

Kinds of files: .csv (with a header line), .jsonl, .parquet, .avro
Written are DIR/<topic>.jsonl for each output and for the dead letters."""


def command(
    pipeline: Annotated[Path, typer.Argument(help="The pipeline file.")],
    *,
    source: Annotated[Path, typer.Option("--input", help="CSV, JSON lines, Parquet or Avro file of input events.")],
    folder: Annotated[Path, typer.Option("--output", help="Folder of the results; files of before are replaced.")],
    key: Annotated[str | None, typer.Option("--key", help="Field whose value is the key of each event.")] = None,
    report: Annotated[Output, typer.Option("--report", help="How to report.")] = Output.TABLE,
) -> None:
    """Run a pipeline over a file, without Kafka.

    The same line as `stream run`: decode, stages, outputs. Every event ends
    in one file, dead letters with the reason. This is how a pipeline is tried
    and tested. Exit code 0 also when there are dead letters.
    """
    from stream.assembly import input_schema, local_schemas, open_pipeline
    from stream.avro import load_schema, read_values
    from stream.cli.decoding import Keys, PlainReader

    config, line = open_pipeline(pipeline, os.environ, offline=True)
    schema = input_schema(config)
    outputs = [load_schema(config.project.find(output.schema_file)) for output in config.file.outputs]
    store = local_schemas(config, [schema, *outputs])
    keys = Keys(schema, key) if key is not None else None
    prefix = store.prefix(config.file.input.topics[0], schema)
    with ExitStack() as stack, counted("processed") as tell:
        stack.callback(line.close)
        run = FileRun(line, config, prefix, keys, PlainReader(store), _open(config, source, folder, stack))
        for chunk in read_values(source, schema, config.file.batch.events):
            run.process(chunk)
            tell(run.rows)
    _report(run, folder, report)


def _open(config: Config, source: Path, folder: Path, stack: ExitStack) -> dict[str, IO[str]]:
    """Topic -> its file, emptied. Raises ConfigurationError when one of them is the input, or cannot be written."""
    if not source.exists():
        raise ConfigurationError([f"--input {source} does not exist"])
    topics = dict.fromkeys([*(output.topic for output in config.file.outputs), config.file.dead_letter_topic])
    paths = {topic: folder / f"{topic}.jsonl" for topic in topics}
    if any(path.exists() and path.samefile(source) for path in paths.values()):
        raise ConfigurationError([f"--input {source} would be overwritten: choose another folder with --output"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return {topic: stack.enter_context(path.open("w", encoding="utf-8")) for topic, path in paths.items()}
    except OSError as error:
        raise ConfigurationError([f"--output {folder}: cannot be written: {error.strerror}"]) from error


@dataclass(slots=True)
class FileRun:
    """One pipeline over one file; what became of each row, counted and written."""

    pipeline: Pipeline
    config: Config
    prefix: bytes
    keys: Keys | None
    plain: PlainReader
    files: dict[str, IO[str]]
    rows: int = 0
    outputs: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    filtered: int = 0
    started: float = field(default_factory=time.monotonic)
    now_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    """The timestamp of every event, as if all had been produced now."""

    def process(self, chunk: Sequence[bytes | Rejected]) -> None:
        """Raises UnreachableError when a stage needs something that is not there."""
        refused = [
            {
                "row": row.row,
                "stage": INPUT_STAGE,
                "class": "poison",
                "reason": row.reason,
                "detail": row.detail,
                "event": None,
            }
            for row in chunk
            if not isinstance(row, bytes)
        ]
        messages = self._messages(chunk)
        self.rows += len(chunk)
        failed: list[dict[str, Any]] = []
        while len(messages):  # events whose turn did not come within the time of one batch go through again
            told, messages = self._run(messages)
            failed += told
        for dead in sorted([*refused, *failed], key=lambda what: int(what["row"])):
            self.files[self.config.file.dead_letter_topic].write(json_text(dead) + "\n")
            self.dead_letters[dead["reason"]] += 1

    def _run(self, messages: Messages) -> tuple[list[dict[str, Any]], Messages]:
        """Write and count the outputs; gives what is to be said of each event that failed, and those not tried."""
        import numpy as np

        from stream.batch import FailureClass

        outcome = self._outcome(messages)
        self._write(outcome)
        self.filtered += outcome.filtered
        self.warnings.update({f"{suite}: {name}": n for (suite, name), n in outcome.warning_counts.items()})
        untried = [f.row for f in outcome.failures if f.kind is FailureClass.UNTRIED]
        failures = [f for f in outcome.failures if f.kind is not FailureClass.UNTRIED]
        events = self._decoded([messages.value(failure.row) for failure in failures])
        told = [_told(f, messages, event) for f, event in zip(failures, events, strict=True)]
        return told, messages.take(np.isin(np.arange(len(messages)), untried), {})

    def _outcome(self, messages: Messages) -> Outcome:
        try:
            return self.pipeline.process(messages)
        except SystemicError as error:
            raise UnreachableError(f"the pipeline cannot go on: {error}") from error

    def _messages(self, chunk: Sequence[bytes | Rejected]) -> Messages:
        """The rows that are events; their offset is the number of the row."""
        import numpy as np

        from stream.batch import Messages

        values = [row for row in chunk if isinstance(row, bytes)]
        numbers = [self.rows + i for i, row in enumerate(chunk) if isinstance(row, bytes)]
        keys = self.keys.of(values) if self.keys is not None else None
        topic = self.config.file.input.topics[0]
        messages = Messages.of([self.prefix + v for v in values], keys, topic=topic, timestamp_ms=self.now_ms)
        return replace(messages, offset=np.array(numbers, np.int64), next_offsets={(topic, 0): self.rows + len(chunk)})

    def _write(self, outcome: Outcome) -> None:
        for rows in outcome.outputs:
            bounds = zip(rows.value_offsets[:-1], rows.value_offsets[1:], strict=True)
            for event in self._decoded([bytes(rows.values[start:end]) for start, end in bounds]):
                self.files[rows.topic].write(json_text(event) + "\n")
            self.outputs[rows.topic] += len(rows)

    def _decoded(self, values: Sequence[bytes | None]) -> list[dict[str, Any] | None]:
        from stream.batch import Messages

        found = self.plain.read(Messages.of(values))
        return [event if isinstance(event, dict) else None for event in found]


def _told(failure: Failure, messages: Messages, event: dict[str, Any] | None) -> dict[str, Any]:
    """What a dead letter's headers say, and the event; the row is the one of the file."""
    return {
        "row": int(messages.offset[failure.row]),
        "stage": failure.stage,
        "class": failure.kind.value,
        "reason": failure.reason,
        "detail": failure.detail,
        **failure.facts,
        "event": event,
    }


def _report(run: FileRun, folder: Path, output: Output) -> None:
    facts: dict[str, Any] = {
        "pipeline": run.pipeline.name,
        "events": run.rows,
        "outputs": {topic.topic: run.outputs[topic.topic] for topic in run.config.file.outputs},
        "dead_letters": dict(run.dead_letters),
        "filtered": run.filtered,
        "warnings": dict(run.warnings),
        "seconds": round(time.monotonic() - run.started, 3),
        "files": [str(folder / f"{topic}.jsonl") for topic in run.files],
    }
    if output is Output.JSON:
        as_json(facts)
        return
    rows: list[tuple[str, object]] = [("events", run.rows)]
    rows += [(f"to {topic}", events) for topic, events in facts["outputs"].items()]
    rows += [(f"dead letters, {reason}", events) for reason, events in run.dead_letters.items()]
    rows += [("filtered", run.filtered), *((f"warned, {name}", n) for name, n in run.warnings.items())]
    as_table((run.pipeline.name, "number"), [*rows, ("seconds", facts["seconds"])])
    typer.echo(f"\n{', '.join(facts['files'])}")
