"""A name server for containers that are no containers: a service's name is the addresses of all that run it."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

A: Final = 1
IN: Final = 1
ANSWERED: Final = 0x8580
NO_SUCH_NAME: Final = 0x8583
TTL_S: Final = 1


@dataclass
class NameServer:
    """Answers on a UDP socket until it is closed. names may change at any time."""

    server: socket.socket
    names: Mapping[str, Sequence[str]]
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.server.settimeout(0.2)
        threading.Thread(target=self._serve, name="names", daemon=True).start()

    def close(self) -> None:
        self._ended.set()

    def _serve(self) -> None:
        with self.server:
            while not self._ended.is_set():
                try:
                    asked, whom = self.server.recvfrom(512)
                except TimeoutError:
                    continue
                self.server.sendto(answer(asked, self.names), whom)


def answer(asked: bytes, names: Mapping[str, Sequence[str]]) -> bytes:
    """The answer to one question (RFC 1035, 4.1): addresses, none for other types, or that there is no such name."""
    labels, at = [], 12
    while size := asked[at]:
        labels.append(asked[at + 1 : at + 1 + size].decode("ascii").lower())
        at += 1 + size
    kind, _ = struct.unpack_from("!HH", asked, at + 1)
    question, name = asked[12 : at + 5], ".".join(labels)
    found = names.get(name, ()) if kind == A else ()
    flags = ANSWERED if name in names else NO_SUCH_NAME
    head = asked[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
    records = [struct.pack("!HHHIH", 0xC00C, A, IN, TTL_S, 4) + ipaddress.IPv4Address(a).packed for a in found]
    return head + question + b"".join(records)
