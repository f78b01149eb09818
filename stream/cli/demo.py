"""Watch 336,776 real flights go through a real Kafka, exactly once, over a worker that is killed."""

from __future__ import annotations

import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.show import Output, OutputOption, as_json, as_table
from stream.errors import ExitCode

if TYPE_CHECKING:
    from stream.demo.play import Report

EXAMPLES = """\
[bold]Examples[/bold]

  stream demo                all flights; exit code 1 if one is lost or doubled
  stream demo --keep         leave Kafka and the worker running to look around
  stream demo --limit 20000 --output json"""


def command(
    pipeline: Annotated[
        Path | None, typer.Option(help="The pipeline to run.", show_default="the flights that come along")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where Kafka's data and the worker's log are kept.")] = Path(
        ".stream/demo"
    ),
    rate: Annotated[float, typer.Option(min=1, help="Flights produced per second.")] = 20_000.0,
    limit: Annotated[int | None, typer.Option(min=1000, help="Only so many flights.", show_default="all")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave Kafka and the worker running to play with.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Produce flights, score them in a worker, kill it in the middle, and prove that nothing is lost or doubled."""
    from stream.demo.example import example
    from stream.demo.play import Play
    from stream.demo.screen import Screen

    folder.mkdir(parents=True, exist_ok=True)
    with Screen(quiet=output is Output.JSON) as screen:
        run = pipeline or example()
        play = Play(run, folder, screen.say, screen.show, rate, limit, keep, http_address=_free_address())
        report = play.run()
    if output is Output.JSON:
        as_json(facts(report))
    else:
        tell(report, folder, keep)
    raise typer.Exit(ExitCode.DONE if report.verdict.holds else ExitCode.CHECK_FAILED)


def facts(report: Report) -> dict[str, Any]:
    """The report as one JSON object; times in seconds."""
    verdict = report.verdict
    return {
        **asdict(verdict),
        "exactly_once": verdict.holds,
        "worker_kills": report.kills,
        "seconds": round(report.seconds, 3),
        "latency_p50_s": round(report.latency_p50_s, 4),
        "latency_p99_s": round(report.latency_p99_s, 4),
    }


def tell(report: Report, folder: Path, keep: bool) -> None:
    """The report as a table, and where to look next."""
    verdict = report.verdict
    rows: list[tuple[str, object]] = [("events produced", verdict.events)]
    rows += [(f"in {topic}", count) for topic, count in verdict.by_topic.items()]
    rows += [(f"dead letters, {reason}", count) for reason, count in verdict.by_reason.items()]
    rows += [("lost", verdict.lost), ("duplicated", verdict.duplicated), ("unexpected", verdict.unexpected)]
    rows += [("workers killed", report.kills), ("seconds", report.seconds)]
    rows += [("latency p50, s", report.latency_p50_s), ("latency p99, s", report.latency_p99_s)]
    as_table(["what an independent reader found", "number"], rows)
    if verdict.holds:
        typer.echo("\nExactly once: every event is in exactly one place, over a worker killed in the middle.")
    else:
        typer.echo("\nNOT exactly once: see the numbers above.")
    typer.echo(_next_steps(report, folder, keep))


def _next_steps(report: Report, folder: Path, keep: bool) -> str:
    tails = [f"  stream tail {topic} --from earliest --count 3" for topic in report.verdict.by_topic]
    if not keep:
        log = f"The worker's log is {report.log}. To look around alive: stream demo --keep, which also leaves"
        return "\n".join([log, "the metrics page, and the topics for", *tails])
    return "\n".join(
        [
            "\nKafka and the worker are still running. Look at",
            f"  export STREAM_KAFKA_BOOTSTRAP_SERVERS={report.bootstrap}",
            *tails,
            f"  http://{report.http_address}/metrics",
            f"and end it with: kill {report.worker_pid}; stream kafka stop --folder {folder / 'kafka'}",
        ]
    )


def _free_address() -> str:
    """An address for the worker's pages that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
