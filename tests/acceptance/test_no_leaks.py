"""Planted secrets and pieces of events, and everything the product says: none of them is in there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from acceptance import tiny
from acceptance.kafka_io import KafkaIO
from acceptance.running import ROOT, Project, Worker, wait_until
from acceptance.scripted_service import ECHO, FINE, Reply, ScriptedService
from acceptance.secured import SecuredKafka, scram_kafka

from stream.errors import ExitCode

PASSWORD = "planted-kafka-password"
REGISTRY = "planted-registry-password"
KEY_PASSWORD = "planted-key-password"
MARK = "planted-payload"
HEADER_TOKEN = "planted-token-in-a-header"
URL_TOKEN = "planted-token-in-a-url"
NUMBER = 770_077_007
"""A value that ONNX Runtime quotes in the message of its exception: an index out of bounds."""
OURS = ("stream.", "__streams.errors.")
SECRETS = (PASSWORD, REGISTRY, KEY_PASSWORD, HEADER_TOKEN, URL_TOKEN)
HELD_BACK = """
  - http:
      url: {url}?token=${{env:URL_TOKEN}}&note={{note}}
      headers: {{Authorization: "Bearer ${{env:HEADER_TOKEN}}"}}
      body: [id, x, note]
      response: {{asked: {{field: y, type: double}}}}
      breaker: 100000
      retry: {{delays: [1s]}}
"""
RAISING = """
def raising(batch):
    for x, note in zip(batch["x"].to_pylist(), batch["note"].to_pylist()):
        if x == 5.0:
            raise ValueError(f"cannot work with {note}")
    return batch.append_column("judged", batch["x"])
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with scram_kafka(tmp_path_factory.mktemp("leaks")) as kafka:
        kafka.add_user("worker", PASSWORD)
        yield kafka


def test_no_secret_and_no_piece_of_an_event_is_in_any_output(secured, tiny_files, tmp_path, unique_name) -> None:
    io = KafkaIO(secured.cluster.internal_bootstrap)
    debug = {"STREAM_KAFKA_DEBUG": "all", "STREAM_LOG_FORMAT": "json"}
    environ = {**secured.scram("worker", PASSWORD), **debug}
    with Project.create(tiny_files, tmp_path, unique_name("leaks"), io, environ=environ, partitions=2) as p:
        _allow(secured, p)
        io.produce(p.input, list(_marked()))
        worker = p.start("--workers", "2", STREAM_HTTP_ADDRESS="127.0.0.1:0")
        p.await_progress(len(list(_marked())))
        found = {
            "processes": _processes(),
            **{
                f"page {path} of {address}": _page(address, path)
                for address in _addresses(worker)
                for path in ("/metrics", "/readyz", "/livez")
            },
            **{" ".join(arguments): _said(p, environ, *arguments) for arguments in _commands(p)},
            "an unknown variable": _said(
                p, {**environ, "STREAM_KAFKA_SASL_PASSWRD": PASSWORD}, "check", str(p.pipeline)
            ),
            "a registry that is away": _said(
                p,
                {
                    **environ,
                    "STREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:9",
                    "STREAM_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO": f"me:{REGISTRY}",
                },
                "run",
                str(p.pipeline),
                "--until-caught-up",
            ),
            "a key that cannot be opened": _said(
                p,
                {**environ, **_locked_key(secured), "STREAM_KAFKA_SSL_KEY_PASSWORD": f"{KEY_PASSWORD}-wrong"},
                "check",
                str(p.pipeline),
                "--live",
            ),
        }
        assert worker.stop() == ExitCode.DONE
        found["log"] = worker.log.read_text()
        letters = io.read_committed(p.dead_letters)
    assert len(letters) >= 4, "events of each kind failed"
    errors = b" ".join(value or b"" for r in letters for name, value in r.headers if name.startswith(OURS))
    found["error headers"] = errors.decode()
    _assert_none_in(found, (*SECRETS, MARK))
    assert all(found.values()), "each of them said something"


