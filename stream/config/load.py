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
from stream.config.salvage import Unjudged, salvage
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
    unjudged: Unjudged = field(default_factory=Unjudged)
    """What is wrong and was left out; nothing of a file that is right."""

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


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a pipeline file and the environment: every mistake in their form, and what is left to judge."""

    config: Config | None
    """Whole when there are no problems; else what can be judged further (see `Config.unjudged`), or None."""
    problems: list[Problem]


def load(
    path: Path, environ: Mapping[str, str], *, host_name: str | None = None, terminal: bool | None = None
) -> Config:
    """Read and check a pipeline file and the STREAM_* variables.

    host_name is the default instance, terminal decides the default log format; both are taken from
    the machine when not given. Raises ConfigurationError with every mistake, each with its place.
    """
    examined = examine(path, environ, host_name=host_name, terminal=terminal)
    if examined.config is None or examined.problems:
        raise ConfigurationError(examined.problems)
    return examined.config


def examine(
    path: Path, environ: Mapping[str, str], *, host_name: str | None = None, terminal: bool | None = None
) -> Examined:
    """As `load`, for who goes on to check what the file names, so that all mistakes are told at once."""
    environment, problems = environment_variables.read(
        environ,
        host_name=socket.gethostname() if host_name is None else host_name,
        terminal=sys.stderr.isatty() if terminal is None else terminal,
    )
    try:
        document = parse(_text(path), str(path))
    except ConfigurationError as error:
        return Examined(None, [*error.problems, *problems])
    file, unjudged, found = _validated(document, path)
    if file is None:
        return Examined(None, [*_in_order(found), *problems])
    if not unjudged.something:
        found += [p if p.place else replace(p, place=document.place(p.at)) for p in broken_rules(file, environment)]
    return Examined(Config(path, file, environment, document, environ, unjudged), [*_in_order(found), *problems])


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError([Problem(f"cannot be read: {error.strerror}", place=str(path))]) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError([Problem(f"is not UTF-8 text, at byte {error.start}", place=str(path))]) from None


def _validated(document: Document, path: Path) -> tuple[PipelineFile | None, Unjudged, list[Problem]]:
    """The file's model, or what can be judged of it, or None; with the problems that the text and the values have."""
    problems, data = list(document.problems), document.data
    if isinstance(data, dict):
        data = {"pipeline": path.stem, **data}
    try:
        return PipelineFile.model_validate(data), Unjudged(), problems
    except ValidationError as error:
        problems += problems_of(error, PipelineFile, document)
    rest = salvage(data)
    if rest is None:
        return None, Unjudged(), problems
    return rest.file, rest.unjudged, [problem for problem in problems if problem.at not in rest.found]


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Problems are told in the order of the file."""
    return sorted(problems, key=_line)


def _line(problem: Problem) -> tuple[int, int]:
    numbers = problem.place.rsplit(":", 2)[1:]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 and all(n.isdecimal() for n in numbers) else (0, 0)
