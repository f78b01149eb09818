"""Make a new project that runs at once: pipeline, schemas, suite, model, events, a test."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from stream.cli.show import Output, OutputOption, as_json

EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream init machines                make it in the folder machines
  stream init . --name machines       in this folder, if it is empty

Readings of machines are checked, scored by a small model, and routed. Put your
schema, your suite and your model in the place of these: docs/tutorial.md."""


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")],
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the pipeline and its topics.", show_default="the folder's"),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a new project that runs at once. Nothing is overwritten."""
    from stream.scaffold.project_files import EVENTS, make_project, pipeline_path, project_name

    called = project_name(folder) if name is None else name
    files = make_project(folder, called)
    pipeline = pipeline_path(called)
    following = [
        *([] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]),
        f"stream check {pipeline}",
        f"stream process {pipeline} --input {EVENTS} --output out",
        "python -m pytest tests",
        "stream kafka start",
    ]
    if output is Output.JSON:
        as_json({"folder": str(folder), "name": called, "files": files, "next": following})
        return
    typer.echo(f"{folder}: a project named {called}")
    for file in files:
        typer.echo(f"  {file}")
    typer.echo("\nNext:")
    for line in following:
        typer.echo(f"  {line}")
    typer.echo("and go on with its README.md.")