def test_retried_events_a_services_tokens_and_what_a_model_says_are_in_no_output(
    kafka, tiny_files, tmp_path, unique_name
) -> None:
    io = KafkaIO(kafka.bootstrap)
    environ = {"HEADER_TOKEN": HEADER_TOKEN, "URL_TOKEN": URL_TOKEN, "STREAM_KAFKA_DEBUG": "all"}
    environ["STREAM_KAFKA_BOOTSTRAP_SERVERS"] = kafka.bootstrap
    with (
        ScriptedService(_answer) as service,
        Project.create(tiny_files, tmp_path, unique_name("retried"), io, environ=environ, partitions=1) as p,
    ):
        text = p.pipeline.read_text()
        p.pipeline.write_text(text.replace("  - infer:", HELD_BACK.format(url=service.url)[1:] + "  - infer:"))
        io.create_topics({f"{p.name}.retry.1s": 1})
        events = {
            1: tiny.reading(1, 4.0, 1, MARK),  # passes
            2: tiny.reading(2, 4.0, 1, MARK),  # fails once, is tried again and passes
            3: tiny.reading(3, 4.0, 1, MARK),  # fails until it is a dead letter
            4: tiny.reading(4, 4.0, 1, MARK),  # is refused with an echo of what was sent
            5: tiny.reading(5, 4.0, NUMBER, MARK),  # the model refuses it, and quotes the number
            6: tiny.reading(6, 4.0, 1, MARK),  # an answer of another type, with an echo
        }
        io.produce(p.input, [(MARK.encode(), value, [("mark", MARK.encode())], 0) for value in events.values()])
        worker = p.start()
        wait_until(lambda: len(io.read_committed(p.dead_letters)) == 4, "four dead letters", standing=worker.tail)
        wait_until(lambda: len(io.read_committed(p.outputs[1])) == 2, "and two results")
        assert all(call.authorization == f"Bearer {HEADER_TOKEN}" for call in service.calls)
        first = wait_until(lambda: worker.logged("started"), "started")[0]["health"].rstrip("/")
        found = {
            "processes": _processes(),
            **{f"page {path}": _page(first, path) for path in ("/metrics", "/readyz", "/livez")},
            **{" ".join(arguments): _said(p, environ, *arguments) for arguments in _commands(p)},
        }
        service.script = lambda number, before: Reply(401, body=f"{HEADER_TOKEN} {URL_TOKEN} {MARK}")
        io.produce(p.input, [(MARK.encode(), events[1], None, 0)])
        wait_until(lambda: worker.ready()["state"] == "paused", "paused", standing=worker.tail)
        found["/readyz of a pause"] = _page(first, "/readyz")
        found["/metrics of a pause"] = _page(first, "/metrics")
        assert worker.stop() == ExitCode.DONE
        found["log"] = worker.log.read_text() + worker.output.read_text()
        found["state"] = _files_of_the_product(p)
        letters = io.read_committed(p.dead_letters)
        waited = io.read_committed(f"{p.name}.retry.1s")
    errors = [v or b"" for r in (*letters, *waited) for name, v in r.headers if name.startswith(OURS)]
    found["error headers"] = b" ".join(errors).decode()
    _assert_none_in(found, (*SECRETS, MARK, str(NUMBER), ECHO))
    assert {name for name, text in found.items() if not text} <= {"state"}
    reasons = {value for r in letters for name, value in r.headers if name == "stream.reason"}
    assert reasons == {b"server_error", b"refused", b"model_refused", b"wrong_type"}
    assert len(waited) == 2


def test_what_a_function_says_when_it_fails_is_not_shown_but_where_it_failed_is(project) -> None:
    p = project("raising", partitions=1)
    stage = "  - call: {function: raising:raising, columns: [x, note], adds: {judged: double}}\n"
    p.pipeline.write_text(p.pipeline.read_text().replace("  - infer:", stage + "  - infer:"))
    (p.folder / "raising.py").write_text(RAISING)
    p.io.produce(p.input, [(b"key", tiny.reading(1, 5.0, 1, MARK), None, 0)])
    worker = p.start()
    assert worker.wait() == ExitCode.FATAL
    said = worker.log.read_text() + worker.output.read_text()
    assert "raised ValueError; its text may hold values of events, and is not shown" in said
    assert 'raising.py", line 5, in raising' in said
    _assert_none_in({"log": said}, (MARK,))


