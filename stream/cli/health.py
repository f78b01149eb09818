"""Ask a worker on this machine whether it is alive, or ready."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any, Final

import typer

from stream.cli.show import Output, OutputOption, as_json
from stream.errors import ConfigurationError, ExitCode

VARIABLE: Final = "STREAM_HTTP_ADDRESS"
DEFAULT: Final = "127.0.0.1:9464"
TIMEOUT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 65_536
EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
"""What a server listens on that wants to be reached from everywhere, and where it is reached from here."""
EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream health               0 while the loop goes round, whatever Kafka does
  stream health --ready       0 when running with partitions of its own

For a container's HEALTHCHECK: the image has no curl and needs none. The address
is STREAM_HTTP_ADDRESS, as the worker has it."""


def command(
    ready: Annotated[bool, typer.Option("--ready", help="Ask /readyz instead of /livez.")] = False,
    address: Annotated[
        str | None, typer.Option("--address", help="host:port of the worker's pages.", show_default=f"{VARIABLE}")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask a worker on this machine whether it is alive, or ready. Exit code 1 when it is not, or does not answer."""
    page = "/readyz" if ready else "/livez"
    url = f"http://{reachable(address or os.environ.get(VARIABLE) or DEFAULT)}{page}"
    status, facts = ask(url)
    if output is Output.JSON:
        as_json({"url": url, "status": status, **facts})
    else:
        word = "no answer" if status is None else "yes" if status == 200 else "no"
        typer.echo(f"{url}: {word}" + "".join(f", {name} {value}" for name, value in facts.items() if value != ""))
    raise typer.Exit(ExitCode.DONE if status == 200 else ExitCode.CHECK_FAILED)


def reachable(address: str) -> str:
    """host:port to connect to, of host:port that is listened on. Raises ConfigurationError for port 0."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) == 0:
        raise ConfigurationError([f"{address} is no host:port that can be asked: give --address, or set {VARIABLE}"])
    return f"{EVERY_ADDRESS.get(host, host)}:{port}"


def ask(url: str) -> tuple[int | None, dict[str, Any]]:
    """(status, what the page says); (None, why) when nobody answers as a worker does."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return answer.status, _facts(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _facts(error.read(MAX_ANSWER_BYTES))
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return None, {"reason": str(reason)}


def _facts(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"reason": "the answer is not a worker's"}
    return found if isinstance(found, dict) else {"reason": "the answer is not a worker's"}
