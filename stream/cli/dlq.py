"""`stream dlq`: look at dead letters, send them again, discard them; what was done is kept."""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream.cli.show import Output, OutputOption, as_json, counted, note
from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.config import Config
    from stream.dlq.columns import Filter
    from stream.dlq.letters import DeadLetterTopic
    from stream.dlq.work import Order

HEX_BYTES: Final = 512
MAX_REPLAYS: Final = 3
COLUMNS: Final = """\
Columns of --where: reason stage class message family suite expectations model
schema pipeline topic partition offset timestamp attempts replays failed_at
first_failed_at age_s key pointer headers.<name> dlq_partition dlq_offset

"""

app = typer.Typer(
    name="dlq",
    help="Dead letters: look at them, send them again, discard them.",
    rich_markup_mode="rich",
    no_args_is_help=True,
)
PipelineArgument = Annotated[Path, typer.Argument(help="The pipeline file.", show_default=False)]
WhereOption = Annotated[
    str | None, typer.Option("--where", help="SQL condition: which dead letters.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All that are unresolved.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only shown what would be done.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="So many at most.", show_default=False)]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Who is told to have done it; default: user@host.", show_default=False)
]
MaxReplaysOption = Annotated[
    int, typer.Option("--max-replays", min=1, max=1000, help="An event replayed so often is parked: it stays.")
]


@app.command("list", epilog=f"{COLUMNS}Example: stream dlq list pipelines/flights.yaml --where \"stage = 'validate'\"")
def list_(
    pipeline: PipelineArgument,
    *,
    where: WhereOption = None,
    max_replays: MaxReplaysOption = MAX_REPLAYS,
    output: OutputOption = Output.TABLE,
) -> None:
    """Count unresolved dead letters by stage, reason, expectations, model and age."""
    from stream.cli.letters import show_counts
    from stream.dlq.columns import Filter
    from stream.dlq.counts import Counts

    chosen = Filter.parse(where, everything=where is None)
    _, topic = _open(pipeline)
    book = topic.book()
    counts = Counts(int(time.time() * 1000))
    with counted("dead letters") as tell:
        for letters in topic.unresolved(topic.spans(), book):
            counts.add(letters, chosen.chosen(letters, counts.now_ms).nonzero()[0].tolist(), max_replays)
            tell(counts.total)
    show_counts(topic.name, counts, book, output)


