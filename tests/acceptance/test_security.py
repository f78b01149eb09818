"""TLS, logins and rights on a real broker: the smallest set of ACLs is enough, and each that is missing is named."""

from __future__ import annotations

import http.server
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.kafka_io import KafkaIO
from acceptance.running import Project, Worker, start, wait_until
from acceptance.secured import Right, SecuredKafka, mutual_tls_kafka, scram_kafka

from stream.errors import ExitCode

USER, PASSWORD = "worker", "planted-kafka-password"
PRINCIPAL = f"User:{USER}"
TICKS = 100
"""Of a second of CPU time, as Linux counts it."""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with scram_kafka(tmp_path_factory.mktemp("secured")) as kafka:
        kafka.add_user(USER, PASSWORD)
        yield kafka


@pytest.fixture
def project(
    secured: SecuredKafka, tiny_files: Path, tmp_path: Path, unique_name: Callable[[str], str]
) -> Iterator[Callable[..., Project]]:
    """A project whose workers log in as the user; the test itself comes by the super user's listener."""
    made = []

    def create(**settings: object) -> Project:
        io, environ = KafkaIO(secured.cluster.internal_bootstrap), secured.scram(USER, PASSWORD)
        quick = {"STREAM_KAFKA_SESSION_TIMEOUT_MS": "6000"} if settings.get("protocol") != "consumer" else {}
        found = Project.create(
            tiny_files, tmp_path, unique_name("secured"), io, environ={**environ, **quick}, partitions=2, **settings
        )
        made.append(found)
        return found

    yield create
    for found in made:
        found.end()


def minimal(name: str) -> list[Right]:
    """The table of docs/security.md, written by hand."""
    return [
        Right("TOPIC", f"{name}.in", "READ"),
        Right("TOPIC", f"{name}.high", "WRITE"),
        Right("TOPIC", f"{name}.low", "WRITE"),
        Right("TOPIC", f"{name}.dlq", "WRITE"),
        Right("GROUP", name, "READ"),
        Right("TRANSACTIONAL_ID", f"{name}-", "WRITE", prefixed=True),
    ]


