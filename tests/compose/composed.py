"""docker-compose.yml as data: what Docker would be told, with merges resolved and durations in seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
_DURATION: Final = re.compile(r"(?:(\d+)m)?(?:(\d+)s)?")


@dataclass(frozen=True)
class Mount:
    """source: a path of this machine, or the name of a volume."""

    source: str
    target: str
    read_only: bool

    @property
    def is_volume(self) -> bool:
        return not self.source.startswith((".", "/"))


@dataclass(frozen=True)
class Health:
    """test: the command, a shell's when it is one string."""

    test: Sequence[str]
    interval_s: float
    timeout_s: float
    patience_s: float
    """Until a container that never answered is unhealthy."""


@dataclass(frozen=True)
class Service:
    """One service; conditions: what must hold of others before it starts."""

    name: str
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    tmpfs: Sequence[str]
    read_only: bool
    capabilities: bool
    replicas: int
    ports: Sequence[str]
    profiles: Sequence[str]
    conditions: Mapping[str, str]
    health: Health | None
    restart: str
    stop_s: float
    raw: Mapping[str, Any]


def load(path: Path = ROOT / "docker-compose.yml") -> dict[str, Service]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return {name: _service(name, told) for name, told in found["services"].items()}


def in_order(services: Mapping[str, Service]) -> list[Service]:
    """Each behind all that it waits for. Fails when they wait for each other, or for one that is not there."""
    done: dict[str, Service] = {}
    while len(done) < len(services):
        able = [s for s in services.values() if s.name not in done and s.conditions.keys() <= done.keys()]
        assert able, f"these wait for each other, or for nobody: {sorted(services.keys() - done.keys())}"
        done |= {service.name: service for service in able}
    return list(done.values())


def seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    assert found, text
    return 60.0 * int(found[1] or 0) + int(found[2] or 0)


def _service(name: str, told: Mapping[str, Any]) -> Service:
    return Service(
        name=name,
        image=told["image"],
        command=[str(word) for word in told.get("command", ())],
        environment=told.get("environment", {}),
        mounts=[_mount(text) for text in told.get("volumes", ())],
        tmpfs=told.get("tmpfs", ()),
        read_only=told.get("read_only", False),
        capabilities="ALL" not in told.get("cap_drop", ()),
        replicas=told.get("deploy", {}).get("replicas", 1),
        ports=told.get("ports", ()),
        profiles=told.get("profiles", ()),
        conditions={other: needed["condition"] for other, needed in told.get("depends_on", {}).items()},
        health=_health(told.get("healthcheck", {})),
        restart=told.get("restart", "no"),
        stop_s=seconds(told.get("stop_grace_period", "10s")),
        raw=told,
    )


def _mount(text: str) -> Mount:
    source, target, *mode = text.split(":")
    return Mount(source, target, mode == ["ro"])


def _health(told: Mapping[str, Any]) -> Health | None:
    if not told or told.get("disable"):
        return None
    kind, *words = told["test"]
    interval_s = seconds(told["interval"])
    return Health(
        test=["sh", "-c", *words] if kind == "CMD-SHELL" else words,
        interval_s=interval_s,
        timeout_s=seconds(told["timeout"]),
        patience_s=seconds(told["start_period"]) + interval_s * told["retries"],
    )
