"""Faults of the network between workers and brokers, made by the proxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from stream.chaos.faults import Fault, Kind
from stream.chaos.proxy import Held, Proxy, Then

PRODUCERS: Final = "chaos-chaos-*-producer"
"""Client ids of the workers' producers."""


@dataclass(slots=True)
class Network:
    """hit() begins a fault and gives what ends it."""

    proxy: Proxy
    held: int = 0
    """Requests that were held back, and then released."""
    _holds: list[Held] = field(default_factory=list)

    def hit(self, fault: Fault) -> Callable[[], None]:
        what, _, which = fault.detail.partition(" ")
        match fault.kind:
            case Kind.DELAY:
                rule = self.proxy.delay(int(what) / 1000)
                return lambda: self.proxy.remove(rule)
            case Kind.HOLD:
                held = self.proxy.hold(what, PRODUCERS, then=Then(which))
                return lambda: self._release(held)
            case _:
                self._cut(what, which)
                return lambda: None

    def _cut(self, what: str, which: str) -> None:
        match what:
            case "all":
                self.proxy.cut()
            case "broker":
                self.proxy.cut(int(which))
            case "before":
                self.proxy.cut_before(which, PRODUCERS)
            case _:
                self.proxy.cut_after(which, PRODUCERS)

    def _release(self, held: Held) -> None:
        self.held += held.arrived
        held.release()
