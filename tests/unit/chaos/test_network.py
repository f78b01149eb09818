"""Which rules of the proxy a fault of the network becomes, how it ends, and why a disk may not be had."""

import errno
import os
import sys
from types import SimpleNamespace

import pytest

from stream.chaos import brokers
from stream.chaos.faults import Fault, Kind
from stream.chaos.network import PRODUCERS, Network
from stream.chaos.proxy import Then


class Proxy:
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> object:
        def call(*arguments: object, **named: object) -> object:
            self.asked.append((name, *arguments, *named.values()))
            return SimpleNamespace(arrived=True, release=lambda: self.asked.append(("release",)))

        return call


@pytest.mark.parametrize(
    ("kind", "detail", "asked"),
    [
        (Kind.CUT, "all", ("cut",)),
        (Kind.CUT, "broker 2", ("cut", 2)),
        (Kind.CUT, "before EndTxn", ("cut_before", "EndTxn", PRODUCERS)),
        (Kind.CUT, "after TxnOffsetCommit", ("cut_after", "TxnOffsetCommit", PRODUCERS)),
        (Kind.DELAY, "120 ms", ("delay", 0.12)),
        (Kind.HOLD, "EndTxn cut", ("hold", "EndTxn", PRODUCERS, Then.CUT)),
        (Kind.HOLD, "Produce hang", ("hold", "Produce", PRODUCERS, Then.HANG)),
    ],
)
def test_a_fault_is_a_rule_of_the_proxy(kind, detail, asked) -> None:
    proxy = Proxy()
    Network(proxy).hit(Fault(1.0, kind, 1, 1.0, detail))  # type: ignore[arg-type]
    assert proxy.asked == [asked]


def test_a_held_request_is_released_and_counted_if_one_came() -> None:
    proxy = Proxy()
    network = Network(proxy)  # type: ignore[arg-type]
    network.hit(Fault(1.0, Kind.HOLD, 1, 1.0, "EndTxn cut"))()
    assert (proxy.asked[-1], network.held) == (("release",), 1)


def test_a_delay_ends() -> None:
    proxy = Proxy()
    Network(proxy).hit(Fault(1.0, Kind.DELAY, 1, 1.0, "20 ms"))()  # type: ignore[arg-type]
    assert proxy.asked[-1][0] == "remove"


@pytest.mark.parametrize(
    ("platform", "user", "told"), [("darwin", 0, "Linux only"), ("linux", 1000, "one must be root"), ("linux", 0, "no")]
)
def test_a_disk_that_cannot_be_made_is_refused_with_the_reason(monkeypatch, platform, user, told) -> None:
    def refuse(_folder: object, _mib: int) -> None:
        raise OSError("mount: permission denied, no")

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(brokers, "mount", refuse)
    assert told in brokers.disk_problem()


def test_a_disk_is_filled_to_the_last_byte(monkeypatch) -> None:
    room = 3 * brokers.FILL_BYTES + 12_345

    class Disk:
        def write(self, data: bytes) -> None:
            nonlocal room
            if len(data) > room:
                raise OSError(errno.ENOSPC, "full")
            room -= len(data)

        def __enter__(self) -> "Disk":
            return self

        def __exit__(self, *_error: object) -> None:
            pass

    brokers.fill(SimpleNamespace(open=lambda *_a, **_k: Disk()))  # type: ignore[arg-type]
    assert room == 0