@app.command(epilog="Example: stream dlq show pipelines/flights.yaml --partition 0 --offset 17")
def show(
    pipeline: PipelineArgument,
    *,
    partition: Annotated[int, typer.Option("--partition", min=0, help="Of the dead-letter topic.")],
    offset: Annotated[int, typer.Option("--offset", min=0, help="In that partition.")],
    most: Annotated[int, typer.Option("--bytes", min=0, help="So many bytes in hex.")] = HEX_BYTES,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one dead letter: why it failed, its headers, and the event as far as it can be decoded."""
    from stream.assembly import input_schema, schema_store
    from stream.cli.letters import facts_of_one, show_one
    from stream.cli.sight import sights
    from stream.kafka.snapshot import Lookup

    config, topic = _open(pipeline)
    letters = topic.one(partition, offset)
    facts, event = letters.facts[0], letters.messages
    if facts.pointer and facts.origin is not None and facts.origin.topic in topic.inputs():
        with closing(Lookup(topic.connection)) as lookup:
            event = lookup.message(facts.origin) or event
    schema = input_schema(config)
    found = sights(event, schema_store(config, [schema]), [schema])
    one = facts_of_one(letters, event, found, resolved=(partition, offset) in topic.book(), most=most)
    as_json(one) if output is Output.JSON else show_one(one)


@app.command(
    epilog=f"""{COLUMNS}[bold]Examples[/bold]

  stream dlq replay p.yaml --where "reason = 'expectation'"
  stream dlq replay p.yaml --where "reason = 'expectation'" --yes
  stream dlq replay p.yaml --where "age_s < 86400" --yes --rate 100
  stream dlq replay p.yaml --all --limit 10 --yes

The first shows what would go where, the others do it."""
)
def replay(
    pipeline: PipelineArgument,
    *,
    where: WhereOption = None,
    everything: AllOption = False,
    yes: YesOption = False,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Events per second at most; 0 for no limit.")] = 0.0,
    limit: LimitOption = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="To go on with after an interruption; default: made of the filter."),
    ] = None,
    max_replays: MaxReplaysOption = MAX_REPLAYS,
    by: ByOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Send dead letters back to the input they were read from, each exactly once.

    An event goes back as it was: key, value, headers, timestamp, partition; only
    to an input of this pipeline. Run again after an interruption, it goes on.
    """
    from stream.dlq.columns import Filter
    from stream.dlq.resolved import Action
    from stream.dlq.restoring import Restorer
    from stream.dlq.work import Order
    from stream.kafka.snapshot import Lookup

    chosen = Filter.parse(where, everything=everything)
    config, topic = _open(pipeline)
    with closing(Lookup(topic.connection)) as lookup:
        restorer = Restorer(config.file.name, topic.inputs(), max_replays, lookup.message if yes else None)
        order = Order(Action.REPLAYED, _name(name, chosen), chosen, restorer.restore, _who(by), limit=limit, rate=rate)
        _carry_out(config, topic, order, yes, output)


@app.command(
    epilog=f'{COLUMNS}Example: stream dlq discard p.yaml --where "reason = \'not_avro\'" --reason "test data" --yes'
)
def discard(
    pipeline: PipelineArgument,
    *,
    where: WhereOption = None,
    everything: AllOption = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with who and when.")],
    yes: YesOption = False,
    limit: LimitOption = None,
    by: ByOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Take dead letters off the list for good. They stay in the topic until its retention ends."""
    from stream.dlq.columns import Filter
    from stream.dlq.resolved import Action
    from stream.dlq.work import Order

    if not reason.strip():
        raise ConfigurationError(["--reason must say why"])
    chosen = Filter.parse(where, everything=everything)
    config, topic = _open(pipeline)
    name = _name(None, chosen)
    order = Order(Action.DISCARDED, name, chosen, lambda _letters, _row: None, _who(by), reason, limit)
    _carry_out(config, topic, order, yes, output)


@app.command(epilog=f"{COLUMNS}Example: stream dlq export p.yaml --where \"stage = 'decode'\" --output dead.jsonl")
def export(
    pipeline: PipelineArgument,
    *,
    where: WhereOption = None,
    everything: AllOption = False,
    file: Annotated[Path, typer.Option("--output", help="File of JSON lines; one that is there is replaced.")],
    limit: LimitOption = None,
) -> None:
    """Write unresolved dead letters to a file, one JSON object a line: facts, headers, value, decoded event."""
    from stream.assembly import input_schema, schema_store
    from stream.cli.decoding import PlainReader
    from stream.cli.letters import write_lines
    from stream.dlq.columns import Filter

    chosen = Filter.parse(where, everything=everything)
    config, topic = _open(pipeline)
    plain = PlainReader(schema_store(config, [input_schema(config)]), codec="reference")
    now_ms = int(time.time() * 1000)
    chunks = (letters.take(chosen.chosen(letters, now_ms)) for letters in topic.unresolved(topic.spans(), topic.book()))
    with counted("written") as tell:
        written = write_lines(file, chunks, plain, limit, tell)
    note(f"{written} dead letters written to {file}")


@app.command(epilog="Example: stream dlq history pipelines/flights.yaml")
def history(pipeline: PipelineArgument, *, output: OutputOption = Output.TABLE) -> None:
    """Show what was replayed and discarded: when, by whom, which, why, how many."""
    from stream.cli.letters import show_history

    _, topic = _open(pipeline)
    show_history(topic.book(), output)


def _open(pipeline: Path) -> tuple[Config, DeadLetterTopic]:
    from stream.config import load
    from stream.dlq.letters import DeadLetterTopic
    from stream.kafka.connection import Connection

    config = load(pipeline, os.environ)
    config.environment.require_kafka()
    return config, DeadLetterTopic.open(config.file, Connection(config.environment.kafka_properties()))


def _carry_out(config: Config, topic: DeadLetterTopic, order: Order, yes: bool, output: Output) -> None:
    """Show what would be done, or do it."""
    from stream.cli.letters import show_preview, show_tally
    from stream.dlq.resolved import Owner
    from stream.dlq.work import Work, preview
    from stream.failpoints import failpoint
    from stream.kafka.writing import TransactionalWriter

    now_ms = int(time.time() * 1000)
    if not yes:
        show_preview(order, preview(topic, order, now_ms), output)
        return
    topic = topic.with_resolved_topic(note)
    writer = TransactionalWriter(topic.writer_settings(), failpoint=failpoint(config.environment.failpoint))
    with counted(order.action) as tell:
        me = Owner(uuid.uuid4().hex, order.by, now_ms)
        work = Work(topic, writer, order, me, tell=tell)
        tally = work.run()
    show_tally(order, tally, output)


def _name(given: str | None, chosen: Filter) -> str:
    """A name for all runs with the same filter, so that the same command goes on where it was interrupted."""
    import hashlib

    if given is not None:
        if not given or "/" in given or not given.isprintable():
            raise ConfigurationError([f"--name {given!r}: must be printable text of at least a character, without '/'"])
        return given
    return f"where-{hashlib.sha256(chosen.text.encode()).hexdigest()[:8]}" if chosen.text else "all"


def _who(given: str | None) -> str:
    if given is not None:
        return given
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