def check_live(p: Project, **environ: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `stream check --live`."""
    asked = start(["check", str(p.pipeline), "--live"], p.folder / "check", {**p.environ, **environ})
    code = asked.wait()
    return code, asked.output.read_text(), asked.log.read_text()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_with_the_minimal_rights_a_worker_does_all_its_work(project, secured, protocol) -> None:
    p = project(protocol=protocol)
    secured.allow(PRINCIPAL, minimal(p.name))
    # the first group of a new broker waits for its coordinator
    shown = wait_until(lambda: (found := check_live(p))[0] == ExitCode.DONE and found[1], "all rights are there")
    assert f"{PRINCIPAL} may" in shown
    p.produce(range(300))
    p.drain()
    p.verify(range(300))


def test_each_right_that_is_missing_is_named_with_who_what_and_the_cure(project, secured) -> None:
    p = project()
    secured.allow(PRINCIPAL, minimal(p.name))
    for right in minimal(p.name):
        secured.forbid(PRINCIPAL, [right])

        def named(right: Right = right) -> bool:  # the broker takes a moment
            code, _, told = check_live(p)
            lines = told.splitlines()
            resource = right.resource.lower().replace("_", "-")
            what = f"{PRINCIPAL} lacks the ACL {right.operation.capitalize()} on {resource} {right.name}"
            return code == ExitCode.CONFIGURATION and len(lines) == 1 and what in lines[0] and "kafka-acls" in lines[0]

        wait_until(named, f"only {right} is named")
        secured.allow(PRINCIPAL, [right])
    assert wait_until(lambda: check_live(p)[0] == ExitCode.DONE, "all is there again")


def test_a_worker_without_rights_on_topics_ends_at_its_start_and_names_them_all(project, secured) -> None:
    p = project()
    worker = p.start()
    assert worker.wait() == ExitCode.CONFIGURATION
    errors = [line["message"] for line in worker.lines() if line["message"].startswith("error:")]
    assert [e.split(" (")[0] for e in errors] == [
        f"error: {PRINCIPAL} lacks the ACL {operation} on topic {p.name}.{topic}"
        for topic, operation in (("in", "Read"), ("high", "Write"), ("low", "Write"), ("dlq", "Write"))
    ]


NAMES = ["input", "high", "low", "dead letters", "group", "transactions"]


@pytest.mark.parametrize(
    ("index", "protocol"),
    [*((index, "classic") for index in range(6)), (4, "consumer")],
    ids=[*NAMES, "group, whose client ends then"],
)
def test_a_right_that_is_revoked_pauses_without_spinning_and_coming_back_ends_the_pause(
    project, secured, index, protocol
) -> None:
    p = project(protocol=protocol)
    secured.allow(PRINCIPAL, minimal(p.name))
    p.produce(range(100))
    worker = p.start()
    p.await_progress(100)
    right = minimal(p.name)[index]
    secured.forbid(PRINCIPAL, [right])
    time.sleep(1)  # until the broker's authorizer has it; sooner, the next events may still pass
    p.produce(range(100, 200))
    # the client's own word comes first where it ends by it, and the name with the first look at what is missing
    refused = wait_until(lambda: _paused(worker, "refused", right.name), f"want of {right}", standing=worker.tail)
    assert refused["status"] == 503
    assert worker.metric("stream_pauses_total", reason="refused") >= 1
    assert worker.metric("stream_pipeline_state", state="paused") == 1
    lines, cpu_s, began = len(worker.lines()), _cpu_s(worker), time.monotonic()
    time.sleep(5)
    rate = (_cpu_s(worker) - cpu_s) / (time.monotonic() - began)
    assert rate < 0.2, "a paused worker does nearly nothing"
    assert len(worker.lines()) - lines <= 10, worker.tail(20)
    assert len(worker.logged("state", state="paused")) <= 2, "a line a change, none while it lasts"
    secured.allow(PRINCIPAL, [right])
    p.await_progress(200, timeout_s=120)
    wait_until(lambda: worker.ready()["ready"], "ready again", standing=worker.tail)
    assert worker.alive
    assert worker.stop() == 0
    p.verify(range(200))


def test_an_acl_on_the_very_name_of_a_worker_is_no_false_alarm_and_no_worker_is_disturbed(project, secured) -> None:
    p = project()
    secured.allow(PRINCIPAL, minimal(p.name)[:-1])
    literal = Right("TRANSACTIONAL_ID", f"{p.name}-one-0", "WRITE")
    secured.allow(PRINCIPAL, [literal])
    p.produce(range(100))
    worker = p.start()
    p.await_progress(100)
    code, shown, told = wait_until(
        lambda: (found := check_live(p, STREAM_INSTANCE="one"))[0] == ExitCode.DONE and found, "all rights are there"
    )
    assert (code, "lacks" in shown + told) == (ExitCode.DONE, False)
    code, _, told = check_live(p, STREAM_INSTANCE="another")
    assert code == ExitCode.CONFIGURATION
    assert f"lacks the ACL Write on transactional-id {p.name}- (prefixed)" in told
    p.produce(range(100, 200))
    p.await_progress(200)
    assert worker.metric("stream_recoveries_total") == 0, "the worker of that name was not fenced"
    assert worker.stop() == 0
    p.verify(range(200))


def test_a_client_and_a_listener_of_different_protocols_are_told_with_what_to_set(project, secured) -> None:
    p = project()
    login, tls = p.environ, secured.bootstrap
    plain = secured.cluster.internal_bootstrap
    cases = [
        ("PLAINTEXT", tls, "speaks TLS and this client does not", "try SSL, or SASL_SSL with a login"),
        ("SASL_PLAINTEXT", tls, "speaks TLS and this client does not", "try SASL_SSL"),
        ("SASL_SSL", plain, "does not speak TLS and this client does", "try SASL_PLAINTEXT"),
        ("SSL", tls, "takes connections and does not answer", "try SASL_SSL where it asks for a login"),
    ]
    asked = []
    for protocol, servers, what, cure in cases:  # at once: each waits for an answer as long as it may
        kept = {name: value for name, value in login.items() if "_SASL_" not in name or protocol.startswith("SASL")}
        p.environ = {**kept, "STREAM_KAFKA_SECURITY_PROTOCOL": protocol, "STREAM_KAFKA_BOOTSTRAP_SERVERS": servers}
        expected = (f"the listener at {servers} {what}", f"STREAM_KAFKA_SECURITY_PROTOCOL is {protocol}, {cure}")
        check = start(["check", str(p.pipeline), "--live"], p.folder / f"check-{len(asked)}", p.environ)
        asked += [(check, expected), (p.start(), expected)]
    for process, expected in asked:
        assert process.wait() in (ExitCode.CONFIGURATION, ExitCode.UNREACHABLE)
        (line,) = [text for text in process.log.read_text().splitlines() if text.startswith("error:")]
        assert all(part in line for part in expected), line


def test_a_wrong_password_is_told_in_one_line(project) -> None:
    p = project()
    for code, told in (
        check_live(p, STREAM_KAFKA_SASL_PASSWORD="wrong")[::2],
        _run_and_wait(p, STREAM_KAFKA_SASL_PASSWORD="wrong"),
    ):
        assert code == ExitCode.CONFIGURATION
        (line,) = [text for text in told.splitlines() if text.startswith("error:")]
        assert "invalid credentials with SASL mechanism SCRAM-SHA-512" in line
        assert "STREAM_KAFKA_" in line
        assert "Traceback" not in told


def test_a_broker_that_another_authority_vouches_for_is_refused(project, secured, tmp_path) -> None:
    from acceptance.secured import Authority

    stranger = Authority(tmp_path / "stranger", "stranger")
    code, _, told = check_live(project(), STREAM_KAFKA_SSL_CA_LOCATION=str(stranger.certificate))
    assert code == ExitCode.CONFIGURATION
    assert "certificate verify failed" in told
    assert "STREAM_KAFKA_" in told


def test_a_token_is_a_login_too(project, secured) -> None:
    p = project()
    secured.allow(PRINCIPAL, minimal(p.name))
    with _TokenEndpoint(USER) as url:
        tokens = {
            "STREAM_KAFKA_SASL_MECHANISMS": "OAUTHBEARER",
            "STREAM_KAFKA_SASL_OAUTHBEARER_METHOD": "oidc",
            "STREAM_KAFKA_SASL_OAUTHBEARER_CLIENT_ID": "client",
            "STREAM_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": "planted-client-secret",
            "STREAM_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": url,
        }
        p.environ = {k: v for k, v in p.environ.items() if not k.startswith("STREAM_KAFKA_SASL_")} | tokens
        p.produce(range(200))
        p.drain()
    p.verify(range(200))


def test_a_certificate_is_a_login_too_and_an_expired_one_is_refused(tmp_path, tiny_files, unique_name) -> None:
    with mutual_tls_kafka(tmp_path / "mutual") as kafka:
        io, name = KafkaIO(kafka.cluster.internal_bootstrap), unique_name("mutual")
        with Project.create(tiny_files, tmp_path, name, io, environ=kafka.tls(), partitions=1) as p:
            kafka.allow("User:CN=worker", minimal(p.name))
            kafka.allow("User:CN=late", minimal(p.name))
            p.produce(range(200))
            p.drain(**_certificate(kafka, "worker", password="planted-key-password"))
            p.verify(range(200))
            code, told = _run_and_wait(p, **_certificate(kafka, "late", days=-1))
            assert code == ExitCode.CONFIGURATION, told
            assert "expired" in told


def _certificate(kafka: SecuredKafka, name: str, days: int = 30, password: str | None = None) -> dict[str, str]:
    identity = kafka.authority.issue(name, days=days, password=password)
    return {
        "STREAM_KAFKA_SSL_CERTIFICATE_LOCATION": str(identity.certificate),
        "STREAM_KAFKA_SSL_KEY_LOCATION": str(identity.key),
        **({"STREAM_KAFKA_SSL_KEY_PASSWORD": password} if password else {}),
    }


def _run_and_wait(p: Project, **environ: str) -> tuple[int, str]:
    worker = p.start(**environ)
    return worker.wait(), worker.log.read_text()


def _paused(worker: Worker, reason: str, named: str) -> dict[str, object] | None:
    try:
        found = worker.ready()
    except OSError:
        assert worker.alive, worker.tail(30)
        return None
    told = str(found["reason"])
    return found if found["state"] == "paused" and told.startswith(f"{reason}: ") and named in told else None


def _cpu_s(worker: Worker) -> float:
    after_name = Path(f"/proc/{worker.popen.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


class _TokenEndpoint:
    """Gives everybody an unsigned token (RFC 7519, alg none) for one subject: what the broker of the tests believes."""

    def __init__(self, subject: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                body = json.dumps({"access_token": _token(subject), "token_type": "Bearer", "expires_in": 3600})
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _token(subject: str) -> str:
    now = int(time.time())
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": subject, "iat": now, "exp": now + 3600})
    return ".".join(urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
