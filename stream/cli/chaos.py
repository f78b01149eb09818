"""Break a running pipeline on purpose, again and again, and prove that no event is lost or doubled."""

from __future__ import annotations

import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.show import Output, OutputOption, as_json, as_table
from stream.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from stream.chaos.plan import Plan
    from stream.chaos.verdict import Seen

INTERRUPTED: Final = 130
MINUTES, EVERY_S, RATE = 2.0, 5.0, 1_000.0
WORKERS, BROKERS, PROTOCOL = 3, 3, "classic"
BURSTS: Final = {"steady": "", "bursts": ", in bursts, in batches that fill for up to 4 s"}
EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream chaos                      two minutes of faults, three brokers
  stream chaos --seed 7             the faults of that seed again
  stream chaos --seed 7 --plan      only say what they are
  stream chaos --faults kill,broker-kill --minutes 10 --every 3
  stream chaos --brokers 1 --output json

Exit code 0: every promise held. 1: one was broken, and which. The faults
follow from the seed; the machine's timing does not. One seed in three has
its events in bursts. Workers are given STREAM_TRANSPORT and STREAM_CODEC, if
they are set."""


def command(
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="How long faults are made.")] = MINUTES,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the faults.", show_default="any")] = None,
    faults: Annotated[
        str, typer.Option("--faults", help="Kinds, with commas in between.", show_default="all that are possible")
    ] = "",
    workers: Annotated[int, typer.Option(min=1, max=6, help="Worker processes.")] = WORKERS,
    brokers: Annotated[int, typer.Option(help="1 or 3; one alone is never stopped.")] = BROKERS,
    every: Annotated[float, typer.Option(min=0.2, help="Mean seconds from one fault to the next.")] = EVERY_S,
    rate: Annotated[float, typer.Option(min=50, max=50_000, help="Events produced per second.")] = RATE,
    protocol: Annotated[str, typer.Option(help="Group protocol: classic or consumer.")] = PROTOCOL,
    load: Annotated[
        str, typer.Option(help="How events come: steady, or bursts in slow batches.", show_default="by the seed")
    ] = "",
    folder: Annotated[Path, typer.Option(help="Where Kafka's data and the workers' logs are kept.")] = Path(
        ".stream/chaos"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the brokers and their data to look at.")] = False,
    only_plan: Annotated[bool, typer.Option("--plan", help="Print the faults of the seed, and end.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a pipeline on a Kafka of its own, break it on purpose, and check every event.

    Workers are killed, stopped, added and taken away, brokers killed,
    connections cut, requests held back, the registry fails, the model file is
    swapped, a disk fills. In the end a reader of its own compares what is
    there with what must be.
    """
    from stream.chaos.report import facts
    from stream.chaos.run import Run
    from stream.chaos.screen import Screen
    from stream.chaos.verdict import broken

    plan = _plan(
        secrets.randbelow(2**31) if seed is None else seed,
        minutes * 60,
        faults,
        workers,
        brokers,
        every,
        rate,
        protocol,
        load,
        keep,
    )
    if only_plan:
        _tell_plan(plan, output)
        return
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(INTERRUPTED))  # nothing is left behind
    with Screen(quiet=output is Output.JSON) as screen:
        fed = (
            f"{plan.workers} workers on {plan.brokers} brokers, fed {plan.rate:,.0f} events a second{BURSTS[plan.load]}"
        )
        screen.say(f"seed {plan.seed}: {len(plan.schedule)} faults in {plan.seconds:.0f} s, for a pipeline of {fed}")
        for kind, why in plan.chosen.left_out.items():
            screen.say(f"without {kind}: {why}")
        seen = Run(plan, folder.absolute(), screen.say, screen.show).run()
    if output is Output.JSON:
        as_json(facts(plan, seen))
    else:
        _tell(plan, seen, folder, again_command(plan, every))
    raise typer.Exit(ExitCode.CHECK_FAILED if broken(seen) else ExitCode.DONE)


