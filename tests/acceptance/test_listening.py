"""Where a running worker listens, as the kernel tells it: on loopback, unless told otherwise."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from acceptance.running import STREAM, Worker, wait_until

LISTEN: Final = "0A"
"""As Linux writes the state of a socket in /proc/net/tcp."""
BY_DEFAULT: Final = ("env", "-u", "STREAM_HTTP_ADDRESS", *STREAM)
DEFAULT_PORT: Final = 9464


def listening(pid: int) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket on which the process takes connections."""
    mine = set(_inodes(pid))
    return {
        place
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        for place, state, inode in [_parsed(line)]
        if state == LISTEN and inode in mine
    }


def _inodes(pid: int) -> Iterator[str]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _parsed(line: str) -> tuple[tuple[str, int], str, str]:
    fields = line.split()
    host, _, port = fields[1].partition(":")
    words = [bytes.fromhex(host[i : i + 8]) for i in range(0, len(host), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return (str(ipaddress.ip_address(packed)), int(port, 16)), fields[3], fields[9]


def test_the_kernels_table_is_read_rightly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as four, socket.create_server(("0.0.0.0", 0)) as everywhere:
        found = listening(os.getpid())
        assert {("127.0.0.1", four.getsockname()[1]), ("0.0.0.0", everywhere.getsockname()[1])} <= found


def test_the_health_pages_are_on_loopback_unless_told_otherwise(project) -> None:
    p = project(partitions=1)
    p.command = BY_DEFAULT

    def started() -> Worker | None:
        """Another process of this machine may have the default port for a while."""
        worker = p.start()
        wait_until(lambda: worker.logged("started") or not worker.alive, "started, or ended")
        if worker.alive:
            return worker
        assert "STREAM_HTTP_ADDRESS=127.0.0.1:9464 is in use by another process" in worker.tail()
        return None

    worker = wait_until(started, "a worker at the default port")
    p.produce(range(10))
    p.await_progress(10)
    assert listening(worker.popen.pid) == {("127.0.0.1", DEFAULT_PORT)}
    assert worker.page("/metrics")[0] == 200
    assert worker.stop() == 0


@pytest.mark.parametrize(
    ("address", "host"), [("0.0.0.0:0", "0.0.0.0"), ("[::1]:0", "::1"), ("127.0.0.1:0", "127.0.0.1")]
)
def test_they_are_where_the_environment_says(project, address, host) -> None:
    p = project(partitions=1)
    worker = p.start(STREAM_HTTP_ADDRESS=address)
    worker.wait_for("started")
    assert {place[0] for place in listening(worker.popen.pid)} == {host}
    assert worker.stop() == 0
