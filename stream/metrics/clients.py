"""What the Kafka clients tell of themselves, counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stream.metrics import table
from stream.metrics.ledger import Ledger
from stream.metrics.metric import Metric
from stream.metrics.statistics import ClientStatistics, parse
from stream.metrics.table import OTHER

_COUNTS: Mapping[Metric, Callable[[ClientStatistics], int]] = {
    table.REQUEST_ERRORS: lambda told: told.request_errors,
    table.DISCONNECTS: lambda told: told.disconnects,
    table.SENT_BYTES: lambda told: told.sent_bytes,
    table.RECEIVED_WIRE_BYTES: lambda told: told.received_bytes,
}
_ERROR_KIND = {
    "_TRANSPORT": "transport",
    "_RESOLVE": "transport",
    "_TIMED_OUT": "timeout",
    "_TIMED_OUT_QUEUE": "timeout",
    "_MSG_TIMED_OUT": "timeout",
    "REQUEST_TIMED_OUT": "timeout",
    "_ALL_BROKERS_DOWN": "brokers_down",
    "_AUTHENTICATION": "authentication",
    "SASL_AUTHENTICATION_FAILED": "authentication",
    "_SSL": "authentication",
    "_FATAL": "fatal",
}


class Clients:
    """client: consumer or producer."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._told: dict[str, ClientStatistics] = {}

    def error(self, client: str, name: str) -> None:
        """client: consumer or producer; name: librdkafka's error name, such as "_TRANSPORT"."""
        kind = "authorization" if name.endswith("_AUTHORIZATION_FAILED") else _ERROR_KIND.get(name, OTHER)
        self._ledger.add(table.KAFKA_ERRORS, 1, client, kind)

    def statistics(self, client: str, text: str) -> None:
        """client: consumer or producer; text: librdkafka's statistics in JSON. A new client counts from 0."""
        now, before = parse(text), self._told.get(client)
        self._told[client] = now
        with self._ledger.series.together():
            for percentile, seconds in now.round_trip_s.items():
                self._ledger.set(table.ROUND_TRIP, seconds, client, percentile)
            self._ledger.set(table.THROTTLE, now.throttle_s, client)
            self._ledger.set(table.QUEUE_EVENTS, now.queue_events, client)
            self._ledger.set(table.QUEUE_BYTES, now.queue_bytes, client)
            for metric, count in _COUNTS.items():
                told, last = count(now), count(before) if before is not None else 0
                self._ledger.add(metric, told - last if told >= last else told, client)
