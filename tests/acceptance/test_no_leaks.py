"""Planted secrets and pieces of events, and everything the product says: none of them is in there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from acceptance import tiny
from acceptance.kafka_io import KafkaIO
from acceptance.running import ROOT, Project, Worker, wait_until
from acceptance.secured import SecuredKafka, scram_kafka

from stream.errors import ExitCode

PASSWORD = "planted-kafka-password"
REGISTRY = "planted-registry-password"
KEY_PASSWORD = "planted-key-password"
MARK = "planted-payload"
OURS = ("stream.", "__streams.errors.")
SECRETS = (PASSWORD, REGISTRY, KEY_PASSWORD)


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
    leaks = [(where, word) for where, text in found.items() for word in (*SECRETS, MARK) if word in text]
    assert leaks == []
    assert all(found.values()), "each of them said something"


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
