"""Writing with the native transport: rows are queued by one call for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from stream.batch import Int64s, Messages, Record, Rows
from stream.failures.headers import PREFIXES
from stream.failures.letters import Letters
from stream.kafka.native.headers import column_of
from stream.kafka.native.letters import headers_of

_OWN: Final = tuple(prefix.encode() for prefix in PREFIXES)
"""Headers that an output does not take over from its message."""


@dataclass(frozen=True, slots=True)
class CountedTrouble:
    """The log signal of the guard: counted by the client's own threads, before they send anything again."""

    client: Any

    @property
    def lines(self) -> int:
        return int(self.client.trouble)

    @property
    def last(self) -> str:
        return str(self.client.last_trouble)


@dataclass(slots=True)
class NativeOutlet:
    """An Outlet over `producer.Producer`. Another thread may still be inside of a call when it is discarded."""

    _producer: Any
    trouble: CountedTrouble = field(init=False)

    def __post_init__(self) -> None:
        self.trouble = CountedTrouble(self._producer.client)

    def init_transactions(self, timeout: float) -> None:
        self._producer.init_transactions(timeout)

    def begin_transaction(self) -> None:
        self._producer.begin_transaction()

    def produce(self, record: Record) -> None:
        self._producer.produce(
            record.topic, record.value, record.key, record.partition, record.timestamp, list(record.headers)
        )

    def produce_rows(self, rows: Rows, messages: Messages, stamps: Int64s, first: int) -> int:
        headers = None
        if messages.headers is not None:
            column = column_of(messages.headers)
            headers = (column.data, column.places, column.first, column.most)
        queued: int = self._producer.produce_rows(
            rows.topic,
            rows.values,
            rows.value_offsets,
            rows.rows,
            messages.keys,
            messages.key_offsets,
            messages.flags,
            stamps,
            first,
            headers,
            _OWN,
        )
        return queued

    def produce_letters(self, letters: Letters, first: int) -> int:
        column, m = headers_of(letters), letters.messages
        headers = (column.data, column.places, column.first, column.most)
        queued: int = self._producer.produce_messages(
            letters.topic,
            m.values,
            m.value_offsets,
            letters.rows,
            m.keys,
            m.key_offsets,
            m.flags,
            letters.stamps(),
            first,
            headers,
        )
        return queued

    def flush(self, timeout: float) -> int:
        return int(self._producer.flush(timeout))

    def poll(self, timeout: float) -> None:
        self._producer.poll(timeout)

    def send_offsets_to_transaction(self, positions: list[Any], group_metadata: Any, timeout: float) -> None:
        self._producer.send_offsets_to_transaction(positions, group_metadata, timeout)

    def commit_transaction(self, timeout: float) -> None:
        self._producer.commit_transaction(timeout)

    def discard(self) -> None:
        self._producer.purge()
        del self._producer  # the client goes with the last call that is inside of it
