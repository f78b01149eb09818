"""Prometheus and Alertmanager as two local processes, run from the files of deploy/prometheus, without Docker.

Only what depends on the place is replaced: whom to scrape, where Alertmanager listens, how often. A `Scale`
makes the rules quicker, for a test. Both listen on 127.0.0.1 and end with the context.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from deploy.monitoring.rules import AS_WRITTEN, Scale, alert_text, recording_text

DEPLOY: Final = Path(__file__).resolve().parents[1]
TOOLS: Final = DEPLOY.parent / ".stream" / "tools" / "usr" / "bin"
START_WITHIN_S: Final = 30.0
REQUEST_S: Final = 10.0
END_WITHIN_S: Final = 10.0
PORTS: Final = (10_000, 18_000)
TRIES: Final = 100


def program(name: str) -> str:
    """The path of prometheus, promtool or prometheus-alertmanager. Raises FileNotFoundError."""
    found = shutil.which(str(TOOLS / name)) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not here: run `make tools`")
    return found


@dataclass(slots=True)
class Monitoring:
    """A context. folder: for data, logs and the files as run. interval_s: between scrapes, and rule evaluations."""

    folder: Path
    scale: Scale = AS_WRITTEN
    interval_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    prometheus: str = field(init=False)
    """Address: host:port."""
    alertmanager: str = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.prometheus, self.alertmanager = free_address(), free_address()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._write()
            self._start(stack, "prometheus-alertmanager", self._alertmanager_options(), self.alertmanager)
            self._start(stack, "prometheus", self._prometheus_options(), self.prometheus)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def scrape(self, addresses: Sequence[str]) -> None:
        """These workers from now on; Prometheus sees it within seconds."""
        path, new = self.folder / "targets" / "workers.json", self.folder / "targets" / "new"
        new.write_text(json.dumps([{"targets": list(addresses)}]))
        new.replace(path)

    def ask(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of Prometheus' API; a query that is wrong raises ValueError with its reason."""
        url = f"http://{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            answer = get(url)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{parameters}: {error.read().decode()}") from error
        return answer["data"]

    def alerts(self) -> list[dict[str, Any]]:
        """Those that have reached Alertmanager."""
        found: list[dict[str, Any]] = get(f"http://{self.alertmanager}/api/v2/alerts")
        return found

    def _write(self) -> None:
        (self.folder / "rules").mkdir(parents=True, exist_ok=True)
        (self.folder / "targets").mkdir(exist_ok=True)
        (self.folder / "rules" / "recording.yml").write_text(recording_text(scale=self.scale))
        (self.folder / "rules" / "alerts.yml").write_text(alert_text(scale=self.scale))
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(self._configuration(), sort_keys=False))
        self.scrape([])

    def _configuration(self) -> Mapping[str, Any]:
        found: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
        every = f"{round(self.interval_s * 1000)}ms"
        found["global"] = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
        found["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [self.alertmanager]}]}]
        for job in found["scrape_configs"]:
            job.pop("dns_sd_configs", None)
            if job["job_name"] == "stream":
                job["file_sd_configs"] = [{"files": ["targets/*.json"], "refresh_interval": "1s"}]
            else:
                job["static_configs"] = [{"targets": [self.prometheus]}]
        return found

    def _prometheus_options(self) -> list[str]:
        return [
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address={self.prometheus}",
            "--log.level=warn",
        ]

    def _alertmanager_options(self) -> list[str]:
        return [
            f"--config.file={DEPLOY / 'prometheus' / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address={self.alertmanager}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def _start(self, stack: ExitStack, name: str, options: list[str], address: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen([program(name), *options], stdout=log, stderr=log, start_new_session=True)
        stack.callback(_end, process)
        deadline = self.clock() + START_WITHIN_S
        while not _ready(address):
            if process.poll() is not None or self.clock() > deadline:
                last = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} did not start at {address}; its last lines:\n{last}")
            self.sleep(0.1)


def free_address() -> str:
    """One on 127.0.0.1 that is free now."""
    return f"127.0.0.1:{free_ports(1)}"


def free_ports(number: int, randrange: Callable[[int, int], int] = random.randrange) -> int:
    """The first of so many ports in a row that are free now. Raises OSError when there are none.

    They are below those that the system gives to clients: one of these could be taken before we listen.
    """
    for _ in range(TRIES):
        first = randrange(*PORTS)
        if all(map(_is_free, range(first, first + number))):
            return first
    raise OSError(f"no {number} free ports in a row between {PORTS[0]} and {PORTS[1]}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=REQUEST_S) as answer:
        return json.load(answer)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=1.0) as answer:
            return answer.status == 200  # type: ignore[no-any-return]
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
