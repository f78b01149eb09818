import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from stream.avro import DirectorySchemas, choose_encoder, load_schema, parse_schema
from stream.avro.store import SchemaStore
from stream.batch import Failure, Messages
from stream.cli import app
from stream.cli.decoding import Keys, PlainReader
from stream.cli.produce import Framed, Production, _limited, flights_of, passes, until_stopped
from stream.cli.tail import facts, failure_lines
from stream.demo import flights
from stream.errors import ConfigurationError, PoisonError, SystemicError
from stream.kafka.producing import PACES_PER_S, Pace

ROOT = Path(__file__).parents[3]
FIELDS = [
    {"name": "id", "type": "int"},
    {
        "name": "who",
        "type": {"type": "record", "name": "Who", "fields": [{"name": "name", "type": ["null", "string"]}]},
    },
    {"name": "raw", "type": "bytes"},
    {"name": "tags", "type": {"type": "map", "values": "int"}},
]
SCHEMA = parse_schema(json.dumps({"type": "record", "name": "E", "fields": FIELDS}))
STORE = DirectorySchemas([], known=[SCHEMA])
EVENTS: list[dict[str, Any]] = [
    {"id": 7, "who": {"name": "ann"}, "raw": b"\x00\xff", "tags": [("a", 1)]},
    {"id": 8, "who": {"name": None}, "raw": b"key", "tags": []},
]


def values(prefix: bytes = b"") -> list[bytes]:
    import pyarrow as pa

    columns = pa.RecordBatch.from_pylist(EVENTS, schema=SCHEMA.arrow)
    encoded = choose_encoder(SCHEMA).encoder.encode(columns, prefix)
    bounds = zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)
    return [bytes(encoded.values[start:end]) for start, end in bounds]


def messages(*extra: bytes | None) -> Messages:
    return Messages.of([*values(STORE.prefix("t", SCHEMA)), *extra], topic="t", timestamp_ms=1_769_839_200_500)


def test_events_are_shown_as_their_writer_meant_them_and_others_with_the_reason() -> None:
    first, second, junk, null = PlainReader(STORE).read(messages(b"junk", None))
    assert first == {"id": 7, "who": {"name": "ann"}, "raw": b"\x00\xff", "tags": {"a": 1}}
    assert isinstance(second, dict)
    assert isinstance(junk, Failure)
    assert junk.reason == "not_avro"
    assert isinstance(null, Failure)
    assert null.reason == "null_value"


def test_a_given_schema_sees_the_events_as_it_has_them() -> None:
    slim = parse_schema('{"type": "record", "name": "E", "fields": [{"name": "id", "type": "long"}]}')
    assert PlainReader(STORE, slim).read(messages()) == [{"id": 7}, {"id": 8}]


@pytest.mark.parametrize("error", [PoisonError("unknown_schema", "none here"), SystemicError("registry", "away")])
def test_a_schema_that_is_not_there_is_told_and_reading_goes_on(error: PoisonError | SystemicError) -> None:
    class Empty:
        def writer_schema(self, frame: object) -> None:
            raise error

    store: SchemaStore = Empty()  # type: ignore[assignment]
    found = PlainReader(store).read(messages())
    assert [f.reason for f in found if isinstance(f, Failure)] == [error.reason, error.reason]


def test_what_is_shown_of_an_event() -> None:
    batch = replace(messages(), headers=[[("h", b"text"), ("h", b"\xff"), ("n", None)], None])
    (first, _) = PlainReader(STORE).read(batch)
    assert facts(batch, 0, first) == {
        "topic": "t",
        "partition": 0,
        "offset": 0,
        "timestamp": "2026-01-31T06:00:00.500+00:00",
        "key": None,
        "headers": {"h": ["text", "0xff"], "n": None},
        "value": first,
    }


def test_what_is_shown_of_bytes_that_are_no_event_is_short_and_says_why() -> None:
    batch = messages(b"j" * 100, None)
    found = PlainReader(STORE).read(batch)
    shown = facts(batch, 2, found[2])
    assert shown["error"].startswith("not_avro: ")
    assert shown["value_hex"] == "6a" * 32 + "..."
    assert shown["value_bytes"] == 100
    assert facts(batch, 3, found[3])["value"] is None


def test_no_timestamp_is_none() -> None:
    batch = replace(messages(), timestamp=np.array([-1, 0]))
    assert facts(batch, 0, {})["timestamp"] is None
    assert facts(batch, 1, {})["timestamp"] == "1970-01-01T00:00:00.000+00:00"


def test_error_headers_are_shown_as_sentences_and_the_others_are_left() -> None:
    headers = {
        "__streams.errors.topic": "flights",
        "__streams.errors.partition": "3",
        "__streams.errors.offset": "17",
        "__streams.errors.message": "validate: expectation: 1 of 2 not met",
        "__streams.errors.exception": "stream.PoisonError",
        "__streams.errors.stacktrace": "",
        "stream.pipeline": "p",
        "stream.stage": "validate",
        "stream.reason": "expectation",
        "stream.first-failed": "0",
        "traceparent": "00-abc",
    }
    assert list(failure_lines(headers)) == [
        "failed  validate: expectation: 1 of 2 not met",
        "from    flights/3@17",
        "with    pipeline p, first-failed 1970-01-01T00:00:00.000+00:00",
    ]
    assert headers == {"traceparent": "00-abc"}


