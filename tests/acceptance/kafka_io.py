"""Topics, records in, records out: plain confluent_kafka, independent of the product's own code."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

ADMIN_TIMEOUT_S = 30.0
POLL_S = 0.2
BATCH = 1000

Headers = Sequence[tuple[str, bytes | None]]
Input = tuple[bytes | None, bytes | None, Headers | None, int | None]
"""key, value, headers, partition; a partition of None leaves it to the key."""


class Record(NamedTuple):
    """One record as it was read; timestamp in ms."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp: int


@dataclass(frozen=True)
class KafkaIO:
    """Reads and writes of a test on one cluster; `settings` are further client properties, security for example."""

    bootstrap: str
    settings: Mapping[str, Any] | None = None

    def create_topics(self, topics: Mapping[str, int], config: Mapping[str, str] | None = None) -> None:
        """Create topics (name -> partitions) and wait until every partition has a leader."""
        admin = AdminClient(self._client())
        new = [NewTopic(name, num_partitions=count, config=dict(config or {})) for name, count in topics.items()]
        for future in admin.create_topics(new, operation_timeout=ADMIN_TIMEOUT_S).values():
            future.result(ADMIN_TIMEOUT_S)
        deadline = time.monotonic() + ADMIN_TIMEOUT_S
        while not all(_has_leaders(admin, name, count) for name, count in topics.items()):
            assert time.monotonic() < deadline, f"no leaders for {sorted(topics)} within {ADMIN_TIMEOUT_S} s"
            time.sleep(POLL_S)

    def produce(self, topic: str, records: Iterable[Input]) -> None:
        """Write all records, acks=all; fails if one of them was not acknowledged."""
        failed: list[KafkaError] = []
        producer = Producer(
            self._client() | {"enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2_random"}
        )

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        for key, value, headers, partition in records:
            placed = {} if partition is None else {"partition": partition}
            while True:
                try:
                    producer.produce(
                        topic, key=key, value=value, headers=list(headers or ()), on_delivery=delivered, **placed
                    )
                    break
                except BufferError:
                    producer.poll(POLL_S)
        left = producer.flush(60)
        assert not left, f"{left} records were not acknowledged in 60 s"
        assert not failed, f"{len(failed)} records failed, the first with {failed[0]}"

    def read_committed(self, topic: str, timeout_s: float = 30.0, *, open_transactions: str = "wait") -> list[Record]:
        """All committed records of all partitions, from the first to the end as it is now.

        A transaction that is still open hides what follows it: "wait" waits until it has ended and fails
        after timeout_s; "stop" takes what is visible.
        """
        assert open_transactions in ("wait", "stop")
        ends = self.end_offsets(topic)
        reader = Consumer(
            self._client()
            | {
                "group.id": "independent-reader",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
            }
        )
        try:
            reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
            return _read(reader, topic, ends if open_transactions == "wait" else dict.fromkeys(ends, 0), timeout_s)
        finally:
            reader.close()

    def end_offsets(self, topic: str) -> dict[int, int]:
        """Partition -> offset after the last record, aborted and uncommitted ones included."""
        admin = AdminClient(self._client())
        found = admin.list_topics(topic, timeout=ADMIN_TIMEOUT_S).topics[topic]
        assert found.error is None, f"{topic}: {found.error}"
        latest = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in found.partitions}
        offsets = admin.list_offsets(latest, request_timeout=ADMIN_TIMEOUT_S)
        return {place.partition: future.result(ADMIN_TIMEOUT_S).offset for place, future in offsets.items()}

    def _client(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap, **(self.settings or {})}


def _has_leaders(admin: AdminClient, topic: str, partitions: int) -> bool:
    found = admin.list_topics(topic, timeout=ADMIN_TIMEOUT_S).topics[topic]
    return len(found.partitions) == partitions and all(p.leader >= 0 for p in found.partitions.values())


def _read(reader: Consumer, topic: str, ends: dict[int, int], timeout_s: float) -> list[Record]:
    """Poll until each partition reported its end at or after the offset in `ends`."""
    records: list[Record] = []
    waiting = dict(ends)
    deadline = time.monotonic() + timeout_s
    while waiting:
        assert time.monotonic() < deadline, (
            f"{topic}: after {timeout_s} s and {len(records)} records, partitions {sorted(waiting)} are not read to"
            f" their ends {waiting}: a transaction is open, or the broker is not there"
        )
        for message in reader.consume(BATCH, POLL_S):
            error = message.error()
            if error is None:
                records.append(_record(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                if message.offset() >= waiting.get(message.partition(), 0):
                    waiting.pop(message.partition(), None)
            else:
                assert error.retriable(), f"{topic}: {error}"
    return records


def _record(message: Message) -> Record:
    _, timestamp = message.timestamp()
    return Record(
        message.partition(), message.offset(), message.key(), message.value(), message.headers() or [], timestamp
    )
