"""Loopback ports that stay ours while a broker is down."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
FIRST_PORT: Final = 20_000
DEFAULT_EPHEMERAL_START: Final = 32_768
ATTEMPTS: Final = 1_000
_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As Java does: connections of the last broker that are in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def free_ports(count: int, rng: random.Random) -> list[int]:
    """Distinct free ports below the range from which the system takes the ports of outgoing connections.

    From inside that range a client that tries to reach a stopped broker could be given the broker's own
    port: then the broker cannot start again. Raises OSError when there are not enough.
    """
    found: set[int] = set()
    ceiling = max(ephemeral_start(), FIRST_PORT + ATTEMPTS)
    for _ in range(ATTEMPTS):
        if len(found) == count:
            return sorted(found)
        port = rng.randrange(FIRST_PORT, ceiling)
        if is_free(port):
            found.add(port)
    raise OSError(errno.EADDRINUSE, f"fewer than {count} free ports between {FIRST_PORT} and {ceiling} on {HOST}")


def ephemeral_start(file: Path = _RANGE_FILE) -> int:
    """The first port of outgoing connections, where the system tells it."""
    try:
        return int(file.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return DEFAULT_EPHEMERAL_START
