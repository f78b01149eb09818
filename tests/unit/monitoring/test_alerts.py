"""Alerts: each has its section in the runbook, its cases for promtool, and a board that exists."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring.alerts import ALERTS, Alert, Severity
from deploy.monitoring.boards import BOARDS
from deploy.monitoring.rules import Places, Scale, alert_text, anchor, recording_text, seconds
from deploy.monitoring.slo import RECORDINGS, WINDOWS
from stream.metrics import METRICS
from stream.metrics import Kind as MetricKind

ROOT = Path(__file__).parents[3]
RUNBOOK = (ROOT / "docs/runbook.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE))
CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/prometheus/tests/alerts.yml").read_text())["tests"]

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda a: a.name)


def test_there_is_a_section_for_each_alert_and_no_other() -> None:
    assert list(SECTIONS) == [alert.name for alert in ALERTS], "in the order of the rules"


@every_alert
def test_a_section_says_what_it_means_where_to_look_and_what_to_do(alert: Alert) -> None:
    section = SECTIONS[alert.name]
    assert section.strip().startswith(f"{alert.severity.value.capitalize()}. ")
    for heading in ("**What it means.**", "**Look here.**", "**Do this.**"):
        assert section.count(heading) == 1, heading
    for board in re.findall(r"\*([A-Z][^*]+)\*", section.replace("**", "")):
        titles = {panel.title for b in BOARDS for panel in b.panels}
        assert board in titles or board == "Targets", f"no panel is called {board}"


@every_alert
def test_an_alert_has_all_that_its_reader_needs(alert: Alert) -> None:
    (rule,) = [r for r in yaml.safe_load(alert_text())["groups"][0]["rules"] if r["alert"] == alert.name]
    notes = rule["annotations"]
    assert rule["labels"] == {"severity": alert.severity.value}
    assert rule["expr"] == re.sub(r"<(?:age )?(\d+[smhd])>", lambda m: f"{seconds(m[1]):g}", alert.expr)
    assert "$labels" in notes["summary"] or alert.name == "StreamNoWorkers", "says which"
    assert ". Next: " in notes["description"]
    assert notes["runbook_url"] == f"docs/runbook.md#{anchor(alert)}"
    assert alert.board in {b.uid for b in BOARDS}
    assert notes["dashboard_url"].startswith(f"/d/{alert.board}")


@every_alert
def test_a_case_shows_it_firing_and_another_that_it_does_not_fire_for_who_is_well(alert: Alert) -> None:
    (case,) = [case for case in CASES if case["name"] == alert.name]
    expected = [test["exp_samples"] for test in case["promql_expr_test"]]
    assert expected[-1], "it fires"
    fired = {sample["labels"] for samples in expected for sample in samples}
    assert any(not samples for samples in expected) or len(case["input_series"]) > len(fired), "somebody is well"
    assert not any("well" in labels or "b:9464" in labels for labels in fired)


def test_there_is_no_case_without_an_alert() -> None:
    assert [case["name"] for case in CASES] == [alert.name for alert in ALERTS]


def test_alerts_ask_for_metrics_that_there_are() -> None:
    known = {m.name for m in METRICS} | {
        f"{m.name}_{part}" for m in METRICS if m.kind is MetricKind.HISTOGRAM for part in ("bucket", "sum", "count")
    }
    for expr in [*(a.expr for a in ALERTS), *(r.expr for r in RECORDINGS)]:
        assert set(re.findall(r"\bstream_\w+", expr)) <= known
        assert set(re.findall(r"\bstream:[\w:]+", expr)) <= {r.name for r in RECORDINGS}


def test_a_scaled_copy_differs_in_durations_alone() -> None:
    scale = Scale(windows=1 / 60, ages=1 / 2880, shortest_s=3)
    plain, short = (yaml.safe_load(t)["groups"][0]["rules"] for t in (alert_text(), alert_text(scale=scale)))
    digits = re.compile(r"\[[^\]]*\]|> [\d.]+")
    for a, b in zip(plain, short, strict=True):
        assert digits.sub("", a["expr"]) == digits.sub("", b["expr"])
        assert a["annotations"] == b["annotations"]
    by_name = {rule["alert"]: rule for rule in short}
    assert by_name["StreamLoopStuck"]["expr"].endswith("> 2")
    assert by_name["StreamLoopStuck"]["for"] == "1000ms"
    assert by_name["StreamDeadLettersOld"]["expr"].endswith("> 30")
    assert "[5000ms]" in by_name["StreamNoCommit"]["expr"]
    assert "[60000ms]" in recording_text(scale=scale)


def test_addresses_of_documents_and_grafana_can_be_given() -> None:
    text = alert_text(places=Places("https://docs.example/stream", "https://grafana.example"))
    assert "runbook_url: https://docs.example/stream/runbook.md#streampaused" in text
    assert "dashboard_url: https://grafana.example/d/stream-pipeline?" in text


def test_pages_are_few_and_every_window_is_recorded_for_both_promises() -> None:
    assert sum(alert.severity is Severity.PAGE for alert in ALERTS) <= len(ALERTS) / 2 + 1
    names = {recording.name for recording in RECORDINGS}
    assert {f"stream:{p}_errors:ratio{w}" for p in ("freshness", "delivery") for w in WINDOWS} <= names
