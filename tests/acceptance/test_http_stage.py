"""The http stage against a service that fails, in whole processes: classes, breaker, limits, secrets, TLS."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from acceptance.running import wait_until
from acceptance.scripted_service import (
    BUSY,
    ECHO,
    FINE,
    Reply,
    ScriptedService,
    calling,
    header,
    reading_ids,
    readings,
)
from acceptance.test_retry import await_ended, outputs

pytestmark = pytest.mark.timeout(180)
NOT_AT_ALL = "{delays: []}"
TOKEN = "tok-7f3a91"
CLASSES = {
    0: (FINE, ""),
    1: (Reply(503), "server_error"),
    2: (Reply(400), "refused"),
    3: (Reply(0), "disconnected"),
    4: (Reply(wait_s=60), "timeout"),
    5: (Reply(429), "throttled"),
    6: (Reply(body="{"), "not_json"),
    7: (Reply(body='{"y": 1}'), "missing_field"),
    8: (Reply(body='{"y": "1", "half": 1, "model": "m"}'), "wrong_type"),
    9: (Reply(302, {"Location": "http://127.0.0.1:1/elsewhere"}), "redirected"),
    10: (Reply(body='{"x": "' + "y" * 3000 + '"}'), "too_large_answer"),
}
POISON = {"refused", "not_json", "missing_field", "wrong_type", "redirected", "too_large_answer"}


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with ScriptedService() as running:
        yield running


def test_each_way_to_fail_has_its_class_and_reason_and_the_others_go_on(project, service) -> None:
    service.script = lambda n, before: CLASSES[n % 11][0]
    http = "timeout: 5s\n      max_answer: 2kB\n      breaker: 100000"
    p = calling(project("classes", partitions=1), service, NOT_AT_ALL, http=http)
    p.io.produce(p.input, readings(range(33)))
    worker = p.start()
    await_ended(p, 33)
    assert sorted(outputs(p)) == [0, 11, 22]
    dead = p.io.read_committed(p.dead_letters)
    found = {number: header(r, "stream.reason") for r, number in zip(dead, reading_ids(dead), strict=True)}
    assert found == {n: CLASSES[n % 11][1] for n in range(33) if n % 11}
    for record in dead:
        poison = header(record, "stream.reason") in POISON
        assert header(record, "stream.class") == ("poison" if poison else "transient")
        assert ECHO not in str(record.headers)
    assert Counter(service.ids()) == {n: 2 if n % 11 == 3 else 1 for n in range(33)}, "a lost connection: once more"
    assert ECHO not in worker.log.read_text()


def test_a_service_that_is_down_pauses_the_pipeline_which_resumes_by_itself(project, service) -> None:
    """It stays at its offsets (spring-kafka#2116), and the open breaker writes no dead letter (knative#2239)."""
    service.script = lambda n, before: BUSY
    p = calling(project("down", partitions=2), service, "{delays: [1s]}", http="breaker: 5")
    p.io.produce(p.input, readings(range(100)))
    worker = p.start()
    wait_until(lambda: worker.ready()["state"] == "paused", "paused")
    reason = worker.ready()["reason"]
    host = service.url.split("/")[2]
    assert reason.startswith(f"service: stage http, service {host}: ")
    assert "calls in a row failed, the last: the service answered 503" in reason
    assert worker.metric("stream_pipeline_state", state="paused") == 1
    assert worker.metric("stream_pauses_total", reason="service") >= 1
    assert worker.metric("stream_http_breaker_open", stage="http") == 1
    assert worker.metric("stream_http_calls_total", stage="http", outcome="server_error") >= 5

    calls = len(service.calls)
    wait_until(lambda: len(service.calls) >= calls + 3, "three probes")
    assert p.members() == {f"{p.name}-one-0-consumer": 4}, "two partitions each of input and tier: the group is kept"
    assert p.progress() == 0
    assert [p.io.read_committed(topic) for topic in (*p.ends, f"{p.name}.retry.1s")] == [[], [], [], []]
    assert worker.page("/livez")[0] == 200
    times = [call.at for call in service.calls[calls:]]
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.2, "one event each time"

    service.script = lambda n, before: FINE
    await_ended(p, 100)
    assert sorted(outputs(p)) == list(range(100))
    assert worker.ready()["status"] == 200
    assert worker.metric("stream_http_breaker_open", stage="http") == 0
    assert worker.metric("stream_http_calls_total", stage="http", outcome="answered") == 100
    ended = sum(worker.metric("stream_http_calls_total", outcome=o) for o in ("answered", "server_error"))
    given_up = worker.metric("stream_http_calls_total", outcome="given_up")
    assert ended <= len(service.calls) <= ended + given_up, "each call is counted once"
    assert len(worker.logged("state", state="paused")) == 1, "one line a change, however long it takes"
    assert len(worker.logged("state", state="running")) == 1


def test_a_service_that_is_not_there_pauses_too(project, service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound, not listening: refused
        p = calling(
            project("gone", partitions=1), service, "{delays: [1s]}", http="breaker: 5", url=f"http://127.0.0.1:{port}/"
        )
        p.io.produce(p.input, readings(range(10)))
        worker = p.start()
        wait_until(lambda: worker.ready()["state"] == "paused", "paused")
        assert "the last: no connection to the service" in worker.ready()["reason"]
        assert p.progress() == 0


def test_wrong_credentials_make_no_dead_letters(project, service) -> None:
    service.script = lambda n, before: Reply(401)
    p = calling(project("login", partitions=1), service, NOT_AT_ALL)
    p.io.produce(p.input, readings(range(10)))
    worker = p.start()
    wait_until(lambda: worker.ready()["state"] == "paused", "paused")
    assert "the service answered 401: it does not take the stage's credentials" in worker.ready()["reason"]
    service.script = lambda n, before: FINE
    await_ended(p, 10)
    assert sorted(outputs(p)) == list(range(10))


def test_retry_after_is_honoured_and_nothing_is_set_aside(project, service) -> None:
    service.script = lambda n, before: Reply(429, {"Retry-After": "2"}) if n == 5 and before == 0 else FINE
    p = calling(project("throttled", partitions=1), service, NOT_AT_ALL, http="concurrency: 1")
    p.io.produce(p.input, readings(range(20)))
    p.start()
    await_ended(p, 20)
    assert sorted(outputs(p)) == list(range(20))
    refused, again = service.calls_of(5)
    assert again.at - refused.at >= 2
    assert not [call for call in service.calls if refused.at < call.at < refused.at + 2]


def test_a_slow_service_never_takes_longer_than_the_budget_and_loses_no_attempt(project, service) -> None:
    """One batch of 40 events takes 4 s at a rate of 10 a second, of which it has one at a time."""
    p = calling(
        project("slow", partitions=1),
        service,
        NOT_AT_ALL,
        http="rate: 10/s\n      budget: 1s\n      timeout: 1s",
        order="strict",
    )
    p.io.produce(p.input, readings(range(40)))
    worker = p.start()
    wait_until(lambda: 0 < p.progress() < 40, "some are committed while the rest waits")
    await_ended(p, 40)
    assert sorted(outputs(p)) == list(range(40))
    assert Counter(service.ids()) == dict.fromkeys(range(40), 1)
    batches = worker.logged("committed")
    assert max(batch["events"] for batch in batches) <= 11
    assert max(batch["process_ms"] for batch in batches) < 3000, "all at once would take 4 s"


def test_a_drain_does_not_end_before_events_whose_turn_did_not_come(project, service) -> None:
    p = calling(
        project("slow-drain", partitions=2),
        service,
        NOT_AT_ALL,
        http="rate: 20/s\n      budget: 500ms\n      timeout: 500ms",
    )
    p.io.produce(p.input, readings(range(40)))
    facts = p.drain()
    assert (facts["events"], sorted(outputs(p))) == (40, list(range(40)))


def test_a_stop_does_not_wait_for_all_events_of_a_slow_service(project, service) -> None:
    service.script = lambda n, before: Reply(wait_s=0.3)
    p = calling(project("stopped", partitions=1), service, NOT_AT_ALL, http="concurrency: 1")
    p.io.produce(p.input, readings(range(50)))
    worker = p.start()
    wait_until(lambda: len(service.calls) >= 5, "in the middle of the batch")
    asked = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - asked < 5
    done = p.progress()
    assert 5 <= done < 20
    assert sorted(outputs(p)) == list(range(done)), "what was answered is committed"
    service.script = lambda n, before: FINE
    p.drain()
    assert sorted(outputs(p)) == list(range(50))


def test_a_secret_reaches_the_service_and_nothing_else(project, service) -> None:
    service.script = lambda n, before: BUSY if n % 2 else FINE
    p = calling(
        project("secret", partitions=1),
        service,
        NOT_AT_ALL,
        http='headers: {Authorization: "Bearer ${env:SCORER_TOKEN}"}',
    )
    p.io.produce(p.input, readings(range(10)))
    worker = p.start(SCORER_TOKEN=TOKEN)
    await_ended(p, 10)
    assert {call.authorization for call in service.calls} == {f"Bearer {TOKEN}"}
    assert worker.stop() == 0
    shown = worker.log.read_text() + worker.output.read_text()
    shown += str([record for topic in p.ends for record in p.io.read_committed(topic)])
    assert TOKEN not in shown
    assert ECHO not in shown


def test_a_secret_that_is_missing_is_told_before_anything_starts(project, service) -> None:
    p = calling(project("unset", partitions=1), service, NOT_AT_ALL, http='headers: {X-Token: "${env:SCORER_TOKEN}"}')
    worker = p.start()
    assert worker.wait() == 2
    assert "pipeline.yaml:8:26: needs the environment variable SCORER_TOKEN, which is not set" in worker.tail()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """(certificate, key) of 127.0.0.1, signed by itself."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = (tmp_path / "cert.pem", tmp_path / "key.pem")
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.parametrize(("trusted", "host"), [(True, "127.0.0.1"), (False, "127.0.0.1"), (True, "localhost")])
def test_certificates_are_always_checked(project, certificate, trusted, host) -> None:
    import ssl

    with ScriptedService() as service:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        service._server.socket = context.wrap_socket(service._server.socket, server_side=True)
        url = service.url.replace("http://127.0.0.1", f"https://{host}")
        http = f"breaker: 1\n      ca: {certificate[0]}" if trusted else "breaker: 1"
        p = calling(project("tls", partitions=1), service, NOT_AT_ALL, http=http, url=url)
        p.io.produce(p.input, readings(range(3)))
        worker = p.start()
        if trusted and host == "127.0.0.1":
            await_ended(p, 3)
            assert sorted(outputs(p)) == [0, 1, 2]
        else:
            wait_until(lambda: worker.ready()["state"] == "paused", "paused")
            assert "no connection to the service: its certificate is refused: " in worker.ready()["reason"]
            assert p.progress() == 0


def test_two_workers_call_for_each_event_and_lose_none_when_one_is_killed(project, service) -> None:
    service.script = lambda n, before: Reply(503) if n % 7 == 0 and before == 0 else Reply(wait_s=0.01)
    p = calling(project("two", partitions=4), service, "{delays: [1s, 2s]}")
    p.io.produce(p.input, readings(range(1000)))
    first = p.start(instance="one")
    p.start(instance="two")
    wait_until(lambda: len(set(service.ids())) > 300, "in the middle")
    first.kill()
    await_ended(p, 1000)
    assert sorted(outputs(p)) == list(range(1000))
    keys: dict[int, set[str]] = {}
    for call in service.calls:
        keys.setdefault(call.id, set()).add(call.key)
    assert {len(of_event) for of_event in keys.values()} == {1}, "one key for an event, whoever calls, however often"
    assert len({key for of_event in keys.values() for key in of_event}) == 1000