def test_an_event_that_did_not_fail_has_no_failure_lines() -> None:
    headers = {"h": "text"}
    assert list(failure_lines(headers)) == []
    assert headers == {"h": "text"}


@pytest.mark.parametrize(
    ("path", "keys"), [("id", [b"7", b"8"]), ("who.name", [b"ann", None]), ("raw", [b"\x00\xff", b"key"])]
)
def test_keys_are_text_bytes_or_decimal_numbers_of_a_field(path: str, keys: list[bytes | None]) -> None:
    assert Keys(SCHEMA, path).of(values()) == keys


@pytest.mark.parametrize(("path", "message"), [("idd", "did you mean 'id'"), ("tags", "cannot be a key")])
def test_a_field_that_cannot_be_the_key_is_refused(path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Keys(SCHEMA, path)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.slept += 1


@pytest.mark.parametrize("rate", [0.5, 3.0, 100.0, 20_000.0])
def test_a_rate_is_held_on_average_without_a_sleep_for_each_event(rate: float) -> None:
    time, events = Time(), int(rate * 10) + 1
    pace = Pace(rate, time.clock, time.sleep)
    for sent in range(events):
        pace.before(sent)
    assert time.now - 100 == pytest.approx(10, abs=max(1 / rate, 1 / PACES_PER_S) + 1e-6)
    assert time.slept <= 10 * PACES_PER_S + events / 1000


def test_no_rate_never_sleeps() -> None:
    time = Time()
    for sent in range(1000):
        Pace(0.0, time.clock, time.sleep).before(sent)
    assert time.slept == 0


def test_a_sender_that_is_late_does_not_wait() -> None:
    time = Time()
    pace = Pace(10.0, time.clock, time.sleep)
    pace.before(0)
    time.now += 60
    pace.before(100)
    assert time.slept == 0


class Sent:
    """Stands for the producer."""

    def __init__(self) -> None:
        self.events: list[tuple[bytes | None, bytes]] = []

    def send(self, events: Any) -> None:
        self.events += events


def test_refused_rows_are_told_up_to_a_number_and_the_others_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    from stream.avro import Rejected

    sent = Sent()
    production = Production(sent, b"<>", None)  # type: ignore[arg-type]
    production.send([b"a", Rejected(1, "out_of_range", "line 3: field x: no number"), b"b"])
    production.send([Rejected(row, "not_avro", "not JSON") for row in range(3, 53)])
    assert sent.events == [(None, b"<>a"), (None, b"<>b")]
    assert production.refused == {"out_of_range": 1, "not_avro": 50}
    assert production.rows == 53
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "row 1 refused: out_of_range: line 3: field x: no number"
    assert len(told) == 21
    assert told[-1] == "further refused rows are only counted"


@pytest.mark.parametrize(("limit", "rows"), [(None, 7), (1, 1), (3, 3), (4, 4), (7, 7), (9, 7)])
def test_a_limit_takes_the_first_rows(limit: int | None, rows: int) -> None:
    chunks: list[Any] = [[b"a", b"b", b"c"], [b"d", b"e", b"f"], [b"g"]]
    taken = [row for chunk in _limited(iter(chunks), limit) for row in chunk]
    assert taken == [b"a", b"b", b"c", b"d", b"e", b"f", b"g"][:rows]


def test_repeating_begins_anew_after_each_pass_and_ends_when_a_pass_has_no_row() -> None:
    left = [[[b"a"], [b"b"]], [[b"a"]], []]

    def one_pass() -> Iterator[list[Any]]:
        yield from left.pop(0)

    assert list(passes(one_pass, repeat=True)) == [[b"a"], [b"b"], [b"a"]]
    assert not left
    assert list(passes(lambda: iter([[b"a"]]), repeat=False)) == [[b"a"]]


def test_the_flights_come_framed_with_their_number_as_key_and_some_are_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    few = partial(flights.events, limit=2500)
    monkeypatch.setattr(flights, "events", few)
    schema = load_schema(ROOT / "schemas" / "flight.avsc")
    (first, *_) = flights_of(schema, b"<>")()
    keys, found = zip(*first, strict=True)
    assert list(keys) == [b"%d" % i for i in range(2000)]
    assert found[0].startswith(b"<>")
    assert found[1007].endswith(b"\x00\x01")

    class Sent:
        def __init__(self) -> None:
            self.pairs: list[Any] = []

        def send(self, pairs: Any) -> None:
            self.pairs += pairs

    sent = Sent()
    production = Production(sent, b"<>", None)  # type: ignore[arg-type]
    production.send([Framed(b"1", b"<>x")])
    assert sent.pairs == [(b"1", b"<>x")], "what is framed already is not framed again"
    assert production.rows == 1


def test_sigterm_ends_producing_in_good_order() -> None:
    before = signal.getsignal(signal.SIGTERM)
    reached = []
    with until_stopped():
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("not here")
    assert not reached
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    "arguments", [[], ["--flights", "--input", "f.csv"], ["--flights", "--key", "flight_id"]], ids=" ".join
)
def test_one_source_of_events_is_asked_for(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["produce", "flights", "--schema", "schemas/flight.avsc", *arguments])
    assert done.exit_code == 2
