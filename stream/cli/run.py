"""Run pipelines: read, validate, score and write, each event exactly once, until stopped."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.show import Output, OutputOption, as_json, as_table
from stream.errors import ExitCode
from stream.memory import limit_arenas

if TYPE_CHECKING:
    from stream.summary import Summary
    from stream.supervisor import Member

EXAMPLES = """\
[bold]Examples[/bold]

  stream run pipelines/flights.yaml               until SIGTERM or Ctrl-C
  stream run pipelines/flights.yaml --workers 2   two processes, one group
  stream run pipelines/flights.yaml --until-caught-up --output json
  stream run pipelines/a.yaml pipelines/b.yaml    a chain, or side by side

Metrics and health: http://127.0.0.1:9464/ (STREAM_HTTP_ADDRESS; each further
worker takes the next port)."""


def command(
    pipelines: Annotated[list[Path], typer.Argument(help="Pipeline files.", show_default=False)],
    workers: Annotated[int, typer.Option(min=1, max=256, help="Worker processes of each pipeline.")] = 1,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="Process what is there, commit it, print a summary and end.")
    ] = False,
    output: OutputOption = Output.TABLE,
    slot: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Run pipelines until SIGTERM or Ctrl-C; a second one gives up the batch in hand."""
    if workers > 1 or len(pipelines) > 1:
        raise typer.Exit(_run_many(pipelines, workers, until_caught_up, output))
    facts = _facts(pipelines[0], _run_one(pipelines[0], slot, until_caught_up))
    if until_caught_up:
        _show(facts, output)


def _run_one(path: Path, slot: int, until_caught_up: bool) -> Summary:
    faulthandler.enable()  # a crash in native code says where it was called from
    limit_arenas(os.environ)
    gc.disable()  # what is imported and loaded stays: looking through it a hundred times is an eighth of a start
    # Until it runs there is nothing to finish. No exception: a native module that is being loaded turns one into
    # an ImportError of its own.
    _on_stop_signals(lambda: os._exit(ExitCode.DONE))
    from stream.service import Service

    with Service(path, os.environ, slot) as service:
        _on_stop_signals(service.stop)
        summary = service.run(until_caught_up=until_caught_up)
    gc.freeze()  # the process ends: Python would look three times for cycles among all there is
    return summary


def _run_many(paths: list[Path], workers: int, until_caught_up: bool, output: Output) -> int:
    from stream.supervisor import Supervisor

    members = [_member(path, slot, index, until_caught_up) for index, (path, slot) in enumerate(_slots(paths, workers))]
    supervisor = Supervisor(members, capture=until_caught_up)
    _on_stop_signals(supervisor.stop, give_up=False)
    code = supervisor.run()
    if until_caught_up:
        _show(_merged([json.loads(text) for text in supervisor.captured if text.strip()]), output)
    return code


def _slots(paths: list[Path], workers: int) -> list[tuple[Path, int]]:
    return [(path, slot) for path in paths for slot in range(workers)]


def _member(path: Path, slot: int, index: int, until_caught_up: bool) -> Member:
    """A worker of its own slot (a stable identity), with health pages on a port of its own."""
    from stream.supervisor import Member

    command = [sys.executable, "-m", "stream", "run", str(path), "--slot", str(slot)]
    if until_caught_up:
        command += ["--until-caught-up", "--output", "json"]
    address = os.environ.get("STREAM_HTTP_ADDRESS") or "127.0.0.1:9464"
    host, _, port = address.rpartition(":")
    if port.isdecimal() and int(port):
        address = f"{host}:{int(port) + index}"
    return Member(f"{path.stem}, worker {slot}", command, {**os.environ, "STREAM_HTTP_ADDRESS": address})


def _on_stop_signals(stop: Callable[[], None], *, give_up: bool = True) -> None:
    """The first signal asks to finish; the second ends at once, which leaves nothing half done: it aborts."""
    asked = False

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and give_up:
            os._exit(ExitCode.FATAL)
        asked = True
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _facts(path: Path, summary: Summary) -> dict[str, Any]:
    """The two moments are of the machine's monotonic clock, which all workers share."""
    return {
        "pipelines": [path.stem],
        "events": summary.events,
        "outputs": dict(summary.outputs),
        "dead_letters": dict(summary.dead_letters),
        "filtered": summary.filtered,
        "retried": summary.retried,
        "batches": summary.batches,
        "stages": {
            name: {"seconds": round(report.seconds, 6), "passed": report.passed, "failed": report.failed}
            for name, report in summary.stages.items()
        },
        "transaction_s": round(summary.transaction_s, 4),
        "cpu_s": round(summary.cpu_s, 4),
        "wall_s": round(summary.wall_s, 4),
        "first_poll_s": summary.first_poll_s,
        "last_commit_s": summary.last_commit_s if summary.events else None,
    }


def _merged(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """Workers side by side: counts add up, the time is from the first poll to the last commit of any."""
    first = min((f["first_poll_s"] for f in facts if f["first_poll_s"] is not None), default=None)
    last = max((f["last_commit_s"] for f in facts if f["last_commit_s"] is not None), default=None)
    return {
        "pipelines": sorted({name for f in facts for name in f["pipelines"]}),
        "events": sum(f["events"] for f in facts),
        "outputs": _added([f["outputs"] for f in facts]),
        "dead_letters": _added([f["dead_letters"] for f in facts]),
        "filtered": sum(f["filtered"] for f in facts),
        "retried": sum(f["retried"] for f in facts),
        "batches": sum(f["batches"] for f in facts),
        "stages": {
            name: _added([f["stages"].get(name, {}) for f in facts]) for name in _names([f["stages"] for f in facts])
        },
        "transaction_s": round(sum(f["transaction_s"] for f in facts), 4),
        "cpu_s": round(sum(f["cpu_s"] for f in facts), 4),
        "wall_s": round(last - first, 4) if first is not None and last is not None else 0.0,
        "first_poll_s": first,
        "last_commit_s": last,
    }


def _added(counts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(count.get(name, 0) for count in counts) for name in _names(counts)}


def _names(dicts: Iterable[dict[str, Any]]) -> list[str]:
    """Every key, in the order in which they first appear."""
    return list(dict.fromkeys(name for found in dicts for name in found))


def _show(facts: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        as_json(facts)
        return
    rows = [("events", facts["events"])]
    rows += [(f"to {topic}", n) for topic, n in facts["outputs"].items()]
    rows += [(f"dead letters, {reason}", n) for reason, n in facts["dead_letters"].items()]
    rows += [("filtered", facts["filtered"]), ("to be tried again", facts["retried"])]
    rows += [("seconds, first poll to last commit", facts["wall_s"])]
    as_table(["", "number"], rows)
