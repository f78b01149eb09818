"""Faults of brokers. They take seconds, so they run in a thread of their own, one after the other."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stream.chaos.faults import Fault, Kind
from stream.devkafka import Cluster
from stream.devkafka.node import node_folder

DISK_MIB: Final = 1024
"""Size of a broker's disk, when it may become full."""
IN_SYNC_WITHIN_S: Final = 90.0
DIES_WITHIN_S: Final = 20.0
FILL_BYTES: Final = 1 << 20
LOOK_EVERY_S: Final = 0.05


@dataclass(slots=True)
class Brokers:
    """The brokers of a cluster under fault."""

    cluster: Cluster
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    died_of_full_disk: int = 0
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "brokers"))
    _under_way: Future[None] | None = None
    _disks: list[Path] = field(default_factory=list)

    def idle(self) -> bool:
        """Whether all brokers are there and in sync. Raises what went wrong with the last fault."""
        if self._under_way is not None and self._under_way.done():
            self._under_way.result()
            self._under_way = None
        return self._under_way is None

    def hit(self, fault: Fault) -> None:
        """Begin a fault; idle() tells when its broker is back."""
        act = {Kind.BROKER_KILL: self._kill, Kind.BROKER_STOP: self._stop, Kind.DISK: self._fill}[fault.kind]
        self._under_way = self._pool.submit(act, fault.target, fault.lasts_s)

    def wait(self) -> None:
        """Until the last fault is over. Raises UnreachableError when its broker did not come back."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def mount_disks(self) -> None:
        """Before the start: each broker's data on a file system of DISK_MIB. Raises OSError."""
        for number in (1, 2, 3):
            data = node_folder(self.cluster.folder, number) / "data"
            data.mkdir(parents=True, exist_ok=True)
            mount(data, DISK_MIB)
            self._disks.append(data)

    def close(self) -> None:
        """Ends the thread; and, with the brokers stopped, unmounts their disks."""
        self._pool.shutdown(wait=True)

    def unmount_disks(self) -> None:
        while self._disks:
            unmount(self._disks.pop())

    def _kill(self, number: int, lasts_s: float) -> None:
        self.cluster.kill(number)
        self._back(number, lasts_s)

    def _stop(self, number: int, lasts_s: float) -> None:
        self.cluster.stop(number)
        self._back(number, lasts_s)

    def _fill(self, number: int, lasts_s: float) -> None:
        filler = node_folder(self.cluster.folder, number) / "data" / "filler"
        try:
            fill(filler)
            deadline = self.clock() + DIES_WITHIN_S
            while number in self.cluster.alive() and self.clock() < deadline:
                self.sleep(LOOK_EVERY_S)
            self.died_of_full_disk += number not in self.cluster.alive()
            self.sleep(lasts_s)
        finally:
            filler.unlink(missing_ok=True)
        self._back(number, 0.0)

    def _back(self, number: int, after_s: float) -> None:
        self.sleep(after_s)
        self.cluster.restart(number)
        self.cluster.await_in_sync(IN_SYNC_WITHIN_S)


def fill(path: Path) -> None:
    """Write a file until nothing more fits. Raises OSError for any other trouble."""
    import errno

    with path.open("wb", buffering=0) as file:
        size = FILL_BYTES
        while size:
            try:
                file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2


def disk_problem() -> str:
    """Why a disk of limited size cannot be made here; "" when it can. Tries it, on a folder of its own."""
    if sys.platform != "linux":
        return "a file system of limited size is mounted on Linux only"
    if os.geteuid() != 0:
        return "to mount a file system of limited size one must be root: run it in a container, for example"
    with tempfile.TemporaryDirectory(prefix="stream-chaos-") as folder:
        try:
            mount(Path(folder), 1)
        except OSError as error:
            return f"a file system of limited size cannot be mounted here: {error}"
        unmount(Path(folder))
    return ""


def mount(folder: Path, mib: int) -> None:
    """A tmpfs of that size. Raises OSError with what mount(8) says."""
    options = ["-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "stream-chaos", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"mount ended with {done.returncode}")


def unmount_left(folder: Path) -> None:
    """The disks of a cluster's folder that an earlier run left mounted."""
    for data in folder.glob("node-*/data"):
        if data.is_mount():
            unmount(data)


def unmount(folder: Path) -> None:
    """Lazily, if something still holds it: nothing of it is needed any more."""
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
