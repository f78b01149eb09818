"""Which protocol a listener of Kafka speaks, when a client of another one only sees that it does not answer.

A TLS server answers a ClientHello with a handshake or an alert (RFC 8446, 4 and 6); a plaintext listener of Kafka
takes it for the size of a request that is too large, and hangs up. Nothing is trusted and nothing is sent beyond that.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Final

PROBE_S: Final = 3.0
"""For connecting, and again for the answer."""
DEFAULT_PORT: Final = 9092


def advice(user: Mapping[str, str], *, answered: bool = False) -> str:
    """What to change in the client's properties, by the first server that takes connections; empty when not known.

    answered: Kafka has answered this client before, so that no login of another kind can be wanted.
    """
    protocol = user.get("security.protocol", "plaintext").upper()
    for server in user.get("bootstrap.servers", "").split(","):
        tls = speaks_tls(server.strip())
        if tls is not None:
            fits = ("SSL" in protocol) == tls
            return "" if fits and answered else _compared(server.strip(), protocol, tls=tls)
    return ""


def speaks_tls(server: str, timeout_s: float = PROBE_S) -> bool | None:
    """None when nobody takes the connection at host:port, or it is neither answered nor ended in time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is said to it: all that is asked is whether it speaks TLS
    try:
        with socket.create_connection(_place(server), timeout_s) as plain:
            return _shakes_hands(plain, context)
    except (OSError, ValueError):
        return None


def _shakes_hands(plain: socket.socket, context: ssl.SSLContext) -> bool | None:
    try:
        with context.wrap_socket(plain):
            return True
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
        return False
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it refuses this client, in TLS's words
    except TimeoutError:
        return None


def _compared(server: str, protocol: str, *, tls: bool) -> str:
    wanted = "SSL" in protocol
    if tls and not wanted:
        right = "SASL_SSL" if protocol.startswith("SASL") else "SSL, or SASL_SSL with a login"
        return _told(server, "speaks TLS and this client does not", protocol, right)
    if wanted and not tls:
        right = "SASL_PLAINTEXT" if protocol.startswith("SASL") else "PLAINTEXT, or SASL_PLAINTEXT with a login"
        return _told(server, "does not speak TLS and this client does", protocol, right)
    if protocol.startswith("SASL"):
        return _told(server, "takes connections and does not answer", protocol, protocol.removeprefix("SASL_"))
    return _told(
        server, "takes connections and does not answer", protocol, f"SASL_{protocol} where it asks for a login"
    )


def _told(server: str, what: str, protocol: str, right: str) -> str:
    return f"the listener at {server} {what}: STREAM_KAFKA_SECURITY_PROTOCOL is {protocol}, try {right}"


def _place(server: str) -> tuple[str, int]:
    """(host, port) of host:port, [address]:port or a host alone. Raises ValueError."""
    server = server.partition("://")[2] or server
    host, _, port = server.rpartition(":")
    if not host or port.endswith("]"):
        host, port = server, str(DEFAULT_PORT)
    return host.removeprefix("[").removesuffix("]"), int(port)
