"""Plain Python, written with care: fastavro for each record, rules in Python (or, with --gx, Great Expectations for
each batch), one ONNX call and one transaction a batch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from confluent_kafka import Message, Producer
from given import DEAD_LETTERS, OUTPUT
from scoring import Model, Record, broken_rule, decode, encode
from transactions import run

Rules = Callable[[list[Record]], list[str | None]]


def handler(rules: Rules) -> Callable[[list[Message], Producer], None]:
    model = Model()

    def handle(messages: list[Message], producer: Producer) -> None:
        flights: list[Record] = []
        sources: list[Message] = []
        for message in messages:
            flight = decode(message.value())
            if flight is None:
                dead_letter(producer, message, "not Avro")
            else:
                flights.append(flight)
                sources.append(message)
        reasons = rules(flights)
        good = [i for i, reason in enumerate(reasons) if reason is None]
        for i, reason in enumerate(reasons):
            if reason is not None:
                dead_letter(producer, sources[i], reason)
        if good:
            for i, delay in zip(good, model.score([flights[i] for i in good]), strict=True):
                producer.produce(OUTPUT, encode(flights[i], delay), sources[i].key())

    return handle


def dead_letter(producer: Producer, message: Message, reason: str) -> None:
    origin = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
    headers = [("reason", reason.encode()), *((name, str(value).encode()) for name, value in origin.items())]
    producer.produce(DEAD_LETTERS, message.value(), message.key(), headers=headers)


def in_python(flights: list[Record]) -> list[str | None]:
    return [broken_rule(flight) for flight in flights]


if __name__ == "__main__":
    if "--gx" in sys.argv:
        from expectations import with_great_expectations

        run(handler(with_great_expectations()))
    else:
        run(handler(in_python))
