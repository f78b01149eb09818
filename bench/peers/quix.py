"""Quix Streams, exactly once: one chain of one function a record, as its documentation has it.

The framework calls the function for each record, so the model is called for each record.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from given import BATCH, BOOTSTRAP, CONSUMER, DEAD_LETTERS, EVENTS, INPUT, NAME, OUTPUT, PRODUCER, WAIT_S, Report
from quixstreams import Application
from quixstreams.models import SerializationContext, Serializer
from scoring import Model, broken_rule, decode, encode

OWN = ("bootstrap.servers", "group.id", "auto.offset.reset", "enable.auto.commit", "isolation.level")
"""Settings that Application takes by itself."""


class Result(NamedTuple):
    value: bytes
    reason: str | None = None


class ResultSerializer(Serializer):
    def __call__(self, value: Result, ctx: SerializationContext) -> bytes:
        return value.value


def main() -> None:
    report, model = Report(), Model()
    done = 0

    def processed(_topic: str, _partition: int, _offset: int) -> None:
        nonlocal done
        done += 1
        if done >= EVENTS:
            app.stop()

    def process(value: bytes) -> Result:
        report.first_poll()
        flight = decode(value)
        if flight is None:
            return Result(value, "not Avro")
        reason = broken_rule(flight)
        if reason is not None:
            return Result(value, reason)
        return Result(encode(flight, model.score([flight])[0]))

    def headers(value: Result, _key: Any, _timestamp: int, before: Any) -> Any:
        return [("reason", value.reason.encode())] if value.reason is not None else before

    app = Application(
        broker_address=BOOTSTRAP,
        consumer_group=NAME,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=WAIT_S,
        commit_every=BATCH,
        consumer_extra_config={name: value for name, value in CONSUMER.items() if name not in OWN},
        producer_extra_config={name: value for name, value in PRODUCER.items() if name not in OWN},
        consumer_poll_timeout=WAIT_S,
        auto_create_topics=False,
        use_changelog_topics=False,
        on_message_processed=processed,
        loglevel="WARNING",
    )
    source = app.topic(INPUT, value_deserializer="bytes", key_deserializer="bytes")
    output = app.topic(OUTPUT, value_serializer=ResultSerializer(), key_serializer="bytes")
    dead_letters = app.topic(DEAD_LETTERS, value_serializer=ResultSerializer(), key_serializer="bytes")
    frame = app.dataframe(source).apply(process).set_headers(headers)
    frame.to_topic(lambda value, _key, _timestamp, _headers: output if value.reason is None else dead_letters)
    app.run()
    report.tell(done)  # the last commit, and the closing of the clients with it


if __name__ == "__main__":
    main()
