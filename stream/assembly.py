"""A checked configuration becomes a Pipeline: files are loaded, stages and outputs checked against each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from stream.avro import DirectorySchemas, EventReader, EventWriter, RegistrySchemas, Schema, SchemaStore, load_schema
from stream.config import Config, examine
from stream.config.rules import unsaid_retry, whole_number
from stream.errors import ConfigurationError, Problem
from stream.pipeline import Condition, Output, Pipeline
from stream.stages import kind
from stream.stages.stage import Stage

SCHEMA_FOLDER: Final = "schemas"
"""Where writer schemas are looked for when there is no registry, beside the files that are named."""

HEADROOM_BYTES: Final = 1024
"""Kept free of message.max.bytes for what the client adds around a message."""
MAX_MESSAGE_BYTES: Final = 1_000_000
"""librdkafka's default of message.max.bytes."""

T = TypeVar("T")


def build(config: Config, *, offline: bool = False) -> Pipeline:
    """Load and check all that a pipeline file names; none of it talks to Kafka, but a registry is asked.

    offline: events in and out are framed by fingerprint, and nothing is registered. A registry is then
    asked only for an input schema that the file does not name.

    Raises ConfigurationError with every mistake that can be told, each with its place. After a stage
    that is wrong only what has to do with the columns it would have added is not judged.
    """
    assembly = _Assembly(config, offline)
    reader_schema = assembly.input_schema()
    judged = [i for i in range(len(config.file.outputs)) if i not in config.unjudged.outputs]
    output_schemas = {index: assembly.output_schema(index) for index in judged}
    store = assembly.store([s for s in (reader_schema, *output_schemas.values()) if s is not None])
    stages = assembly.stages(reader_schema)
    outputs = assembly.outputs(output_schemas, store)
    if assembly.problems or reader_schema is None or store is None or stages is None:
        raise ConfigurationError([config.locate(problem) for problem in assembly.problems])
    columns = needed_columns(reader_schema.arrow, stages, outputs)
    reader = EventReader(reader_schema, store, columns=columns, codec=config.environment.codec)
    return Pipeline(config.file.name, reader, stages, outputs, max_event_bytes(config))


def needed_columns(columns: pa.Schema, stages: Sequence[Stage], outputs: Sequence[Output]) -> frozenset[str]:
    """Those of the input's columns that some stage or output looks at; of a record's field, the record."""
    paths = {path for stage in stages for path in stage.reads}
    for output in outputs:
        paths |= output.writer.reads
        paths.update(output.when.columns if output.when is not None else ())
    return frozenset(name for path in paths for name in (path, path.split(".")[0]) if name in columns.names)


def open_pipeline(
    path: Path,
    environ: Mapping[str, str],
    *,
    offline: bool = False,
    first: Callable[[Config], None] = lambda _config: None,
) -> tuple[Config, Pipeline]:
    """Load a pipeline file and build it. first is called with the configuration before anything it names is opened.

    Raises ConfigurationError with every mistake: in the file's form, in the environment, and in what the
    file names, as far as what is wrong leaves it to be judged.
    """
    examined = examine(path, environ)
    config, problems = examined.config, examined.problems
    if config is None:
        raise ConfigurationError(problems)
    try:
        first(config)
        pipeline = build(config, offline=offline)
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    if problems:
        pipeline.close()
        raise ConfigurationError(problems)
    return config, pipeline


def max_event_bytes(config: Config) -> int:
    """Of key, value and headers of one output together: what the producer takes; more is its event's failure."""
    return (whole_number(config.environment, "message.max.bytes") or MAX_MESSAGE_BYTES) - HEADROOM_BYTES


def schema_store(config: Config, known: Sequence[Schema] = ()) -> SchemaStore:
    """Where writer schemas come from: the registry, or the files of the project and those known."""
    registry = config.environment.registry
    if registry is not None:
        return RegistrySchemas(registry.properties())
    return local_schemas(config, known)


def local_schemas(config: Config, known: Sequence[Schema] = ()) -> SchemaStore:
    """The files of the project and those known."""
    return DirectorySchemas([config.project.find(SCHEMA_FOLDER)], known=known)


