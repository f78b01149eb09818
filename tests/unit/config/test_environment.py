"""STREAM_* variables: what they come to, and every mistake in them."""

from __future__ import annotations

import copy
import pickle

import pytest

from stream.config import Secret
from stream.config.environment import REGISTRY_VARIABLES, VARIABLES, read
from stream.config.kafka_properties import OWNED, is_secret, property_names, variable
from stream.errors import ConfigurationError

SECRETS = {
    "STREAM_KAFKA_SASL_PASSWORD": "hunter2-a",
    "STREAM_KAFKA_SSL_KEY_PASSWORD": "hunter2-b",
    "STREAM_KAFKA_SSL_KEY_PEM": "hunter2-c",
    "STREAM_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": "hunter2-d",
    "STREAM_KAFKA_SASL_OAUTHBEARER_CONFIG": "hunter2-e",
    "STREAM_KAFKA_SSL_KEYSTORE_PASSWORD": "hunter2-f",
    "STREAM_KAFKA_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE": "hunter2-g",
    "STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO": "user:hunter2-h",
    "STREAM_SCHEMA_REGISTRY_SSL_KEY_PASSWORD": "hunter2-i",
}
REGISTRY = {"STREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:8081"}

WRONG = {
    "STREAM_FOO=1": "STREAM_FOO is not known; there are STREAM_KAFKA_<PROPERTY>, STREAM_SCHEMA_REGISTRY_*,"
    " STREAM_INSTANCE, STREAM_HTTP_ADDRESS, STREAM_LOG_FORMAT, STREAM_CODEC, STREAM_TRANSPORT, STREAM_FAILPOINT",
    "STREAM_HTTP_ADRESS=x:1": "STREAM_HTTP_ADRESS is not known; did you mean 'STREAM_HTTP_ADDRESS'?",
    "STREAM_SCHEMA_REGISTRY=x": "STREAM_SCHEMA_REGISTRY is not known; did you mean 'STREAM_SCHEMA_REGISTRY_URL'?",
    "STREAM_KAFKA_BOOTSTRAP_SERVER=x": "STREAM_KAFKA_BOOTSTRAP_SERVER is no property of librdkafka; did you mean"
    " 'STREAM_KAFKA_BOOTSTRAP_SERVERS'?",
    "STREAM_KAFKA_ZZZZZZ=x": "STREAM_KAFKA_ZZZZZZ is no property of librdkafka; see its CONFIGURATION.md",
    "STREAM_KAFKA_SASL_JAAS_CONFIG=x": "STREAM_KAFKA_SASL_JAAS_CONFIG is a property of Java's clients; set"
    " STREAM_KAFKA_SASL_USERNAME and STREAM_KAFKA_SASL_PASSWORD",
    "STREAM_KAFKA_ERROR_CB=x": "STREAM_KAFKA_ERROR_CB is no property of librdkafka; see its CONFIGURATION.md",
    "STREAM_KAFKA_CLIENT_ID_FILE=x": "STREAM_KAFKA_CLIENT_ID_FILE: only secrets are read from a file; set"
    " STREAM_KAFKA_CLIENT_ID",
    "STREAM_INSTANCE_FILE=x": "STREAM_INSTANCE_FILE: only secrets are read from a file; set STREAM_INSTANCE",
    "STREAM_INSTANCE=a b": "STREAM_INSTANCE must be letters, digits, '.', '_' and '-' only, at most 80 characters,"
    " starting with a letter or digit, not 'a b'",
    "STREAM_HTTP_ADDRESS=9464": "STREAM_HTTP_ADDRESS must be host:port, such as 127.0.0.1:9464 or 0.0.0.0:9464 in a"
    " container, not '9464'",
    "STREAM_HTTP_ADDRESS=a:99999": "STREAM_HTTP_ADDRESS must be host:port, such as 127.0.0.1:9464 or 0.0.0.0:9464 in a"
    " container, not 'a:99999'",
    "STREAM_LOG_FORMAT=jsn": "STREAM_LOG_FORMAT must be json or text, not 'jsn'; did you mean 'json'?",
    "STREAM_CODEC=fast": "STREAM_CODEC must be auto or native or reference, not 'fast'",
    "STREAM_TRANSPORT=nativ": "STREAM_TRANSPORT must be python or native, not 'nativ'; did you mean 'native'?",
    "STREAM_SCHEMA_REGISTRY_URL=ftp://x": "STREAM_SCHEMA_REGISTRY_URL must be an http or https address, such as"
    " http://127.0.0.1:8081",
    "STREAM_SCHEMA_REGISTRY_URL=http://me:hunter2@x": "STREAM_SCHEMA_REGISTRY_URL must not hold a user or password; put"
    " them in STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO",
    "STREAM_SCHEMA_REGISTRY_BEARER_TOKEN=hunter2": "STREAM_SCHEMA_REGISTRY_URL is missing, but"
    " STREAM_SCHEMA_REGISTRY_BEARER_TOKEN is set",
    "STREAM_KAFKA_SASL_PASSWORD_FILE=/nowhere": "STREAM_KAFKA_SASL_PASSWORD_FILE names /nowhere, which cannot be read:"
    " No such file or directory",
}


