"""Show the topics a pipeline needs, and create what is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.show import Output, OutputOption, as_json, as_table, note
from stream.errors import ExitCode

if TYPE_CHECKING:
    from stream.kafka.topics import Topic

EXAMPLES = """\
[bold]Examples[/bold]

  stream topics pipelines/flights.yaml           exit 1 if one is missing
  stream topics pipelines/flights.yaml --apply   create what is missing
  stream topics pipelines/flights.yaml --apply --partitions 6"""


def command(
    pipeline: Annotated[Path, typer.Argument(help="The pipeline file.")],
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Create what is missing. Topics that exist are never changed.")
    ] = False,
    partitions: Annotated[
        int | None,
        typer.Option("--partitions", min=1, max=100_000, help="Of new topics. Default: as many as the input has."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the topics a pipeline needs, and create what is missing."""
    from stream.config import load
    from stream.kafka.connection import Connection
    from stream.kafka.topics import Status, TopicAdmin, needed, plan

    config = load(pipeline, os.environ)
    config.environment.require_kafka()
    admin = TopicAdmin(Connection(config.environment.kafka_properties()))
    needs = needed(config.file)
    topics = plan(needs, admin.existing(needs), partitions)
    if apply:
        topics = admin.create(topics)
    missing = sum(topic.status is Status.MISSING for topic in topics)
    _report(config.file.name, topics, missing, output)
    if missing:
        how_many = "" if all(topic.partitions for topic in topics) else " --partitions 3"
        note(f"{missing} missing; create with: stream topics {pipeline} --apply{how_many}")
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _report(pipeline: str, topics: Sequence[Topic], missing: int, output: Output) -> None:
    if output is Output.JSON:
        as_json({"pipeline": pipeline, "missing": missing, "topics": [_facts(topic) for topic in topics]})
        return
    rows = [(t.role, t.name, t.status, t.partitions or None, "; ".join(t.remarks)) for t in topics]
    as_table(("role", "topic", "status", "partitions", "remarks"), rows)


def _facts(topic: Topic) -> dict[str, Any]:
    return {
        "topic": topic.name,
        "role": topic.role.value,
        "status": topic.status.value,
        "partitions": topic.partitions or None,
        "remarks": topic.remarks,
    }
