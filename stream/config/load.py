"""A pipeline file and the environment become one checked Config, or every mistake in them is told."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from stream.config import environment as environment_variables
from stream.config.document import Document, parse
from stream.config.environment import Environment
from stream.config.mistakes import problems_of
from stream.config.pipeline_file import PipelineFile
from stream.config.rules import broken_rules
from stream.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from stream.stages.stage import Project


@dataclass(frozen=True, slots=True)
class Config:
    """What to run (file) and where (environment), both checked against each other."""

    path: Path
    file: PipelineFile
    environment: Environment
    document: Document
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All variables, for references such as ${env:NAME}; never shown."""

    @property
    def project(self) -> Project:
        """What surrounds the stages: where files are looked up, the pipeline's name, the environment."""
        from stream.stages.stage import Project

        return Project(self.path.parent, self.file.name, self.environ)

    def locate(self, problem: Problem) -> Problem:
        """The problem with its place in the pipeline file, found from `at`; one that has a place keeps it."""
        return problem if problem.place else replace(problem, place=self.document.place(problem.at))

    def resolved(self) -> dict[str, Any]:
        """Everything that holds, defaults included, as plain data to print. Secrets are ***."""
        where = self.environment
        registry = {"url": where.registry.url, **where.registry.credentials} if where.registry else None
        return {
            "file": self.file.model_dump(mode="json", by_alias=True),
            "environment": {
                "instance": where.instance,
                "http_address": where.http_address,
                "log_format": where.log_format,
                "codec": where.codec,
                "transport": where.transport,
                "schema_registry": registry and {key: str(value) for key, value in registry.items()},
                "kafka": {name: str(value) for name, value in sorted(where.kafka.items())},
            },
        }


def load(
    path: Path, environ: Mapping[str, str], *, host_name: str | None = None, terminal: bool | None = None
) -> Config:
    """Read and check a pipeline file and the STREAM_* variables.

    host_name is the default instance, terminal decides the default log format; both are taken from
    the machine when not given. Raises ConfigurationError with every mistake, each with its place.
    """
    environment, problems = environment_variables.read(
        environ,
        host_name=socket.gethostname() if host_name is None else host_name,
        terminal=sys.stderr.isatty() if terminal is None else terminal,
    )
    try:
        document = parse(_text(path), str(path))
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *problems]) from None
    file, found = _validated(document, path)
    if file is not None:
        located = [p if p.place else replace(p, place=document.place(p.at)) for p in broken_rules(file, environment)]
        found += located
    if file is None or found or problems:
        raise ConfigurationError([*sorted(found, key=_line), *problems])
    return Config(path, file, environment, document, environ)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError([Problem(f"cannot be read: {error.strerror}", place=str(path))]) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError([Problem(f"is not UTF-8 text, at byte {error.start}", place=str(path))]) from None


def _validated(document: Document, path: Path) -> tuple[PipelineFile | None, list[Problem]]:
    """The file's model, or None, with the problems that the text and the values have."""
    problems, data = list(document.problems), document.data
    if isinstance(data, dict):
        data = {"pipeline": path.stem, **data}
    try:
        return PipelineFile.model_validate(data), problems
    except ValidationError as error:
        return None, problems + problems_of(error, PipelineFile, document)


def _line(problem: Problem) -> tuple[int, int]:
    """Problems are told in the order of the file."""
    numbers = problem.place.rsplit(":", 2)[1:]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 and all(n.isdecimal() for n in numbers) else (0, 0)
