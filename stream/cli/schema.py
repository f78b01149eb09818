"""Print the JSON Schema of the pipeline file, for editors."""

from __future__ import annotations

import json
from typing import Final

import typer

EXAMPLES: Final = """\
[bold]Examples[/bold]

  stream schema > pipeline.schema.json

First line of a pipeline file, so that an editor completes and checks it:

  # yaml-language-server: $schema=pipeline.schema.json"""


def command() -> None:
    """Print the JSON Schema of the pipeline file, for editors."""
    from stream.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
