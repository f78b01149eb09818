"""Where the demonstration's pipeline is: in the installed package, or beside it in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from stream.errors import ConfigurationError

PIPELINE: Final = Path("pipelines", "flights.yaml")


def example(package: Path = Path(__file__).parents[1]) -> Path:
    """The pipeline file, with what it names around it. Raises ConfigurationError where there is none."""
    for folder in (package / "demo" / "example", package.parent):
        if (folder / PIPELINE).is_file():
            return folder / PIPELINE
    raise ConfigurationError(["this installation has no example: run `stream demo` with --pipeline"])
