"""Show where a pipeline stands in its input; with --to, go on somewhere else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream.cli.show import Output, OutputOption, as_json, as_table, note
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.kafka.moving import Move, Standing

EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream positions flights.yaml                         where it stands
  stream positions flights.yaml --to earliest           what that would do
  stream positions flights.yaml --to 2026-01-31T06:00:00Z --yes
  stream positions flights.yaml --to 41200 --topic flights --partition 2"""


def command(
    pipeline: Annotated[Path, typer.Argument(help="The pipeline file.")],
    *,
    to: Annotated[
        str | None, typer.Option("--to", help="earliest, latest, an offset, -N for N before the end, or a time.")
    ] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Only this input.", show_default="all")] = None,
    partition: Annotated[int | None, typer.Option("--partition", min=0, help="Only this partition of it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only shown what would be done.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show where a pipeline stands in its input; with --to, go on somewhere else.

    Stop its workers first: Kafka refuses the change while one is in the group.
    Going forward skips events, going back reads them again, so that their
    results are there twice. Retry topics and dead letters stay as they are.
    """
    from stream.config import load
    from stream.kafka.connection import Connection
    from stream.kafka.moving import Group
    from stream.kafka.tailing import Start

    start = Start.parse(to, "--to") if to is not None else None
    config = load(pipeline, os.environ)
    config.environment.require_kafka()
    group = Group(Connection(config.environment.kafka_properties()), config.file.name)
    standings = _asked(group.standings(_inputs(config.file.input.topics, topic)), partition)
    if start is None:
        _show(config.file.name, standings, output)
        return
    moves = group.moves(standings, start)
    if yes:
        group.move(moves)
    _show_moves(config.file.name, moves, output, done=yes)


def _inputs(topics: Sequence[str], topic: str | None) -> Sequence[str]:
    if topic is not None and topic not in topics:
        raise ConfigurationError([f"--topic {topic}: not an input of the pipeline, which reads {', '.join(topics)}"])
    return topics if topic is None else [topic]


def _asked(standings: list[Standing], partition: int | None) -> list[Standing]:
    asked = [s for s in standings if partition in (None, s.partition)]
    if not asked:
        raise ConfigurationError([f"--partition {partition}: there is none of this number"])
    return asked


def _show(pipeline: str, standings: Sequence[Standing], output: Output) -> None:
    if output is Output.JSON:
        as_json({"pipeline": pipeline, "positions": [_facts(s) for s in standings]})
        return
    rows = [(s.topic, s.partition, s.committed, s.first, s.end, s.unread) for s in standings]
    as_table(("topic", "partition", "next offset", "first there", "end", "unread, at most"), rows)
    if all(s.committed is None for s in standings):
        note("The group has no positions: it begins where `input.start` says.")


def _show_moves(pipeline: str, moves: Sequence[Move], output: Output, *, done: bool) -> None:
    skipped, again = (sum(max(0, sign * m.by) for m in moves) for sign in (1, -1))
    if output is Output.JSON:
        facts = [{**_facts(m.standing), "to": m.to} for m in moves]
        as_json({"pipeline": pipeline, "moved": done, "skipped": skipped, "read_again": again, "positions": facts})
        return
    rows = [(m.standing.topic, m.standing.partition, m.standing.committed, m.to, m.by) for m in moves]
    as_table(("topic", "partition", "next offset", "goes on at", "by"), rows)
    tense = "are" if done else "would be"
    note(f"{skipped:,} events {tense} skipped, {again:,} read again (at most: markers of transactions count too).")
    if not done:
        note("Nothing was done: add --yes to do it.")


def _facts(standing: Standing) -> dict[str, object]:
    return {
        "topic": standing.topic,
        "partition": standing.partition,
        "committed": standing.committed,
        "first": standing.first,
        "end": standing.end,
        "unread": standing.unread,
    }
