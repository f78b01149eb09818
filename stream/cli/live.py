"""What `stream check --live` asks of Kafka: a login, the topics, and each right that a worker needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.config import Config


def ask(config: Config, path: Path) -> dict[str, Any]:
    """Who the user is and what it may do.

    Raises ConfigurationError with a line for each topic and right that is missing, UnreachableError when
    Kafka does not answer. Takes seconds when it does not.
    """
    from stream.kafka.connection import Connection
    from stream.kafka.permissions import Permissions
    from stream.kafka.rights import needed_rights, principal_of

    config.environment.require_kafka()
    connection = Connection(config.environment.kafka_properties())
    permissions = Permissions(connection, config.file)
    if found := permissions.of_everything(config.environment.instance):
        raise ConfigurationError(permissions.lines(found, f"stream topics {path} --apply"))
    rights = [{**asdict(right), "pattern": right.pattern} for right in needed_rights(config.file)]
    return {"servers": connection.servers, "principal": principal_of(connection.user), "rights": rights}