def _plan(
    seed: int,
    seconds: float,
    faults: str,
    workers: int,
    brokers: int,
    every: float,
    rate: float,
    protocol: str,
    load: str,
    keep: bool,
) -> Plan:
    from stream.chaos.brokers import disk_problem
    from stream.chaos.faults import choose
    from stream.chaos.plan import Plan
    from stream.chaos.rhythm import Rhythm, of_seed
    from stream.chaos.schedule import schedule

    problems = [f"--brokers {brokers}: must be 1 or 3"] if brokers not in (1, 3) else []
    if protocol not in ("classic", "consumer"):
        problems.append(f"--protocol {protocol}: must be classic or consumer")
    if load not in ("", *Rhythm):
        problems.append(f"--load {load}: must be steady or bursts")
    if problems:
        raise ConfigurationError(problems)
    chosen = choose([name.strip() for name in faults.split(",") if name.strip()], brokers, workers, disk_problem())
    rhythm = Rhythm(load) if load else of_seed(seed)
    planned = schedule(seed, seconds, chosen.kinds, workers=workers, brokers=brokers, every_s=every)
    return Plan(seed, seconds, chosen, planned, workers, brokers, rate, protocol, keep=keep, load=rhythm)


def _tell_plan(plan: Plan, output: Output) -> None:
    rows: list[dict[str, Any]] = [{"at_s": f.at_s, "fault": str(f)} for f in plan.schedule]
    if output is Output.JSON:
        as_json({"seed": plan.seed, "load": str(plan.load), "faults": rows})
    else:
        as_table(
            ["at, s", "fault"], [(row["at_s"], row["fault"]) for row in rows], f"seed {plan.seed}, load {plan.load}"
        )


def again_command(plan: Plan, every_s: float) -> str:
    """What one types for the same faults again: the seed and all that is not the default."""
    from stream.chaos.faults import Kind
    from stream.chaos.rhythm import of_seed

    asked = [*plan.chosen.kinds, *plan.chosen.left_out]
    options = [
        ("minutes", f"{plan.seconds / 60:g}", plan.seconds != MINUTES * 60),
        ("faults", ",".join(kind for kind in Kind if kind in asked), len(asked) < len(Kind)),
        ("workers", plan.workers, plan.workers != WORKERS),
        ("brokers", plan.brokers, plan.brokers != BROKERS),
        ("every", f"{every_s:g}", every_s != EVERY_S),
        ("rate", f"{plan.rate:g}", plan.rate != RATE),
        ("protocol", plan.protocol, plan.protocol != PROTOCOL),
        ("load", plan.load, plan.load is not of_seed(plan.seed)),
    ]
    return " ".join(
        [f"stream chaos --seed {plan.seed}", *(f"--{name} {text}" for name, text, given in options if given)]
    )


def _tell(plan: Plan, seen: Seen, folder: Path, again: str) -> None:
    from stream.chaos.report import event_rows, fault_rows, run_rows
    from stream.chaos.results import bound
    from stream.chaos.verdict import broken

    typer.echo("What was broken, and how long until every partition that it hit gave results of newer events:")
    as_table(["fault", "times", "p50 s", "p99 s", "what it is"], fault_rows(seen))
    typer.echo("\nWhat readers that share nothing with the workers found in the topics, id by id:")
    as_table(["events", "number", "should be"], event_rows(seen))
    typer.echo("\nWhat else was seen:")
    as_table(["run", "number", ""], run_rows(seen))
    problems = broken(seen)
    if problems:
        typer.echo("\nBROKEN:")
        for problem in problems:
            typer.echo(f"  {problem}")
        typer.echo(f"The workers' logs are in {folder / 'logs'}. The same faults again: {again}")
    else:
        done, events = sum(seen.done.values()), seen.findings.events
        typer.echo(f"\nHELD: {done} faults, {events:,} events, each in exactly one place, the right one.")
        if rate := bound(events):
            typer.echo(f"None wrong of so many means, with 95 % confidence: fewer than {rate} of events.")
        typer.echo(f"The same faults again: {again}")
    if plan.keep:
        typer.echo(f"Kafka still runs. To end it: stream kafka stop --folder {folder / 'kafka'}")
