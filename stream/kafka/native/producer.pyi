import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError

from stream.batch import Bytes, Header, Int64s
from stream.kafka.native.client import Client
from stream.kafka.native.library import Library

class Producer:
    client: Client
    held: int
    def __init__(
        self,
        library: Library,
        properties: Mapping[str, Any],
        signs: Sequence[str],
        log: logging.Logger,
        on_error: Callable[[KafkaError], None],
        on_statistics: Callable[[str], None] | None = None,
    ) -> None: ...
    def init_transactions(self, timeout: float) -> None: ...
    def begin_transaction(self) -> None: ...
    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        timestamp: int,
        headers: Sequence[Header],
    ) -> None: ...
    def produce_rows(
        self,
        topic: str,
        values: bytes | memoryview,
        value_offsets: Int64s,
        sources: Int64s,
        keys: bytes | memoryview,
        key_offsets: Int64s,
        flags: Bytes,
        stamps: Int64s,
        first: int,
        headers: tuple[memoryview, Any, Int64s, int] | None,
        prefixes: Sequence[bytes],
    ) -> int: ...
    def produce_messages(
        self,
        topic: str,
        values: bytes | memoryview,
        value_offsets: Int64s,
        sources: Int64s,
        keys: bytes | memoryview,
        key_offsets: Int64s,
        flags: Bytes,
        stamps: Int64s,
        first: int,
        headers: tuple[memoryview, Any, Int64s, int],
    ) -> int: ...
    def flush(self, timeout: float) -> int: ...
    def poll(self, timeout: float) -> None: ...
    def send_offsets_to_transaction(self, positions: Sequence[Any], group_metadata: Any, timeout: float) -> None: ...
    def commit_transaction(self, timeout: float) -> None: ...
    def abort_transaction(self, timeout: float) -> None: ...
    def purge(self) -> None: ...
