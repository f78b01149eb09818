"""Every mistake under `http`, at its place, with what would be right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from unit.http.conftest import DEFAULTS, SCHEMA

from stream.errors import ConfigurationError
from stream.stages.http import Settings, build
from stream.stages.stage import Project


def problems(folder: Path, **settings: object) -> dict[tuple[str | int, ...], str]:
    wanted = {name: value for name, value in {**DEFAULTS, **settings}.items() if value is not None}
    with pytest.raises(ConfigurationError) as raised:
        build(
            Settings.model_validate(wanted), "http", SCHEMA, Project(folder, "flow", {"TOKEN": "tiptop", "BAD": "a\nb"})
        )
    return {problem.at: problem.message for problem in raised.value.problems}


@pytest.mark.parametrize(
    ("settings", "at", "told"),
    [
        ({"url": "http://h/{idd}"}, ("url",), "no column 'idd'; did you mean 'id'?"),
        ({"url": "http://h/{_key}"}, ("url",), "column '_key' is binary, which cannot stand in a url"),
        ({"url": "http://h/{id}", "per": "batch"}, ("url",), "columns in it need `per: event`"),
        ({"url": "h/x"}, ("url",), "must begin with http:// or https://"),
        ({"body": ["idd"]}, ("body", 0), "no column 'idd'"),
        ({"method": "GET"}, ("body",), "a GET sends no body"),
        ({"per": "batch", "body": None}, ("per",), "a call for a batch sends a list of bodies: add `body`"),
        ({"size": 10}, ("size",), "has a meaning with `per: batch` only"),
        ({"items": "a"}, ("items",), "has a meaning with `per: batch` only"),
        ({"envelope": {"a": "{events}"}}, ("envelope",), "has a meaning with `per: batch` only"),
        ({"per": "batch", "envelope": {"a": 1}}, ("envelope",), 'needs "{events}" in one place'),
        ({"timeout": "2m"}, ("timeout",), "is longer than `budget`"),
        ({"response": {"name": "string"}}, ("response", "name"), "there is a column 'name' already"),
        ({"response": {"a": "strng"}}, ("response", "a"), "no type 'strng'; did you mean 'string'?"),
        ({"headers": {"a b": "x"}}, ("headers", "a b"), "'a b' cannot be the name of a header"),
        ({"headers": {"host": "x"}}, ("headers", "host"), "the header host is set by the stage"),
        ({"headers": {"Idempotency-key": "x"}}, ("headers", "Idempotency-key"), "is set by the stage"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, ("headers", "x-a"), "the header x-a is given twice"),
        ({"headers": {"Authorization": "Bearer 1"}}, ("headers", "Authorization"), "a secret must not stand in the"),
        ({"headers": {"X-Api-Key": "1"}}, ("headers", "X-Api-Key"), "write ${env:NAME} or ${file:PATH}"),
        ({"headers": {"X-A": "${env:NONE}"}}, ("headers", "X-A"), "needs the environment variable NONE, which is not"),
        ({"headers": {"X-A": "${env:BAD}"}}, ("headers", "X-A"), "must be printable ASCII on one line"),
        ({"headers": {"X-A": "ä"}}, ("headers", "X-A"), "must be printable ASCII on one line"),
        ({"ca": "none.pem"}, ("ca",), "none.pem cannot be used: No such file or directory"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path, settings, at, told) -> None:
    found = problems(tmp_path, **settings)
    assert list(found) == [at]
    assert told in found[at]


def test_a_ca_file_must_hold_certificates(tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("nothing of the kind")
    assert "it holds no PEM certificates" in problems(tmp_path, ca="ca.pem")["ca",]


def test_all_mistakes_are_told_at_once_and_no_secret_is(tmp_path) -> None:
    found = problems(
        tmp_path, url="${env:TOKEN}", body=["x"], headers={"A": "${env:TOKEN}", "B": "${env:C}"}, response={"id": "int"}
    )
    assert list(found) == [("url",), ("body", 0), ("response", "id"), ("headers", "B")]
    assert "tiptop" not in str(found)


STAGE = "  - http: {url: 'http://h/x', %s}\n"
FILE = """\
input: {topic: flights, schema: flight.avsc}
stages:
%soutputs: [{topic: results, schema: result.avsc}]
"""
RETRY = "retry: {delays: [1s]}"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "flights.yaml:3:5: stages[0].http.url is missing: http or https address of the service"),
        ("url: h, urll: h", "3:20: unknown key 'urll' in stages[0].http; did you mean 'url'?"),
        ("url: h, method: post", "must be GET, POST, PUT, PATCH or DELETE, not the text 'post'; did you mean 'POST'?"),
        ("url: h, body: 5", "body must be a list of columns, such as [id, amount], or a mapping"),
        ("url: h, body: []", "body must be a list of columns"),
        ("url: h, body: [1]", "body must be a list of columns"),
        ("url: h, rate: 5", "stages[0].http.rate must be a rate, such as 50/s, 1000/m or 20000/h, not 5"),
        ("url: h, rate: 0/s", "must be a rate"),
        ("url: h, concurrency: 0", "stages[0].http.concurrency must be at least 1, not 0"),
        ("url: h, breaker: 0", "stages[0].http.breaker must be at least 1, not 0"),
        ("url: h, timeout: 5", "stages[0].http.timeout must be a duration with its unit"),
        ("url: h, timeout: 0s", "must be from 10ms to 10m, not 0s"),
        ("url: h, response: {_offset: int}", "'_offset' is a meta column and cannot be replaced"),
        ("url: h, response: {a: {}}", "stages[0].http.response.a.type is missing: the type of the column"),
        (
            "url: h, response: {a: {type: int, fild: x}}",
            "unknown key 'fild' in stages[0].http.response.a; did you mean 'field'?",
        ),
        ("url: h, response: {a: {type: int, field: 'a..b'}}", "must be names and list indexes with dots in between"),
        ("url: h, retry: {delay: [1s]}", "unknown key 'delay' in stages[0].http.retry; did you mean 'delays'?"),
        ("url: h, retry: {on_exhausted: drop}", "on_exhausted must be dead_letter or hold, not the text 'drop'"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line(line, told, tmp_path, monkeypatch) -> None:
    assert told in "\n".join(mistakes(tmp_path, monkeypatch, FILE % f"  - http: {{{line}}}\n"))


def mistakes(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    from stream.config import load

    monkeypatch.chdir(folder)
    Path("flights.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load(Path("flights.yaml"), {}, host_name="host", terminal=False)
    return str(raised.value).split("\n")


NEEDED = "flights.yaml:3:11: stages[0].http can fail for a while, and nothing says what happens to an event then"


@pytest.mark.parametrize(
    ("stage", "failures", "told"),
    [
        ("timeout: 1s", "", NEEDED),
        ("retry: {on_exhausted: dead_letter}", "", NEEDED),
        ("retry: {on_exhausted: hold}", "", "3:38: on_exhausted: hold needs delays"),
        ("retry: {on_exhausted: hold, delays: []}", "", "3:38: on_exhausted: hold needs delays"),
        ("retry: {max_elapsed: 5s, delays: [10s]}", "", "3:38: max_elapsed (5s) is shorter than the first delay (10s)"),
        ("timeout: 1s", "retry: {on_exhausted: hold}", "5:19: on_exhausted: hold needs delays"),
        ("retry: {delays: [10s, 5s]}", "", "must rise, each delay longer than the one before"),
        ("budget: 200s, " + RETRY, "", "the budgets of the stages (200s) must be at most half of max.poll.interval.ms"),
    ],
)
def test_a_policy_is_asked_for_and_must_hold_together(stage, failures, told, tmp_path, monkeypatch) -> None:
    text = FILE % (STAGE % stage) + (f"failures: {{{failures}}}\n" if failures else "")
    assert told in "\n".join(mistakes(tmp_path, monkeypatch, text))


def test_there_are_not_more_tiers_than_people_can_watch(tmp_path, monkeypatch) -> None:
    stages = "".join(
        STAGE % f"retry: {{delays: [{', '.join(f'{n + 1}s' for n in range(9 * i, 9 * i + 8))}]}}" for i in range(3)
    )
    assert (
        "the stages have 24 different delays, each a topic; at most 16"
        in mistakes(tmp_path, monkeypatch, FILE % stages)[0]
    )


def file_of(folder: Path, monkeypatch: pytest.MonkeyPatch, stages: str, failures: str = "{}"):
    from stream.config import load

    monkeypatch.chdir(folder)
    Path("flights.yaml").write_text(FILE % stages + f"failures: {failures}\n")
    return load(Path("flights.yaml"), {}, host_name="host", terminal=False).file


def test_what_a_stage_leaves_out_is_said_by_failures(tmp_path, monkeypatch) -> None:
    from stream.service import retry_policies

    lines = ("retry: {on_exhausted: hold}", "retry: {delays: [2s, 1m]}", "timeout: 1s")
    stages = "".join(STAGE % f"budget: 10s, {line}" for line in lines)
    file = file_of(tmp_path, monkeypatch, stages, "{retry: {delays: [1s, 1m], max_elapsed: 1h}}")
    policies = retry_policies(file)
    shown = {
        name: (
            [tier.topic for tier in policies.of(name).tiers],
            policies.of(name).max_elapsed_s,
            policies.of(name).hold,
        )
        for name in ("http", "http-2", "http-3", "decode")
    }
    assert shown == {
        "http": (["flights.retry.1s", "flights.retry.1m"], 3600.0, True),
        "http-2": (["flights.retry.2s", "flights.retry.1m"], 3600.0, False),
        "http-3": (["flights.retry.1s", "flights.retry.1m"], 3600.0, False),
        "decode": (["flights.retry.1s", "flights.retry.1m"], 3600.0, False),
    }
    assert [tier.topic for tier in file.retry_tiers] == ["flights.retry.1s", "flights.retry.2s", "flights.retry.1m"]


def test_no_retries_may_be_said_out_loud(tmp_path, monkeypatch) -> None:
    assert file_of(tmp_path, monkeypatch, STAGE % "retry: {delays: []}").retry_tiers == ()
    assert file_of(tmp_path, monkeypatch, STAGE % "timeout: 1s", "{retry: {delays: []}}").retry_tiers == ()


def test_the_client_is_not_imported_before_the_first_call() -> None:
    code = (
        "import sys; from pathlib import Path; import pyarrow as pa\n"
        "from stream.stages.http import build, Settings; from stream.stages.stage import Project\n"
        "build(Settings(url='http://h/x'), 'http', pa.schema([]), Project(Path('.'))).close()\n"
        "assert 'httpx2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
