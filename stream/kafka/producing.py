"""Writing events to a topic from outside of a pipeline: idempotent, and only what was acknowledged counts.

That is as far as a producer without transactions goes: an event that was written and not acknowledged within
DELIVERY_S counts as failed, and whoever sends it again has it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message

from stream.errors import ConfigurationError
from stream.kafka.connection import Connection
from stream.kafka.serving import served
from stream.kafka.settings import Properties
from stream.kafka.topics import TopicAdmin

DELIVERY_S: Final = 60.0
"""An event that is not acknowledged within this counts as failed."""
FULL_WAIT_S: Final = 0.1
_NO_SENSE: Final = frozenset({KafkaError._MSG_TIMED_OUT, KafkaError.TOPIC_AUTHORIZATION_FAILED})
"""Errors of one event that every other one would have too."""
PACES_PER_S: Final = 20
"""How often a limited rate is brought back to its line."""

_PRODUCER: Final[Properties] = {
    "enable.idempotence": True,
    "acks": "all",
    # with more, a request behind one that a moved leader refused is out of order; librdkafka then takes a new epoch,
    # under which what another broker wrote without an answer is written again (confluentinc/librdkafka#4953)
    "max.in.flight.requests.per.connection": 1,
    "partitioner": "murmur2_random",  # as Java places keys, and as the pipeline does
    "message.timeout.ms": int(DELIVERY_S * 1000),
}
_DEFAULTS: Final[Properties] = {"linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 200_000}


@dataclass(slots=True)
class Pace:
    """Holds a sender to a rate of events per second, 0 for none. clock and sleep are in seconds."""

    rate: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    _started: float | None = None

    def before(self, sent: int) -> None:
        """Wait until the line of the rate has come to the number of events sent; looked at now and then."""
        if not self.rate or sent % max(1, int(self.rate / PACES_PER_S)):
            return
        if self._started is None:
            self._started = self.clock()
        ahead_s = sent / self.rate - (self.clock() - self._started)
        if ahead_s > 0:
            self.sleep(ahead_s)


@dataclass(slots=True)
class EventProducer:
    """Sends to one topic; rate: events per second at most, 0 for no limit."""

    connection: Connection
    topic: str
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    rate: float = 0.0
    acknowledged: int = 0
    failed: int = 0
    first_failure: str = ""
    _sent: int = 0
    _stop: KafkaError | None = None
    _pace: Pace = field(init=False)
    _producer: Any = field(init=False)

    def __post_init__(self) -> None:
        """Raises ConfigurationError when there is no such topic: a producer would wait, or have one made."""
        if self.topic not in TopicAdmin(self.connection).existing([self.topic]):
            hint = "create it, with `stream topics PIPELINE --apply` for example"
            raise ConfigurationError([f"topic {self.topic} does not exist: {hint}"])
        self._pace = Pace(self.rate, self.clock, self.sleep)
        defaults = {name: value for name, value in _DEFAULTS.items() if name not in self.connection.user}
        self._producer = self.connection.producer({**defaults, **_PRODUCER})

    def send(self, events: Iterable[tuple[bytes | None, bytes]]) -> None:
        """Queue (key, value) pairs, at the rate. Raises ProcessError when there is no sense in going on."""
        for key, value in events:
            self._pace.before(self._sent)
            self._queue(key, value)
        self._serve(0)

    def flush(self) -> None:
        """Until every event was acknowledged or given up. Raises as send."""
        self._call(self._producer.flush, DELIVERY_S + 1)
        self._serve(0)

    def _queue(self, key: bytes | None, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self.topic, value, key, on_delivery=self._delivered)
            except BufferError:
                self._serve(FULL_WAIT_S)
                continue
            except KafkaException as error:
                self._fail(error.args[0])
            self._sent += 1
            return

    def _call(self, call: Callable[[float], int], wait_s: float) -> None:
        try:
            served(call, wait_s)
        except KafkaException as fatal:
            self._stop = fatal.args[0]

    def _serve(self, wait_s: float) -> None:
        self._call(self._producer.poll, wait_s)
        if self._stop is not None:
            error = self.connection.refusal(self._stop, f"write to topic {self.topic}", f"Write on topic {self.topic}")
            error.add_note(f"{self.acknowledged} events were written")
            raise error

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        """One that is too large, for example, says nothing of the others."""
        self.failed += 1
        self.first_failure = self.first_failure or f"{error.str()} ({error.name()})"
        if error.fatal() or error.code() in _NO_SENSE:
            self._stop = error
