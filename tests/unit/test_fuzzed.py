"""What the fuzzing found, one by one: it ended a process, grew without bound, or was told so that none can read it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from stream.assembly import open_pipeline
from stream.avro import parse_schema
from stream.avro.files import read_values
from stream.avro.resolution import resolve
from stream.batch import Failure, FailureClass, Header, Messages
from stream.config import environment
from stream.config.document import parse
from stream.dlq.columns import Filter
from stream.dlq.resolved import Action, Book, Run, resolution, resolution_key
from stream.errors import MAX_TOLD_CHARACTERS, ConfigurationError, PoisonError, Problem
from stream.failures.headers import MAX_ERROR_BYTES, ORIGIN, error_headers, origin_of, size
from stream.http.answers import Field
from stream.http.references import Resolver
from stream.http.urls import MAX_URL_CHARS, compile_url
from stream.inference.manifest import parse_manifest
from stream.kafka.waiting import as_first_read
from stream.stages.stage import Project
from stream.validation import compile_suite
from stream.validation.load import parse_suite

ROOT = Path(__file__).parents[2]


def with_headers(*headers: Header) -> Messages:
    return replace(Messages.of([b"v"], [b"k"], topic="retry"), headers=[list(headers)])


def origin(topic: bytes, partition: bytes, offset: bytes) -> list[Header]:
    return list(zip(ORIGIN, (topic, partition, offset), strict=True))


@pytest.mark.parametrize(
    "headers",
    [
        origin(b"t", b"%d" % 2**31, b"1"),
        origin(b"t", b"1", b"%d" % 2**63),
        origin(b"t" * 250, b"1", b"1"),
        origin(b"", b"1", b"1"),
        origin(b"t", b"-1", b"1"),
    ],
)
def test_an_origin_that_is_no_place_in_kafka_is_none(headers: list[Header]) -> None:
    assert origin_of(headers) is None
    first = as_first_read(with_headers(*headers), frozenset({"retry"}))
    assert first.origin(0) == ("retry", 0, 0)


def test_headers_that_an_event_brings_along_do_not_grow_its_dead_letter() -> None:
    messages = with_headers((ORIGIN[0], b"x" * 300_000), ("stream.replays", b"9" * 300_000))
    failure = Failure(0, "decode", FailureClass.POISON, "not_avro")
    assert size(None, None, error_headers(failure, messages, "p", 0)) < MAX_ERROR_BYTES


@pytest.mark.parametrize("at", ['"x"', "1e999", "NaN", "{}", "[" * 5000, "9" * 5000, "null", "-1", str(2**63)])
def test_a_record_of_the_resolved_topic_that_is_not_ours_is_passed_over(at: str) -> None:
    book = Book("id")
    run = Run(Action.REPLAYED, "all", 1, "somebody", "")
    odd = '{"at": %s, "run": %s, "ends": %s, "limit": %s, "id": 1}'.replace("%s", at).encode()
    keys = [b"owner", run.key.encode(), resolution_key("id", 0, 1), "id/²/1".encode(), b"run/replayed/all/\xc2\xb2"]
    book.note(Messages.of([odd] * len(keys), keys))
    book.note(Messages.of([resolution(run, 5)], [resolution_key("id", 0, 7)]))
    assert (0, 7) in book


@pytest.mark.parametrize("text", ['a: "\\UFFFFFFFF"', 'a: "\\U00110000"', "[" * 5000, "a: [" + "0, " * 25_000 + "]"])
def test_yaml_that_is_no_text_or_too_much_is_a_mistake(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse(text, "p.yaml")


@pytest.mark.parametrize("text", ['a: "\\0"', 'a: "\\ud800"', '"\\0": a', '"\\ud800": a'])
def test_nul_and_half_a_surrogate_pair_are_told_at_their_place(text: str) -> None:
    (problem,) = parse(text, "p.yaml").problems
    assert problem.place.startswith("p.yaml:1:")


def test_a_filter_of_a_megabyte_is_refused_before_it_is_read() -> None:
    with pytest.raises(ConfigurationError, match=r"--where: .*more than"):
        Filter.parse("'$a$" * 250_000, everything=False)


def test_a_name_that_no_file_can_have_is_not_there() -> None:
    assert Project(Path("/")).find("x" * 5000) == Path("/") / ("x" * 5000)


@pytest.mark.parametrize("name", ["MESSAGE_MAX_BYTES", "SESSION_TIMEOUT_MS", "MAX_POLL_INTERVAL_MS"])
@pytest.mark.parametrize("value", ["abc", "9" * 5000, "-1", "0"])
def test_numbers_of_librdkafka_are_judged_before_they_are_used(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"STREAM_KAFKA_{name} must be a whole number"):
        open_pipeline(ROOT / "pipelines" / "flights.yaml", {f"STREAM_KAFKA_{name}": value}, offline=True)


def test_a_secret_in_a_file_that_can_have_no_name_is_a_mistake() -> None:
    _, problems = environment.read({"STREAM_KAFKA_SASL_PASSWORD_FILE": "a\0b"}, "host", terminal=False)
    assert "the name of no file" in problems[0].message


def test_what_is_told_of_a_mistake_can_be_printed_and_has_an_end() -> None:
    problem = Problem("\x1b[2J\ud800" * 10_000, place="\x07")
    assert str(problem).isprintable()
    assert len(problem.message) < MAX_TOLD_CHARACTERS + 10
    assert Problem("two\nlines").message == "two\nlines"


def manifest(**changed: object) -> str:
    text = (ROOT / "models" / "arrival-delay" / "1" / "manifest.json").read_text()
    return json.dumps({**json.loads(text), **changed}, ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    [
        manifest(more="\ufffe"),
        manifest(**{"k" * 5000: 1}),
        manifest(metadata={"a": json.loads("[" * 150 + "]" * 150)}),
        manifest(metadata={str(i): i for i in range(10_001)}),
        manifest(inputs=[]) + "\t",
    ],
)
def test_a_manifest_of_odd_json_is_a_mistake_at_its_place(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"m\.json:\d+:\d+: "):
        parse_manifest(text, Path("m.json"))


def test_a_suite_of_odd_numbers_is_a_mistake_at_its_place() -> None:
    with pytest.raises(ConfigurationError, match=r"s\.json:1:1: .*too long"):
        parse_suite("s.json", '{"name": ' + "9" * 5000 + "}")
    with pytest.raises(ConfigurationError, match=r"s\.json:1:1: .*more than"):
        parse_suite("s.json", "[" + "1," * 100_001 + "1]")
    kwargs = {"column": "a", "mostly": []}
    entry = {"type": "expect_column_values_to_be_null", "kwargs": kwargs}
    with pytest.raises(ConfigurationError, match="mostly must be a number"):
        compile_suite(
            parse_suite("s.json", json.dumps({"name": "s", "expectations": [entry]})),
            pa.schema([pa.field("a", pa.int64())]),
        )


def event(of: object) -> str:
    return json.dumps({"type": "record", "name": "E", "fields": [{"name": "a", "type": of}]})


def test_an_enum_of_many_symbols_resolves_at_once() -> None:
    schema = parse_schema(event({"type": "enum", "name": "S", "symbols": [f"S{i}" for i in range(30_000)]}))
    began = time.process_time()
    resolve(schema.root, schema.root)
    assert time.process_time() - began < 2


def test_a_fixed_of_a_gigabyte_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='more than 65536 bytes; "bytes" takes'):
        parse_schema(event(["null", {"type": "fixed", "name": "F", "size": 10**9}]))


def test_a_time_that_nanoseconds_cannot_hold_is_that_events_fault() -> None:
    field = Field("at", ("at",), pa.timestamp("ns", "UTC"))
    for text in ("1677-09-21T00:00:00Z", "2262-04-12T00:00:00Z", "9999-12-31T23:59:59Z"):
        with pytest.raises(PoisonError, match="wrong_type"):
            field.read({"at": text})
    pa.array([field.read({"at": "2262-04-10T23:59:59Z"})], field.type)


def test_a_url_is_as_long_as_one_may_be() -> None:
    with pytest.raises(ValueError, match="at most 8192 characters"):
        compile_url("http://h/" + "a" * MAX_URL_CHARS, Resolver({}, Path))


@pytest.mark.parametrize(
    "content",
    [
        b"Obj\x01\x02\x16avro.schema" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"Obj\x01\x02\x16avro.schema" + b"\x80\x80\x80\x80\x08{}",
        b"Obj\x01\x02\x16avro.schema\x20" + b'{"type":"recor"}' + b"\x00" + b"s" * 16,
    ],
)
def test_lengths_of_a_container_file_are_no_orders(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not a whole Avro file"):
        list(read_values(path, parse_schema(event("int"))))
