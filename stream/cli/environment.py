"""The environment of commands that have no pipeline file."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from stream.errors import ConfigurationError

if TYPE_CHECKING:
    from stream.config import Environment


def kafka_environment() -> Environment:
    """The STREAM_* variables, checked, brokers among them. Raises ConfigurationError with every mistake."""
    from stream.config.environment import read

    environment, problems = read(os.environ, socket.gethostname(), terminal=sys.stderr.isatty())
    if problems:
        raise ConfigurationError(problems)
    environment.require_kafka()
    return environment
