"""Check a pipeline file and everything it names; with --live, Kafka and the registry too."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.show import Output, OutputOption, as_json, as_table, note
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from stream.config import Config, PipelineFile, StageEntry
    from stream.pipeline import Pipeline
    from stream.stages.retry import Retry
    from stream.stages.stage import Stage

EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream check pipelines/flights.yaml              every mistake, at its line
  stream check pipelines/flights.yaml --explain    how each expectation is checked, which columns there are
  stream check pipelines/flights.yaml --thorough   before a model or suite of others runs here
  stream check pipelines/flights.yaml --live       log in: are all topics there, and all rights
  stream check pipelines/flights.yaml --output json | jq .stages

Exit code 2 when something is wrong: one line a mistake on stderr; 3 when Kafka
or the registry does not answer."""


def command(
    pipeline: Annotated[Path, typer.Argument(help="The pipeline file.", show_default=False)],
    *,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also how each stage works, and why, and all columns.")
    ] = False,
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="Also try models in a limited child process and suites in Great Expectations."),
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Also ask Kafka for the topics and this user's rights, and the registry.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check a pipeline file and everything it names, without Kafka unless --live.

    Reads the file, the environment, the schemas, suites and models, and checks
    them against each other. Nothing is registered, nothing is written.
    """
    from stream.assembly import open_pipeline

    first = _try if thorough else _trust
    config, line = open_pipeline(pipeline, os.environ, offline=not live, first=first)
    facts = facts_of(config, line)
    if live:
        from stream.cli.live import ask

        facts["live"] = ask(config, pipeline)
    if output is Output.JSON:
        as_json(facts)
    else:
        _tell(facts, explain=explain)
        note(f"{pipeline} is right; next: {_next(pipeline, live=live)}")


def _next(pipeline: Path, *, live: bool) -> str:
    return f"stream run {pipeline}" if live else f"stream process {pipeline} --input FILE --output DIR"


def _trust(_config: Config) -> None:
    """Models and suites are opened as a worker opens them."""


def _try(config: Config) -> None:
    _try_models(config)
    _ask_great_expectations(config)


def _try_models(config: Config) -> None:
    """A model that nobody has run yet runs first in a child process with little memory and time."""
    from stream.inference import try_package

    for index, entry in enumerate(config.file.stages):
        if entry.kind == "infer":
            model = entry.settings.model  # type: ignore[attr-defined]
            _located(config, ("stages", index, "infer", "model"), partial(try_package, config.project.find(model)))


def _ask_great_expectations(config: Config) -> None:
    """Suites are read without Great Expectations, which takes seconds to load; here it has its say too."""
    from stream.validation import load_suite, verify_with_gx

    for index, entry in enumerate(config.file.stages):
        if entry.kind == "validate":
            suite = config.project.find(entry.settings.suite)  # type: ignore[attr-defined]
            _located(
                config,
                ("stages", index, "validate", "suite"),
                lambda: verify_with_gx(load_suite(suite)),  # noqa: B023
            )


def _located(config: Config, at: tuple[str | int, ...], work: Callable[[], object]) -> None:
    try:
        work()
    except ConfigurationError as error:
        raise ConfigurationError([config.locate(problem.under(*at)) for problem in error.problems]) from None


def facts_of(config: Config, line: Pipeline) -> dict[str, Any]:
    """What a checked pipeline comes to: its topics, codec, columns, stages and outputs."""
    file = config.file
    columns: pa.Schema = line.reader.all_columns  # type: ignore[attr-defined]
    decode = {"stage": "decode", "does": file.input.schema_file or "the registry's schema", "columns": _types(columns)}
    return {
        "pipeline": file.name,
        "input": {
            "topics": list(file.input.topics),
            "start": file.input.model_dump(mode="json")["start"],
            "group_protocol": file.group.protocol,
        },
        "codec": line.reader.codec_name,  # type: ignore[attr-defined]
        "stages": [decode, *_stages(file, line.stages, columns)],
        "outputs": [
            {"topic": output.topic, "schema": output.schema_file, "when": output.when} for output in file.outputs
        ],
        "dead_letters": file.dead_letter_topic,
        "retries": [tier.topic for tier in file.retry_tiers],
    }


def _stages(file: PipelineFile, stages: Any, before: pa.Schema) -> list[dict[str, Any]]:
    """Each stage with the columns it adds or changes."""
    facts = []
    for entry, stage in zip(file.stages, stages, strict=True):
        columns = {f.name: str(f.type) for f in stage.schema if f.name not in before.names or f != before.field(f.name)}
        explained = _explained(stage)
        if "retry" in type(entry.settings).model_fields:
            explained.append(_again(file.retry_policies[stage.name]))
        facts.append({"stage": stage.name, "does": _does(entry, stage), "columns": columns, "explained": explained})
        before = stage.schema
    return facts


def _does(entry: StageEntry, stage: Any) -> str:
    """In one line: the model and version, the suite and how its expectations are checked, the call, or the settings."""
    if hasattr(stage, "summary"):
        return str(stage.summary)
    if hasattr(stage, "model_version"):
        return f"{stage.model_name}/{stage.model_version}"
    if hasattr(stage, "plan"):
        tiers = Counter(str(check.tier) for check in stage.plan.checks)
        return f"{stage.plan.suite}: " + ", ".join(f"{n} {tier}" for tier, n in tiers.items())
    settings = entry.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    return ", ".join(f"{key}: {value}" for key, value in settings.items())


def _explained(stage: Stage) -> list[str]:
    """What a stage, or the plan it carries out, tells about itself."""
    teller = getattr(stage, "plan", stage)
    return list(teller.explain()) if hasattr(teller, "explain") else []


def _again(retry: Retry) -> str:
    """What becomes of an event that may pass later."""
    from stream.units import format_duration

    if not retry.delays_s:
        return "what may pass later: a dead letter at once"
    longest = f", at most {format_duration(retry.max_elapsed_s)} after the first failure" if retry.max_elapsed_s else ""
    end = "a dead letter" if retry.on_exhausted == "dead_letter" else "again and again, what is behind it waits"
    return f"what may pass later: again after {', '.join(map(format_duration, retry.delays_s))}{longest}, then {end}"


def _types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def _tell(facts: dict[str, Any], *, explain: bool) -> None:
    as_table(("pipeline", "reads", "from", "codec"), [_head(facts)])
    typer.echo()
    as_table(("stage", "does", "adds"), [_stage_row(stage) for stage in facts["stages"]])
    typer.echo()
    as_table(("topic", "takes", "schema"), _output_rows(facts))
    if "live" in facts:
        typer.echo()
        _tell_live(facts["live"])
    if explain:
        for stage in facts["stages"]:
            rows = stage.get("explained") or [f"{name}: {type_}" for name, type_ in stage["columns"].items()]
            typer.echo(f"\n{stage['stage']}")
            for row in rows:
                typer.echo(f"  {row}")


def _tell_live(live: dict[str, Any]) -> None:
    columns = ("operation", "resource", "name", "pattern", "why")
    typer.echo(f"Kafka at {live['servers']}: all topics are there, {live['principal'] or 'this user'} may")
    as_table(columns, [tuple(right[column] for column in columns) for right in live["rights"]])


def _head(facts: dict[str, Any]) -> tuple[str, ...]:
    read = facts["input"]
    return facts["pipeline"], ", ".join(read["topics"]), read["start"], facts["codec"]


def _stage_row(stage: dict[str, Any]) -> tuple[str, str, str]:
    columns = stage["columns"]
    added = (
        f"{len(columns)} columns" if stage["stage"] == "decode" else ", ".join(f"{n}: {t}" for n, t in columns.items())
    )
    return stage["stage"], stage["does"], added


def _output_rows(facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    outputs = [(o["topic"], o["when"] or "every event that is left", o["schema"]) for o in facts["outputs"]]
    filtered = [] if facts["outputs"][-1]["when"] is None else [("(none)", "what is left is filtered, and counted", "")]
    retries = [(topic, "what may pass later", "as it came") for topic in facts["retries"]]
    return [*outputs, *filtered, *retries, (facts["dead_letters"], "what failed, with the reason", "as it came")]
