"""Asks a broker for metadata over a plain socket: is it there, who else is, are the replicas in sync.

Kafka protocol guide, Metadata request and response version 5 (the oldest form with replica sets, leader
and in-sync replicas that still needs no flexible encoding). Only for the plaintext listener.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

METADATA: Final = 3
VERSION: Final = 5
CLIENT_ID: Final = b"stream-devkafka"
MAX_RESPONSE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Partition:
    """isr: ids of the in-sync replicas. leader is -1 when there is none."""

    topic: str
    number: int
    leader: int
    replicas: frozenset[int]
    isr: frozenset[int]

    @property
    def in_sync(self) -> bool:
        """Whether it has a leader and all its replicas are in sync."""
        return self.leader >= 0 and self.isr == self.replicas


@dataclass(frozen=True, slots=True)
class Metadata:
    """brokers: ids of the brokers that are registered and not fenced."""

    brokers: frozenset[int]
    partitions: tuple[Partition, ...]

    @property
    def in_sync(self) -> bool:
        """Whether every partition is."""
        return all(partition.in_sync for partition in self.partitions)


def metadata(host: str, port: int, timeout_s: float) -> Metadata:
    """What one broker says about the cluster, internal topics included.

    timeout_s bounds each step on the socket. Raises OSError when it does not answer, ValueError when
    the answer is not one.
    """
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(request())
        (length,) = struct.unpack(">i", _receive(connection, 4))
        if not 0 <= length <= MAX_RESPONSE_BYTES:
            raise ValueError(f"{host}:{port} does not speak Kafka's protocol: response of {length} bytes")
        return parse(_receive(connection, length))


def request() -> bytes:
    """A Metadata request for all topics (a null array) that creates none."""
    header = struct.pack(">hhih", METADATA, VERSION, 1, len(CLIENT_ID)) + CLIENT_ID
    body = struct.pack(">ib", -1, 0)
    return struct.pack(">i", len(header) + len(body)) + header + body


def parse(response: bytes) -> Metadata:
    """A Metadata response after its length. ValueError when it is cut short."""
    reader = _Reader(response)
    try:
        reader.skip(8)  # correlation id, throttle time
        brokers = frozenset(_broker(reader) for _ in range(reader.int32()))
        reader.string()  # cluster id
        reader.skip(4)  # controller
        partitions = [p for _ in range(reader.int32()) for p in _topic(reader)]
    except struct.error as error:
        raise ValueError(f"not a Metadata response: {error}") from error
    return Metadata(brokers, tuple(partitions))


def _broker(reader: _Reader) -> int:
    number = reader.int32()
    reader.string()  # host
    reader.skip(4)  # port
    reader.string()  # rack
    return number


def _topic(reader: _Reader) -> list[Partition]:
    reader.skip(2)  # error
    name = reader.string()
    reader.skip(1)  # internal
    return [_partition(reader, name) for _ in range(reader.int32())]


def _partition(reader: _Reader, topic: str) -> Partition:
    reader.skip(2)  # error
    number, leader = reader.int32(), reader.int32()
    replicas, isr = reader.int32s(), reader.int32s()
    reader.int32s()  # offline replicas
    return Partition(topic, number, leader, replicas, isr)


class _Reader:
    """Big-endian fields one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def skip(self, count: int) -> None:
        self._at += count

    def int32(self) -> int:
        value: int = struct.unpack_from(">i", self._data, self._at)[0]
        self._at += 4
        return value

    def int32s(self) -> frozenset[int]:
        return frozenset(self.int32() for _ in range(self.int32()))

    def string(self) -> str:
        """A nullable string; null reads as empty."""
        (length,) = struct.unpack_from(">h", self._data, self._at)
        start, self._at = self._at + 2, self._at + 2 + max(length, 0)
        return self._data[start : self._at].decode("utf-8")


def _receive(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ConnectionError("the broker closed the connection")
        received += chunk
    return bytes(received)