def input_schema(config: Config) -> Schema:
    """The schema that events are read with: the one the file names, or the registry's latest of its topic."""
    file = config.file.input
    if file.schema_file is not None:
        return load_schema(config.project.find(file.schema_file))
    assert config.environment.registry is not None, "checked with the configuration"
    return RegistrySchemas(config.environment.registry.properties()).latest(f"{file.topics[0]}-value")


@dataclass(slots=True)
class _Assembly:
    """Builds part by part and goes on after a mistake."""

    config: Config
    offline: bool = False
    problems: list[Problem] = field(default_factory=list)
    columns: pa.Schema | None = None
    """What has come out of the stages so far; None when that cannot be told."""
    excused: set[str] = field(default_factory=set)
    """Columns that are missing only because the stage that adds them is wrong."""

    def input_schema(self) -> Schema | None:
        file = self.config.file.input
        if file.schema_file is None and self.config.environment.registry is None:
            return None  # told with the rules
        at = "topic" if file.schema_file is None else "schema"
        return self._attempt(("input", at), lambda: input_schema(self.config))

    def output_schema(self, index: int) -> Schema | None:
        name = self.config.file.outputs[index].schema_file
        return self._attempt(("outputs", index, "schema"), lambda: self._load(name))

    def store(self, known: Sequence[Schema]) -> SchemaStore | None:
        make = local_schemas if self.offline else schema_store
        return self._attempt(("input", "schema"), lambda: make(self.config, known))

    def stages(self, reader_schema: Schema | None) -> list[Stage] | None:
        """None when one of them is wrong; the others are judged all the same."""
        if reader_schema is None:
            return None
        stages: list[Stage] = []
        self.columns, names = reader_schema.arrow, self.config.file.stage_names
        for index, entry in enumerate(self.config.file.stages):
            if index == self.config.unjudged.stages_from:
                self.columns = None
                return None
            build_stage, columns = kind(entry.kind).build, self.columns
            stage = self._attempt(
                ("stages", index, entry.kind),
                lambda: build_stage(entry.settings, names[index], columns, self.config.project),  # noqa: B023
            )
            if stage is not None:
                if getattr(stage, "may_pass_later", False):
                    self.problems += unsaid_retry(self.config.file, index)
                stages.append(stage)
                self.columns = stage.schema
            elif not self._excuse(kind(entry.kind).adds(entry.settings)):
                return None
        return stages if len(stages) == len(self.config.file.stages) else None

    def outputs(self, schemas: Mapping[int, Schema | None], store: SchemaStore | None) -> list[Output]:
        """Only what can be judged: an output needs its schema, and the columns that reach it."""
        columns = self.columns
        if columns is None or store is None:
            return []
        made = [self._output(i, s, store, columns) for i, s in schemas.items() if s is not None]
        return [output for output in made if output is not None]

    def _excuse(self, columns: set[str] | None) -> bool:
        """Columns that a wrong stage would have added; False when they are not known: nothing can be judged."""
        if columns is None:
            self.columns = None
            return False
        self.excused |= columns
        return True

    def _output(self, index: int, schema: Schema, store: SchemaStore, columns: pa.Schema) -> Output | None:
        from stream.stages.expression import compile_condition

        output, codec = self.config.file.outputs[index], self.config.environment.codec
        at = ("outputs", index)
        writer = self._attempt((*at, "schema"), lambda: EventWriter(output.topic, schema, store, columns, codec=codec))
        when: Condition | None = None
        if output.when is not None:
            text = output.when
            when = self._attempt((*at, "when"), lambda: compile_condition(text, columns))
        return (
            None if writer is None or (output.when is not None and when is None) else Output(output.topic, writer, when)
        )

    def _load(self, name: str) -> Schema:
        return load_schema(self.config.project.find(name))

    def _attempt(self, at: tuple[str | int, ...], work: Callable[[], T]) -> T | None:
        try:
            return work()
        except ConfigurationError as error:
            words = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in self.excused) or r"(?!)")
            self.problems += [problem.under(*at) for problem in error.problems if not words.search(problem.message)]
            return None