def problems(environ):
    return [str(problem) for problem in read(environ, "host", terminal=False)[1]]


def environment(environ, host_name="host", *, terminal=False):
    found, wrong = read(environ, host_name, terminal=terminal)
    assert not wrong
    return found


@pytest.mark.parametrize("setting", WRONG)
def test_a_wrong_variable_is_told_with_what_would_be_right(setting):
    name, _, value = setting.partition("=")
    assert problems({name: value}) == [f"environment: {WRONG[setting]}"]


@pytest.mark.parametrize("setting", WRONG)
def test_no_mistake_repeats_a_secret(setting):
    name, _, value = setting.partition("=")
    assert "hunter2" not in str(problems({name: value}))


def test_every_mistake_is_told_at_once():
    settings = [setting.partition("=") for setting in WRONG if "URL" not in setting]
    assert len(problems({name: value for name, _, value in settings})) >= len({name for name, _, _ in settings})


@pytest.mark.parametrize("name", sorted(OWNED))
def test_a_property_that_the_product_owns_is_refused_saying_why(name):
    assert problems({variable(name): "x"}) == [f"environment: {variable(name)} cannot be set: {OWNED[name]}"]


def test_properties_that_exactly_once_depends_on_are_owned():
    assert set(OWNED) >= {
        "isolation.level",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "group.id",
        "group.instance.id",
        "transactional.id",
        "enable.idempotence",
        "transaction.timeout.ms",
        "message.timeout.ms",
        "group.protocol",
        "partitioner",
        "check.crcs",
        "enable.partition.eof",
        "allow.auto.create.topics",
        "acks",
        "max.in.flight.requests.per.connection",
        "log.connection.close",
    }
    assert set(OWNED) <= set(property_names())


@pytest.mark.parametrize("name", [n for n in property_names() if n not in OWNED])
def test_every_other_property_of_librdkafka_goes_through(name):
    found = environment({variable(name): "value"})
    assert found.kafka_properties() == {name: "value"}


def test_no_two_properties_share_a_variable():
    assert len({variable(name) for name in property_names()}) == len(property_names())


def test_defaults():
    found = environment({})
    assert (found.instance, found.http_address, found.log_format) == ("host", "127.0.0.1:9464", "json")
    assert (found.codec, found.transport, found.failpoint, found.registry) == ("auto", "python", "", None)
    assert found.kafka == {}


def test_an_empty_value_counts_as_not_set():
    assert environment({"STREAM_INSTANCE": "", "STREAM_FOO": "", "STREAM_KAFKA_ACKS": ""}).instance == "host"


def test_other_variables_are_not_looked_at():
    assert environment({"KAFKA_BOOTSTRAP_SERVERS": "x", "STREAMING": "x"}).kafka == {}


def test_logs_are_text_on_a_terminal_unless_asked_otherwise():
    assert environment({}, terminal=True).log_format == "text"
    assert environment({"STREAM_LOG_FORMAT": "json"}, terminal=True).log_format == "json"


@pytest.mark.parametrize(
    ("host_name", "instance"),
    [("pod-7", "pod-7"), ("my host!", "my-host-"), ("_x", "x"), ("", "worker"), ("h" * 200, "h" * 80)],
)
def test_any_host_name_makes_an_instance(host_name, instance):
    assert environment({}, host_name).instance == instance


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:9464", "[::1]:9464", "localhost:80"])
def test_addresses(address):
    assert environment({"STREAM_HTTP_ADDRESS": address}).http_address == address


@pytest.mark.parametrize(
    "name",
    [
        "STREAM_SERVICE_HOST",
        "STREAM_SERVICE_PORT",
        "STREAM_SERVICE_PORT_METRICS",
        "STREAM_PORT",
        "STREAM_PORT_9464_TCP",
        "STREAM_PORT_9464_TCP_ADDR",
        "STREAM_FLIGHTS_SERVICE_HOST",
        "STREAM_FLIGHTS_PORT_9464_TCP_PROTO",
    ],
)
def test_what_kubernetes_sets_for_a_service_named_stream_is_no_mistake(name):
    assert environment({name: "tcp://10.0.0.1:9464"}).kafka == {}


