"""What is told of a listener that speaks another protocol than the client. How it is asked is an acceptance test."""

import pytest

from stream.kafka import listener


@pytest.mark.parametrize(
    ("protocol", "tls", "told"),
    [
        (
            "PLAINTEXT",
            True,
            "speaks TLS and this client does not: STREAM_KAFKA_SECURITY_PROTOCOL is PLAINTEXT, try SSL",
        ),
        ("sasl_plaintext", True, "STREAM_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT, try SASL_SSL"),
        ("SSL", False, "does not speak TLS and this client does: STREAM_KAFKA_SECURITY_PROTOCOL is SSL, try PLAINTEXT"),
        ("SASL_SSL", False, "STREAM_KAFKA_SECURITY_PROTOCOL is SASL_SSL, try SASL_PLAINTEXT"),
        ("SSL", True, "does not answer: STREAM_KAFKA_SECURITY_PROTOCOL is SSL, try SASL_SSL where it asks for a login"),
        ("SASL_SSL", True, "STREAM_KAFKA_SECURITY_PROTOCOL is SASL_SSL, try SSL"),
        ("SASL_PLAINTEXT", False, "STREAM_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT, try PLAINTEXT"),
    ],
)
def test_each_mismatch_says_what_to_set(protocol: str, tls: bool, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "speaks_tls", lambda server: {"away:9092": None, "kafka:9093": tls}[server])
    user = {"security.protocol": protocol, "bootstrap.servers": "away:9092, kafka:9093"}
    advice = listener.advice(user)
    assert advice.startswith("the listener at kafka:9093 ")
    assert told in advice


@pytest.mark.parametrize(("protocol", "tls"), [("PLAINTEXT", False), ("SASL_PLAINTEXT", False), ("SASL_SSL", True)])
def test_a_broker_that_is_only_slow_is_not_told_as_one_of_another_protocol(
    protocol: str, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "speaks_tls", lambda server: tls)
    assert listener.advice({"security.protocol": protocol, "bootstrap.servers": "a:1"}, answered=True) == ""
    assert listener.advice({"security.protocol": protocol, "bootstrap.servers": "a:1"})


def test_nothing_is_told_of_servers_that_take_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "speaks_tls", lambda server: None)
    assert listener.advice({"bootstrap.servers": "a:1,b:2"}) == ""


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("kafka:9093", ("kafka", 9093)),
        ("kafka", ("kafka", 9092)),
        ("SSL://kafka:9093", ("kafka", 9093)),
        ("[::1]:9093", ("::1", 9093)),
        ("[::1]", ("::1", 9092)),
    ],
)
def test_servers_are_read_as_the_client_reads_them(server: str, place: tuple[str, int]) -> None:
    assert listener._place(server) == place
