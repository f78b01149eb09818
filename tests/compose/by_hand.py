"""Services of a compose file as processes of this machine, each in namespaces of its own: Linux, as root, no Docker.

A service has its own network with an address and the names of the others, its own host name, and this machine's files
under an overlay with its volumes mounted where the file says. What the image would bring comes from `stand_ins`.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from compose.composed import ROOT, Health, Mount, Service
from compose.names import NameServer
from compose.stand_ins import StandIn

NETWORK: Final = "10.89.77"
GATEWAY: Final = f"{NETWORK}.1"
CLONE_NEWNET: Final = 0x40000000
LOOK_EVERY_S: Final = 0.3
"""How often health is asked for: not the file's interval, which is for a stack that lives for days."""
NO_PRIVILEGES: Final = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


@dataclass
class Container:
    """One process that stands for a container. address: on the network of the stack."""

    service: Service
    name: str
    host_name: str
    address: str
    environ: Mapping[str, str]
    log: Path
    popen: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def run(self, command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """A command inside, as `docker exec`. Raises TimeoutExpired."""
        enter = ["nsenter", f"--target={self.popen.pid}", "--mount", "--net", "--uts", "--root"]
        clean = ["env", "-i", "--chdir=/", *(f"{name}={value}" for name, value in self.environ.items())]
        return subprocess.run(
            [*enter, *clean, *command], capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def healthy(self, health: Health) -> bool:
        try:
            return self.run(health.test, health.timeout_s).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def stop(self) -> int:
        """SIGTERM; the exit code, which must come within the service's own grace period."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(self.service.stop_s)

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @contextmanager
    def network(self) -> Iterator[None]:
        """What this thread connects to meanwhile is reached as from inside: 127.0.0.1 is the container."""
        with _within(Path(f"/proc/{self.popen.pid}/ns/net")):
            yield


@dataclass
class Stack:
    """A context; services: by name. folder: for logs, volumes and what is laid over this machine's files."""

    folder: Path
    stand_ins: Mapping[str, StandIn]
    containers: dict[str, Container] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    _prefix: str = field(default_factory=lambda: f"byhand-{secrets.token_hex(3)}")
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Stack:
        with ExitStack() as stack:
            self._hub(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for container in self.containers.values():
            if container.alive:
                container.popen.kill()
            container.popen.wait()
        self._stack.close()

    def up(self, services: Sequence[Service]) -> None:
        """Start each when its conditions hold, as `docker compose up --wait`; fails saying which one did not come."""
        for service in services:
            for other, condition in service.conditions.items():
                self._await(other, condition)
            for number in range(1, service.replicas + 1):
                self.start(service, number)
        for service in services:
            self._await(service.name, "service_healthy" if service.health else "service_started")

    def of(self, service: str) -> list[Container]:
        return [c for c in self.containers.values() if c.service.name == service]

    def start(self, service: Service, number: int) -> Container:
        """One container; one that was there before keeps its host name, as when it is started again."""
        name = f"{service.name}-{number}"
        before = self.containers.get(name)
        address = before.address if before else f"{NETWORK}.{len(self.containers) + 10}"
        if before is None:
            self._join(name, address)
        host_name = before.host_name if before else secrets.token_hex(6)
        stand_in = self.stand_ins[service.image]
        environ = {**stand_in.environ, "HOSTNAME": host_name, **service.environment}
        hosts = f"127.0.0.1 localhost\n{address} {host_name}\n"
        become = self._command(service, stand_in, environ)
        script = "\n".join([*self._files(service, name, stand_in, hosts), f"hostname {host_name}", become])
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                ["ip", "netns", "exec", f"{self._prefix}-{name}", "unshare", "--mount", "--uts", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.containers[name] = Container(service, name, host_name, address, environ, log, popen)
        self.names[service.name] = [c.address for c in self.of(service.name)]
        return self.containers[name]

    def _await(self, name: str, condition: str) -> None:
        for container in self.of(name):
            service = container.service
            deadline = time.monotonic() + (service.health.patience_s if service.health else 60.0)
            while not self._holds(container, condition):
                assert time.monotonic() < deadline, f"{container.name}: not {condition}\n{container.tail()}"
                time.sleep(LOOK_EVERY_S)

    def _holds(self, container: Container, condition: str) -> bool:
        if condition == "service_completed_successfully":
            return container.popen.poll() == 0
        if condition == "service_healthy":
            assert container.alive, f"{container.name} ended with {container.popen.returncode}:\n{container.tail()}"
            assert container.service.health, f"somebody waits for the health of {container.name}, which has none"
            return container.healthy(container.service.health)
        return container.alive or container.popen.returncode == 0

    def _hub(self, stack: ExitStack) -> None:
        """A network of its own with a bridge, and the name server on it."""
        hub = f"{self._prefix}-hub"
        _ip("netns", "add", hub)
        stack.callback(_ip, "netns", "del", hub)
        _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", hub, "addr", "add", f"{GATEWAY}/24", "dev", "bridge")
        _ip("-n", hub, "link", "set", "bridge", "up")
        with _within(Path(f"/var/run/netns/{hub}")):
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind((GATEWAY, 53))
        names = NameServer(server, self.names)
        names.start()
        stack.callback(names.close)

    def _join(self, name: str, address: str) -> None:
        """A network for one container, and a cable from it to the hub."""
        net, hub = f"{self._prefix}-{name}", f"{self._prefix}-hub"
        _ip("netns", "add", net)
        self._stack.callback(_ip, "netns", "del", net)
        _ip("-n", hub, "link", "add", name[:15], "type", "veth", "peer", "name", "eth0", "netns", net)
        _ip("-n", hub, "link", "set", name[:15], "master", "bridge", "up")
        _ip("-n", net, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", net, "link", "set", device, "up")

    def _files(self, service: Service, name: str, stand_in: StandIn, hosts: str) -> list[str]:
        """Commands that make the container's view of files; they leave its root in $root."""
        over = self.folder / name
        over.mkdir(exist_ok=True)
        files = {
            **stand_in.files,
            "/etc/hosts": hosts,
            "/etc/resolv.conf": f"nameserver {GATEWAY}\noptions ndots:0\n",
        }
        return [
            "set -e",
            f"over={over} root={over}/root",
            "mount --make-rprivate /",
            "mount -t tmpfs tmpfs $over",
            "mkdir $over/upper $over/work $root",
            "mount -t overlay overlay -o lowerdir=/,upperdir=$over/upper,workdir=$over/work $root",
            *(f"mount --rbind /{kernel} $root/{kernel}" for kernel in ("proc", "sys", "dev")),
            *(_write(path, text) for path, text in files.items()),
            *(line for mount in service.mounts for line in self._mounting(mount)),
            *(f"mkdir -p $root{path}\nmount -t tmpfs tmpfs $root{path}" for path in service.tmpfs),
            # wherever this repository and its environment are, behind a tmpfs of the service for example
            *(f"mkdir -p $root{path}\nmount --bind {path} $root{path}" for path in (ROOT, sys.prefix)),
            f"mkdir -p $root{stand_in.folder}",
            *(["mount -o remount,bind,ro $root"] if service.read_only else []),
        ]

    def _command(self, service: Service, stand_in: StandIn, environ: Mapping[str, str]) -> str:
        clean = ["env", "-i", f"--chdir={stand_in.folder}", *(f"{key}={value}" for key, value in environ.items())]
        privileges = () if service.capabilities else NO_PRIVILEGES
        return f"exec chroot $root {shlex.join([*clean, *privileges, *stand_in.entry, *service.command])}"

    def _mounting(self, mount: Mount) -> Iterator[str]:
        if mount.is_volume:
            source = self.folder / "volumes" / mount.source
            source.mkdir(parents=True, exist_ok=True)
        else:
            source = ROOT / mount.source
        target = f"$root{mount.target}"
        yield f"mkdir -p {target}" if source.is_dir() else f"mkdir -p {Path(target).parent}; touch {target}"
        yield f"mount --bind {shlex.quote(str(source))} {target}"
        if mount.read_only:
            yield f"mount -o remount,bind,ro {target}"


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"after {timeout_s:.0f} s still not: {what}"
        time.sleep(LOOK_EVERY_S)


def _write(path: str, text: str) -> str:
    mode = "755" if text.startswith("#!") else "644"
    place = f"$root{path}"
    return (
        f"mkdir -p {Path(place).parent}; rm -f {place}\nprintf %s {shlex.quote(text)} > {place}\nchmod {mode} {place}"
    )


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=30)


@contextmanager
def _within(network: Path) -> Iterator[None]:
    """This thread, and the threads that it starts meanwhile, in another network (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    there = os.open(network, os.O_RDONLY)
    try:
        _set_namespace(libc, there)
        yield
    finally:
        _set_namespace(libc, home)
        os.close(there)
        os.close(home)


def _set_namespace(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns: needs root")
