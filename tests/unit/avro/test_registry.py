"""Schemas from a registry over HTTP: what it knows, what it does not, and when it does not answer."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema as TheirSchema
from confluent_kafka.schema_registry import SchemaReference, SchemaRegistryClient
from unit.avro.strategies import Json, record, schema

from stream.avro import RegistrySchemas, codec, registry
from stream.avro.framing import Form, Frame
from stream.devkafka.registry_server import RegistryServer
from stream.errors import ConfigurationError, PoisonError, SystemicError, UnreachableError

V1 = record(("a", "int"))
V2 = record(("a", "int"), {"name": "b", "type": ["null", "int"], "default": None})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(server: RegistryServer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistrySchemas]:
    monkeypatch.setattr(registry, "RETRY_WAIT_MS", 1)
    made = RegistrySchemas({"url": server.url}, clock)
    yield made
    made.close()


def by_id(schema_id: int) -> Frame:
    return Frame(Form.ID, schema_id.to_bytes(4, "big"))


def refused(store: RegistrySchemas, frame: Frame) -> PoisonError:
    with pytest.raises(PoisonError) as raised:
        store.writer_schema(frame)
    return raised.value


def register(server: RegistryServer, subject: str, of: Json, **more: Any) -> int:
    return server.registry.register(subject, {"schema": json.dumps(of)} | more).id


def test_a_schema_is_registered_framed_and_found_again(store: RegistrySchemas, server: RegistryServer) -> None:
    assert store.prefix("flights", schema(V1)) == b"\x00\x00\x00\x00\x01"
    assert server.registry.versions("flights-value") == [1]
    assert store.writer_schema(by_id(1)) == schema(V1)
    assert store.latest("flights-value") == schema(V1)


def test_a_schema_is_asked_for_once(store: RegistrySchemas, server: RegistryServer) -> None:
    register(server, "s", V1)
    assert store.writer_schema(by_id(1)) is store.writer_schema(by_id(1))
    assert server.requests == ["GET /schemas/ids/1"]


def test_no_more_schemas_are_kept_than_said(
    store: RegistrySchemas, server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_SCHEMAS", 2)
    small = RegistrySchemas({"url": server.url})
    for n in range(3):
        register(server, f"s{n}", record((f"f{n}", "int")))
    for schema_id in (1, 2, 3, 1):
        small.writer_schema(by_id(schema_id))
    assert server.requests.count("GET /schemas/ids/1") == 2
    small.close()


def test_an_unknown_id_is_poison_and_not_asked_for_again_for_a_while(
    store: RegistrySchemas, server: RegistryServer, clock: Clock
) -> None:
    for _ in range(3):
        assert refused(store, by_id(1)).reason == codec.UNKNOWN_SCHEMA
    assert server.requests == ["GET /schemas/ids/1"]
    register(server, "s", V1)
    clock.now = registry.UNKNOWN_FOR_S - 1
    assert refused(store, by_id(1)).detail == "the schema registry has no schema 1"
    clock.now = registry.UNKNOWN_FOR_S
    assert store.writer_schema(by_id(1)) == schema(V1)


def test_a_page_that_is_not_there_is_a_wrong_address_and_not_an_unknown_schema(server: RegistryServer) -> None:
    elsewhere = RegistrySchemas({"url": f"{server.url}/wrong"})
    with pytest.raises(SystemicError, match="answered HTTP 404"):
        elsewhere.writer_schema(by_id(1))
    elsewhere.close()


@pytest.mark.parametrize("status", [500, 503, 401, 403, 429])
def test_a_registry_in_trouble_is_systemic_and_known_schemas_go_on(
    store: RegistrySchemas, server: RegistryServer, status: int
) -> None:
    register(server, "s", V1)
    store.writer_schema(by_id(1))
    server.failing = status
    with pytest.raises(SystemicError, match=f"answered HTTP {status}"):
        store.writer_schema(by_id(2))
    assert store.writer_schema(by_id(1)) == schema(V1)
    server.failing = None
    assert refused(store, by_id(2)).reason == codec.UNKNOWN_SCHEMA


def test_a_registry_that_is_down_is_systemic_at_work_and_unreachable_at_start(
    store: RegistrySchemas, server: RegistryServer
) -> None:
    server.close()
    with pytest.raises(SystemicError, match="did not answer: ConnectError"):
        store.writer_schema(by_id(1))
    with pytest.raises(UnreachableError, match="cannot register Event as t-value: the schema registry 127"):
        store.prefix("t", schema(V1))
    with pytest.raises(UnreachableError, match="cannot read the subject t-value"):
        store.latest("t-value")


def test_a_slow_registry_is_waited_for_as_long_as_said(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REQUEST_TIMEOUT_S", 0.05)
    monkeypatch.setattr(registry, "RETRY_WAIT_MS", 1)
    impatient = RegistrySchemas({"url": server.url})
    answer = threading.Event()

    def wait() -> None:
        answer.wait(5)

    server.delay = wait
    started = time.perf_counter()
    with pytest.raises(SystemicError, match="did not answer: ReadTimeout"):
        impatient.writer_schema(by_id(1))
    assert time.perf_counter() - started < 2
    answer.set()
    impatient.close()


def test_a_schema_is_found_by_its_guid(store: RegistrySchemas, server: RegistryServer) -> None:
    guid = server.registry.register("s", {"schema": json.dumps(V1)}).guid
    assert store.writer_schema(Frame(Form.GUID, uuid.UUID(guid).bytes)) == schema(V1)
    assert refused(store, Frame(Form.GUID, b"x" * 16)).reason == codec.UNKNOWN_SCHEMA


def test_a_registry_without_lookup_by_guid_makes_poison_and_no_pause(
    store: RegistrySchemas, server: RegistryServer
) -> None:
    server.failing = 404
    assert refused(store, Frame(Form.GUID, b"x" * 16)).reason == codec.UNKNOWN_SCHEMA


def test_an_id_beyond_those_of_registries_and_a_fingerprint_are_not_asked_for(
    store: RegistrySchemas, server: RegistryServer
) -> None:
    assert refused(store, by_id(2**31)).reason == codec.UNKNOWN_SCHEMA
    assert refused(store, Frame(Form.FINGERPRINT, b"x" * 8)).reason == codec.UNKNOWN_SCHEMA
    assert server.requests == []


def test_a_refused_schema_is_told_with_the_registrys_reason(store: RegistrySchemas, server: RegistryServer) -> None:
    register(server, "t-value", V1)
    with pytest.raises(
        ConfigurationError, match=r"cannot register Event as t-value: .* incompatible .*\(HTTP 409, 409\)"
    ):
        store.prefix("t", schema(record(("c", "int"))))
    assert store.prefix("t", schema(V2)) == b"\x00\x00\x00\x00\x03"


def test_a_subject_that_is_not_there_is_told(store: RegistrySchemas) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the subject x-value: .*not found.*\(HTTP 404, 40401\)"):
        store.latest("x-value")


def test_a_schema_of_another_type_cannot_be_read(store: RegistrySchemas, server: RegistryServer) -> None:
    register(server, "s", {"type": "object"}, schemaType="JSON")
    error = refused(store, by_id(1))
    assert (error.reason, error.detail) == (
        codec.UNRESOLVABLE,
        "schema 1 of the registry: schema 1 is of type JSON, not AVRO",
    )


def test_a_schema_whose_rules_change_the_data_cannot_be_read(store: RegistrySchemas, server: RegistryServer) -> None:
    def rules(kind: str) -> Json:
        return {"domainRules": [{"name": "hide", "kind": kind, "mode": "WRITEREAD", "type": "ENCRYPT"}]}

    register(server, "s", V1, ruleSet=rules("TRANSFORM"))
    assert "has the rule hide (ENCRYPT), which changes data" in refused(store, by_id(1)).detail
    register(server, "t", V1, ruleSet=rules("CONDITION"))
    assert store.writer_schema(by_id(2)) == schema(V1)


def test_references_are_followed(store: RegistrySchemas, server: RegistryServer) -> None:
    client = SchemaRegistryClient({"url": server.url})
    point, line = record(("x", "int"), name="g.Point"), record(("start", "g.Point"), ("end", "g.Point"), name="g.Line")
    client.register_schema("point", TheirSchema(json.dumps(point)))
    refers = [SchemaReference("g.Point", "point", 1)]
    line_id = client.register_schema("line", TheirSchema(json.dumps(line), references=refers))
    found = store.writer_schema(by_id(line_id))
    assert found.arrow.field("end").type.field(0).name == "x"
    client.close()


def test_a_registry_with_a_login_is_asked_with_it_and_it_is_never_shown(server: RegistryServer) -> None:
    server.authorization = "Basic dXNlcjpzM2NyZXQ="
    register(server, "s", V1)
    allowed = RegistrySchemas({"url": server.url, "basic.auth.user.info": "user:s3cret"})
    assert allowed.writer_schema(by_id(1)) == schema(V1)
    stranger = RegistrySchemas({"url": server.url, "basic.auth.user.info": "user:wr0ng"})
    with pytest.raises(SystemicError, match="answered HTTP 401") as raised:
        stranger.writer_schema(by_id(1))
    assert "wr0ng" not in str(raised.value)
    with pytest.raises(ConfigurationError, match="HTTP 401") as at_start:
        stranger.latest("s")
    assert "wr0ng" not in str(at_start.value)
    allowed.close()
    stranger.close()


@pytest.mark.parametrize("properties", [{"url": "ftp://user:s3cret@host"}, {"url": "http://host", "no.such": "x"}])
def test_settings_that_the_client_does_not_take_are_told_without_secrets(properties: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="the schema registry's settings: ") as raised:
        RegistrySchemas(properties)
    assert "s3cret" not in str(raised.value)


def test_confluents_client_finds_the_development_registry_complete(server: RegistryServer) -> None:
    client = SchemaRegistryClient({"url": server.url})
    first = client.register_schema("s", TheirSchema(json.dumps(V1)))
    assert client.register_schema("other", TheirSchema(json.dumps(V1, indent=2))) == first
    assert sorted(client.get_subjects()) == ["other", "s"]
    assert client.test_compatibility("s", TheirSchema(json.dumps(V2)))
    assert not client.test_compatibility("s", TheirSchema(json.dumps(record(("a", "int"), ("z", "int")))))
    assert client.get_compatibility() == "BACKWARD"
    client.set_compatibility("s", "FULL")
    assert client.get_compatibility("s") == "FULL"
    second = client.register_schema("s", TheirSchema(json.dumps(V2)))
    assert client.get_versions("s") == [1, 2]
    assert client.get_latest_version("s").schema_id == second
    assert client.get_version("s", 1).schema_id == first
    assert client.lookup_schema("s", TheirSchema(json.dumps(V2))).version == 2
    assert client.get_schema(first).schema_str == json.dumps(V1)
    assert client.delete_subject("other") == [1]
    client.close()
