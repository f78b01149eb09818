"""Kafka's frames on a stream: four bytes of length, then a request or an answer.

Kafka protocol guide, "Request Header" versions 0 to 2: API key, API version, correlation id and client id come
first in each of them and are encoded alike; an answer begins with the correlation id of its request.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Final

from stream.chaos.proxy.apis import api_name

MAX_FRAME_BYTES: Final = 100 * 1024 * 1024
"""The broker's own limit of a request (socket.request.max.bytes)."""
_HEADER: Final = struct.Struct(">hhih")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it passes. frame is the whole of it without its length; body starts after the client id.

    From version 2 or so on (flexible versions) the body begins with one byte of tagged fields.
    """

    api: str
    version: int
    correlation_id: int
    client: str
    frame: bytes = field(repr=False)
    body_at: int = field(repr=False)

    @property
    def body(self) -> bytes:
        return self.frame[self.body_at :]


def parse_request(frame: bytes) -> Request:
    """The request in a frame. Raises ValueError when it does not begin as Kafka's requests do."""
    try:
        key, version, correlation_id, length = _HEADER.unpack_from(frame)
        end = _HEADER.size + max(length, 0)  # -1: no client id
        if end > len(frame):
            raise ValueError(f"a request of {len(frame)} bytes says that its client id ends at byte {end}")
        client = frame[_HEADER.size : end].decode("utf-8", errors="replace")
    except struct.error as error:
        raise ValueError(f"not a Kafka request: {len(frame)} bytes") from error
    return Request(api_name(key), version, correlation_id, client, frame, end)


def correlation_id(answer: bytes) -> int:
    """Of an answer. Raises ValueError when there is none."""
    if len(answer) < 4:
        raise ValueError(f"not an answer of Kafka: {len(answer)} bytes")
    return int.from_bytes(answer[:4], "big", signed=True)


async def read_frame(stream: asyncio.StreamReader) -> bytes | None:
    """The next frame without its length; None at the end of the stream, also in the middle of a frame.

    Raises ValueError for a length that no frame of Kafka's has.
    """
    try:
        length = int.from_bytes(await stream.readexactly(4), "big", signed=True)
        if not 0 <= length <= MAX_FRAME_BYTES:
            raise ValueError(f"not Kafka's protocol in plaintext: a frame of {length} bytes")
        return await stream.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def write_frame(stream: asyncio.StreamWriter, frame: bytes) -> None:
    stream.write(len(frame).to_bytes(4, "big"))
    stream.write(frame)