def test_a_failpoint_is_checked():
    assert environment({"STREAM_FAILPOINT": "before_commit:3"}).failpoint == "before_commit:3"
    (line,) = problems({"STREAM_FAILPOINT": "before_comit:3"})
    assert line.startswith("environment: STREAM_FAILPOINT ")


def test_a_registry_with_its_credentials_is_what_the_registry_client_takes():
    found = environment({**REGISTRY, "STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO": "me:hunter2"}).registry
    assert found.properties() == {"url": "http://127.0.0.1:8081", "basic.auth.user.info": "me:hunter2"}
    assert "hunter2" not in repr(found)


def test_a_bearer_token_is_static():
    found = environment({**REGISTRY, "STREAM_SCHEMA_REGISTRY_BEARER_TOKEN": "hunter2"}).registry
    assert found.properties() == {
        "url": "http://127.0.0.1:8081",
        "bearer.auth.credentials.source": "STATIC_TOKEN",
        "bearer.auth.logical.cluster": "",
        "bearer.auth.token": "hunter2",
    }


def test_user_info_needs_both_parts():
    assert problems({**REGISTRY, "STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO": "hunter2"}) == [
        "environment: STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO must be user:password"
    ]


def test_kafka_is_asked_for_only_by_those_who_need_it():
    with pytest.raises(ConfigurationError, match="STREAM_KAFKA_BOOTSTRAP_SERVERS is missing: host:port"):
        environment({}).require_kafka()
    found = environment({"STREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"})
    found.require_kafka()
    assert found.bootstrap_servers == "127.0.0.1:9092"


# secrets


def test_secrets_are_never_shown(load_text):
    config = load_text(environ={**SECRETS, **REGISTRY})
    shown = f"{config} {config!r} {config.environment.kafka} {config.resolved()}"
    assert "hunter2" not in shown
    assert config.resolved()["environment"]["kafka"]["sasl.password"] == "***"
    assert config.environment.kafka_properties()["sasl.password"] == "hunter2-a"


def test_every_variable_that_looks_like_a_secret_is_held_as_one():
    named = [n for n in property_names() if any(w in n for w in ("password", "secret", "passphrase", "key.pem"))]
    assert named
    assert all(is_secret(name) for name in named)
    assert not is_secret("sasl.username")
    assert {v.name for v in REGISTRY_VARIABLES.values() if v.secret} == {
        "STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO",
        "STREAM_SCHEMA_REGISTRY_BEARER_TOKEN",
        "STREAM_SCHEMA_REGISTRY_SSL_KEY_PASSWORD",
    }
    assert not any(v.secret for v in VARIABLES)


def test_a_secret_shows_only_stars():
    secret = Secret("hunter2")
    assert {str(secret), repr(secret), f"{secret}", "%s" % secret} == {"***"}  # noqa: UP031
    assert secret.reveal() == "hunter2"
    assert pickle.loads(pickle.dumps(secret)) == copy.copy(secret) == secret


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_may_come_from_a_file(tmp_path, name):
    path = tmp_path / "secret"
    path.write_text(f"{SECRETS[name]}\n")
    found = environment({**REGISTRY, f"{name}_FILE": str(path)})
    revealed = {**found.kafka_properties(), **found.registry.properties()}
    assert SECRETS[name] in revealed.values()


def test_a_secret_file_must_hold_one(tmp_path):
    path = tmp_path / "secret"
    name = "STREAM_KAFKA_SASL_PASSWORD_FILE"
    for content, why in ((b"\n", "is empty"), (b"x" * 70_000, "is longer than 64 KiB"), (b"\xff", "is not UTF-8 text")):
        path.write_bytes(content)
        assert problems({name: str(path)}) == [f"environment: {name} names {path}, which {why}"]


def test_a_secret_comes_from_one_place(tmp_path):
    environ = {"STREAM_KAFKA_SASL_PASSWORD": "hunter2", "STREAM_KAFKA_SASL_PASSWORD_FILE": "/x"}
    assert problems(environ) == [
        "environment: STREAM_KAFKA_SASL_PASSWORD and STREAM_KAFKA_SASL_PASSWORD_FILE are both set; keep one"
    ]