def _answer(number: int, before: int) -> Reply:
    echo = f"{ECHO} {MARK} {HEADER_TOKEN} {URL_TOKEN}"
    match number:
        case 2:
            return Reply(503, body=echo) if before == 0 else FINE
        case 3:
            return Reply(503, body=echo)
        case 4:
            return Reply(400, body=echo)
        case 6:
            return Reply(body=json.dumps({"y": echo}))
    return FINE


def _files_of_the_product(p: Project) -> str:
    """Whatever it has written beside the pipeline, or as its own state: nothing at all, as it happens."""
    given = {"schemas", "suites", "models", "pipeline.yaml", "root.onnx", "golden.csv"}
    folders = [path for path in p.folder.iterdir() if path.name not in given]
    files = [file for path in folders for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return "".join(file.read_bytes().decode(errors="replace") for file in files if file.suffix not in (".log", ".out"))


def _assert_none_in(found: Mapping[str, str], words: tuple[str, ...]) -> None:
    leaks = [(where, word) for where, text in found.items() for word in words if word in text]
    assert leaks == []


def _marked() -> Iterator[tuple[bytes, bytes, list[tuple[str, bytes]], None]]:
    """Events with the mark in key, value and headers: good ones, and one for each way to fail."""
    key, headers = MARK.encode(), [("mark", MARK.encode()), ("traceparent", MARK.encode())]
    values = [
        tiny.reading(1, 4.0, 1, MARK),
        tiny.reading(2, tiny.TOO_BIG, 1, MARK),  # the suite refuses it
        tiny.reading(3, 4.0, 9, MARK),  # the model refuses it
        tiny.reading(4, -4.0, 1, MARK),  # its result is not finite
        MARK.encode(),  # not Avro
        tiny.reading(5, 4.0, 1, MARK)[:-3],  # cut short
        tiny.reading(6, 4.0, 1, MARK) + MARK.encode(),  # more than it should be
        tiny.reading(7, 9.0, 3, MARK),  # a warning
    ]
    for value in values:
        yield key, value, headers, None


def _commands(p: Project) -> list[tuple[str, ...]]:
    file = str(p.pipeline)
    return [
        ("check", file, "--live", "--explain"),
        ("check", file, "--live", "--output", "json"),
        ("topics", file),
        ("dlq", "list", file),
        ("dlq", "list", file, "--output", "json"),
        ("dlq", "replay", file, "--all"),
        ("dlq", "history", file),
        ("dlq", "discard", file, "--all", "--reason", "a try"),
        ("health",),
    ]


def _allow(secured: SecuredKafka, p: Project) -> None:
    from acceptance.secured import Right

    operations = ("READ", "WRITE", "CREATE", "DESCRIBE_CONFIGS")
    others = [Right("GROUP", p.name, "READ"), Right("TRANSACTIONAL_ID", p.name, "WRITE", True)]
    secured.allow("User:worker", [*(Right("TOPIC", f"{p.name}.", o, True) for o in operations), *others])


def _said(p: Project, environ: Mapping[str, str], *arguments: str) -> str:
    """Everything that a command writes, to whomever."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")}
    here = {"STREAM_HTTP_ADDRESS": "127.0.0.1:0", "STREAM_INSTANCE": "commands"}
    done = subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        cwd=ROOT,
        env={**plain, **here, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def _addresses(worker: Worker) -> list[str]:
    return [wait_until(lambda: worker.logged("started"), "started")[i]["health"].rstrip("/") for i in range(2)]


def _page(address: str, path: str) -> str:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(address + path, timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def _processes() -> str:
    """The command lines of all processes of this machine, which everybody on it can see."""
    return "\n".join(
        file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if _readable(file)
    )


def _readable(file: Path) -> bool:
    try:
        return bool(file.read_bytes())
    except OSError:  # it has ended
        return False


def _locked_key(secured: SecuredKafka) -> dict[str, str]:
    identity = secured.authority.issue("locked", password=KEY_PASSWORD)
    return {
        "STREAM_KAFKA_SSL_CERTIFICATE_LOCATION": str(identity.certificate),
        "STREAM_KAFKA_SSL_KEY_LOCATION": str(identity.key),
    }
