"""What librdkafka tells of itself every few seconds, as numbers (its STATISTICS.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_PARTITIONS: Final = 200
"""Partitions whose queues are added up; with more of them nothing is looked up for each."""
_TROUBLE: Final = ("txerrs", "rxerrs", "req_timeouts", "txretries")


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """One client at one moment. The counts are since the client was made; times in seconds, of the worst broker."""

    round_trip_s: Mapping[str, float]
    throttle_s: float
    queue_events: int
    queue_bytes: int
    request_errors: int
    disconnects: int
    sent_bytes: int
    received_bytes: int


def parse(text: str) -> ClientStatistics:
    """Of the JSON that the statistics callback is given. What an older client does not tell counts as 0."""
    told: Mapping[str, Any] = json.loads(text)
    brokers = list(told.get("brokers", {}).values())
    queues = _partitions(told)
    return ClientStatistics(
        round_trip_s={p: _most(brokers, "rtt", f"p{p}") / 1e6 for p in ("50", "99")},
        throttle_s=_most(brokers, "throttle", "max") / 1e3,
        queue_events=int(told.get("msg_cnt", 0)) + sum(int(p.get("fetchq_cnt", 0)) for p in queues),
        queue_bytes=int(told.get("msg_size", 0)) + sum(int(p.get("fetchq_size", 0)) for p in queues),
        request_errors=sum(int(broker.get(name, 0)) for broker in brokers for name in _TROUBLE),
        disconnects=sum(int(broker.get("disconnects", 0)) for broker in brokers),
        sent_bytes=int(told.get("tx_bytes", 0)),
        received_bytes=int(told.get("rx_bytes", 0)),
    )


def _most(brokers: Iterable[Mapping[str, Any]], window: str, key: str) -> float:
    return max((float(broker.get(window, {}).get(key, 0)) for broker in brokers), default=0.0)


def _partitions(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [p for topic in told.get("topics", {}).values() for p in topic.get("partitions", {}).values()]
    return found if len(found) <= MAX_PARTITIONS else []
