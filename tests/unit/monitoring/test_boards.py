"""The boards are those of their description, and every panel can be read by somebody who was just woken up."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring import grafana
from deploy.monitoring.__main__ import files
from deploy.monitoring.alerts import ALERTS
from deploy.monitoring.boards import BOARDS
from deploy.monitoring.panels import Kind, Panel, Query
from deploy.monitoring.slo import RECORDINGS
from stream.metrics import METRICS
from stream.metrics import Kind as MetricKind

ROOT = Path(__file__).parents[3]
UNITS = {"short", "s", "cps", "percentunit", "bytes", "Bps"}
PANELS = [(board, panel) for board in BOARDS for panel in board.panels]
LABELS = {metric.name: {"instance", "job", *metric.label_names} for metric in METRICS} | {
    f"{metric.name}_{part}": {"instance", "job", "le", *metric.label_names}
    for metric in METRICS
    if metric.kind is MetricKind.HISTOGRAM
    for part in ("bucket", "sum", "count")
}
RECORDED = {recording.name for recording in RECORDINGS}
NOT_SHOWN = {
    "stream_received_bytes_total": "size of events; Bytes received shows what goes over the wire",
    "stream_events_sent_total": "by output topic: its sum is the outcome `output`",
}
"""Metrics without a panel, and why."""

every_panel = pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{b.uid}: {p.title}" for b, p in PANELS])


def expressions(panel: Panel) -> list[str]:
    return [query.on_board for query in panel.queries]


def used(expr: str) -> Iterator[tuple[str, set[str]]]:
    """(metric, labels it is selected by) of an expression."""
    for name, labels in re.findall(r"\b(stream_\w+)(?:\{([^}]*)\})?", expr):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_what_is_committed_is_what_the_description_makes(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path], "run: make docs"


def test_nothing_else_stands_beside_the_boards() -> None:
    assert {p.name for p in (ROOT / "deploy/grafana/dashboards").iterdir()} == {f"{b.uid}.json" for b in BOARDS}


@every_panel
def test_a_panel_has_a_title_a_unit_and_says_what_to_do(board: Any, panel: Panel) -> None:
    assert panel.title
    assert panel.title[0].isupper()
    assert panel.unit in UNITS
    assert panel.description.endswith(".")
    assert len(panel.description.split()) >= 8, "what it means and what to do"
    assert panel.queries
    assert panel.board == "" or panel.board in {b.uid for b in BOARDS}
    assert panel.board != board.uid


@every_panel
def test_a_panel_asks_for_metrics_and_labels_that_there_are(board: Any, panel: Panel) -> None:
    for query in panel.queries:
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", query.expr))))
        known: set[str] = set()
        for name, labels in used(query.expr):
            assert name in LABELS, f"{name} is no metric"
            assert labels <= LABELS[name], f"{name} has no label {labels - LABELS[name]}"
            known |= LABELS[name]
        if known:
            assert grouped <= known, f"nothing has the label {grouped - known}"
        for name in re.findall(r"stream:[\w:]+", query.expr):
            assert name in RECORDED
        legend = set(re.findall(r"{{(\w+)}}", query.legend))
        if " by (" in query.expr:
            assert legend <= grouped, f"the legend wants {legend - grouped}"


@every_panel
def test_the_variables_of_the_board_are_in_every_selector(board: Any, panel: Panel) -> None:
    for expr in expressions(panel):
        for name, labels in re.findall(
            r"\b(stream_\w+|process_\w+|scrape_\w+)(\{[^}]*\})?", re.sub(r"by \([^)]*\)", "", expr)
        ):
            assert 'instance=~"$instance"' in labels, f"{name} in {expr}"
            if name.startswith("stream_") and name != "stream_build_info":
                assert 'pipeline=~"$pipeline"' in labels
        for name, labels in re.findall(r"(stream:[\w:]+)(\{[^}]*\})?", expr):
            assert labels == '{pipeline=~"$pipeline"}', name


@every_panel
def test_a_rate_has_the_window_that_fits_the_board(board: Any, panel: Panel) -> None:
    for expr in expressions(panel):
        assert set(re.findall(r"\[([^\]]*)\]", expr)) <= {"$__rate_interval", "$__range"}


def test_variables_are_put_into_selectors_with_and_without_labels() -> None:
    assert Query("sum(rate(stream_x[5m])) / up").on_board == (
        'sum(rate(stream_x{pipeline=~"$pipeline",instance=~"$instance"}[5m])) / up{job="stream",instance=~"$instance"}'
    )
    assert Query('stream_x{a="b"} > 1').on_board == 'stream_x{a="b",pipeline=~"$pipeline",instance=~"$instance"} > 1'
    assert Query("max(stream:x:y)").on_board == 'max(stream:x:y{pipeline=~"$pipeline"})'


@pytest.mark.parametrize("board", BOARDS, ids=lambda b: b.uid)
def test_a_board_has_variables_annotations_links_and_no_panel_over_another(board: Any) -> None:
    made = json.loads(grafana.text(board, BOARDS))
    assert [v["name"] for v in made["templating"]["list"]] == ["datasource", "pipeline", "instance"]
    assert {a["name"] for a in made["annotations"]["list"]} == {"Deploys", "Models", "Alerts"}
    assert {link["url"] for link in made["links"]} == {f"/d/{b.uid}" for b in BOARDS if b is not board}
    assert len({p["id"] for p in made["panels"]}) == len(made["panels"])
    assert len({panel.title for panel in board.panels}) == len(board.panels)
    places = [p["gridPos"] for p in made["panels"]]
    for a, b in itertools.combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (a, b)
    assert all(p["x"] + p["w"] <= 24 for p in places)


def test_every_metric_is_shown_or_alerted_on() -> None:
    texts = [q.expr for _, p in PANELS for q in p.queries] + [a.expr for a in ALERTS] + [r.expr for r in RECORDINGS]
    texts += [grafana.DEPLOYS, grafana.MODELS]
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for text in texts for name, _ in used(text)} | {
        name for text in texts for name, _ in used(text)
    }
    assert {metric.name for metric in METRICS} - shown == set(NOT_SHOWN)


def test_the_provisioned_source_and_folder_are_those_of_the_boards() -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/stream.yml").read_text())["providers"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert (source["type"], source["uid"]) == ("prometheus", "prometheus")
    assert source["jsonData"]["timeInterval"] == scraped, "or $__rate_interval is too short for a rate"
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards/stream"


def test_kinds_are_those_that_the_page_of_make_watch_draws() -> None:
    drawn = (ROOT / "deploy/monitoring/page/draw.js").read_text()
    assert {kind.value for kind in Kind} <= set(re.findall(r"^  (\w+): draw", drawn, re.MULTILINE))
