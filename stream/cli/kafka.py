"""`stream kafka start | stop | status`: a real Apache Kafka for a laptop, kept in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream.cli.show import Output, OutputOption, as_json, note
from stream.errors import ExitCode

if TYPE_CHECKING:
    from stream.devkafka import Cluster

DEFAULT_FOLDER: Final = Path(".stream/kafka")
DEFAULT_PORT: Final = 9092


app = typer.Typer(
    name="kafka",
    help="A real Apache Kafka for a laptop, from pip packages alone (extra `devkafka`).",
    no_args_is_help=True,
)
FolderOption = Annotated[Path, typer.Option("--folder", help="Where its state, logs and data are.")]
BrokersOption = Annotated[
    int | None, typer.Option("--brokers", help="1 or 3; default: what the folder holds, else 1.", show_default=False)
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=1024,
        max=65_533,
        help=f"Of the first broker, the others follow; default: {DEFAULT_PORT}, or free ones.",
        show_default=False,
    ),
]


@app.command(epilog="Example: stream kafka start --brokers 3")
def start(
    brokers: BrokersOption = None,
    port: PortOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start it in the background. The first time ever it is downloaded and prepared (about 20 s)."""
    cluster = _cluster(folder, brokers, port if port is not None else _usual_port(folder, brokers or 1))
    before = cluster.alive()
    cluster.start()
    _report(cluster, output, "was running already" if before == cluster.alive() else "is running")
    if output is Output.TABLE:
        typer.echo(_next_steps(cluster, folder))


@app.command(epilog="Example: stream kafka stop && rm -r .stream/kafka   (and its data)")
def stop(folder: FolderOption = DEFAULT_FOLDER, output: OutputOption = Output.TABLE) -> None:
    """Stop it; its data stays. Stop the workers first: they would wait for it."""
    cluster = _cluster(folder)
    before = cluster.alive()
    cluster.stop()
    _report(cluster, output, "is stopped" if before else "was not running")


@app.command(epilog="Example: stream kafka status --output json | jq -r .bootstrap")
def status(folder: FolderOption = DEFAULT_FOLDER, output: OutputOption = Output.TABLE) -> None:
    """Say what runs and where. Exit code 1 unless all of its brokers run."""
    cluster = _cluster(folder)
    running = _facts(cluster)["running"]
    _report(cluster, output, "is running" if running else "runs in part" if cluster.alive() else "is not running")
    if not running:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _cluster(folder: Path, brokers: int | None = None, port: int | None = None) -> Cluster:
    from stream.devkafka import Cluster

    return Cluster(folder, brokers, port=port, report=note)


def _usual_port(folder: Path, brokers: int) -> int | None:
    """DEFAULT_PORT for a new cluster if it and the ones that follow are free; a cluster keeps the ports it has."""
    from stream.devkafka.ports import is_free
    from stream.devkafka.state import read_state

    usual = range(DEFAULT_PORT, DEFAULT_PORT + brokers)
    return DEFAULT_PORT if read_state(folder) is None and all(map(is_free, usual)) else None


def _facts(cluster: Cluster) -> dict[str, Any]:
    """What `--output json` prints; brokers is empty and bootstrap null where nothing was ever started."""
    from stream.devkafka.state import read_state

    state, pids = read_state(cluster.folder), cluster.pids
    nodes = state.nodes if state else ()
    return {
        "running": bool(nodes) and len(pids) == len(nodes),
        "bootstrap": state.bootstrap if state else None,
        "version": state.version if state else None,
        "folder": str(cluster.folder),
        "brokers": [{"id": node.id, "port": node.port, "pid": pids.get(node.id)} for node in nodes],
    }


def _report(cluster: Cluster, output: Output, verdict: str) -> None:
    facts = _facts(cluster)
    if output is Output.JSON:
        as_json(facts)
        return
    version = f" {facts['version']}" if facts["version"] else ""
    typer.echo(f"Apache Kafka{version} {verdict} ({facts['folder']})")
    for broker in facts["brokers"]:
        state = f"pid {broker['pid']}" if broker["pid"] else "not running"
        typer.echo(f"  broker {broker['id']}  127.0.0.1:{broker['port']}  {state}")


def _next_steps(cluster: Cluster, folder: Path) -> str:
    option = "" if folder == DEFAULT_FOLDER else f" --folder {folder}"
    return (
        f"Next:\n"
        f"  export STREAM_KAFKA_BOOTSTRAP_SERVERS={cluster.bootstrap}\n"
        f"  stream topics PIPELINE --apply     create what a pipeline needs\n"
        f"  stream run PIPELINE                run it\n"
        f"  stream kafka stop{option}"
    )
