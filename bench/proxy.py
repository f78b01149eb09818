"""A proxy that makes a near broker far: every byte arrives later by the same time in each direction.

    python -m bench.proxy LISTEN_PORT TARGET_PORT DELAY_MS

Bandwidth is not limited: what is under way is held in memory, up to WINDOW chunks a direction.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 256 * 1024
WINDOW: Final = 1024
Timed = tuple[float, bytes]


async def serve(port: int, target: int, delay_s: float) -> asyncio.Server:
    """Listen on `port` and pass on to `target`; port 0 takes a free one."""

    connections: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            connections.add(task)
            task.add_done_callback(connections.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_later(reader, far_writer, delay_s), _later(far_reader, writer, delay_s))
        for end in (writer, far_writer):
            end.close()

    return await asyncio.start_server(connected, HOST, port, limit=CHUNK_BYTES)


async def _later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """One direction, in order; its end arrives late too."""
    under_way: asyncio.Queue[Timed] = asyncio.Queue(WINDOW)
    sender = asyncio.create_task(_send(under_way, writer))
    clock = asyncio.get_running_loop().time
    data = b"start"
    while data:
        try:
            data = await reader.read(CHUNK_BYTES)
        except OSError:
            data = b""
        await under_way.put((clock() + delay_s, data))
    await sender


async def _send(under_way: asyncio.Queue[Timed], writer: asyncio.StreamWriter) -> None:
    """To the end of the other side; what nobody takes any more is dropped."""
    clock = asyncio.get_running_loop().time
    while (item := await under_way.get())[1]:
        due, data = item
        if (early := due - clock()) > 0:
            await asyncio.sleep(early)
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _main(port: int, target: int, delay_ms: float) -> None:
    server = await serve(port, target, delay_ms / 1000)
    print(f"listening on {HOST}:{port}, {delay_ms:g} ms each way to {target}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
