"""The environment of commands that have no pipeline file: brokers, and where schemas are."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.avro import Schema, SchemaStore
    from stream.config import Environment

SCHEMAS: Final = Path("schemas")
SchemasOption = Annotated[
    Path, typer.Option("--schemas", help="Folder of the schemas that messages name, when there is no registry.")
]


def kafka_environment() -> Environment:
    """The STREAM_* variables, checked, brokers among them. Raises ConfigurationError with every mistake."""
    from stream.config.environment import read

    environment, problems = read(os.environ, socket.gethostname(), terminal=sys.stderr.isatty())
    if problems:
        raise ConfigurationError(problems)
    environment.require_kafka()
    return environment


def schema_store(environment: Environment, schemas: Path, known: Sequence[Schema] = ()) -> SchemaStore:
    """Where the schemas of messages come from: the registry when there is one, else the files of a folder."""
    from stream.avro import DirectorySchemas, RegistrySchemas

    if environment.registry is not None:
        return RegistrySchemas(environment.registry.properties())
    return DirectorySchemas([schemas], known=known)
