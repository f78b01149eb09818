"""The local page: the boards' own JSON, and of Prometheus only what a panel may ask."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from deploy.monitoring import grafana
from deploy.monitoring.alerts import ALERTS
from deploy.monitoring.boards import BOARDS
from deploy.monitoring.rules import anchor
from deploy.monitoring.servers import free_address
from deploy.monitoring.serving import RUNBOOK, BoardServer, runbook_page


@pytest.fixture(scope="module")
def page() -> Iterator[BoardServer]:
    server = BoardServer(free_address(), 5.0)  # nobody listens there
    yield server
    server.close()


def get(page: BoardServer, path: str) -> tuple[int, str, str]:
    """(status, content type, body)"""
    try:
        with urllib.request.urlopen(page.address + path.lstrip("/"), timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_the_page_draws_the_same_json_that_grafana_gets(page: BoardServer) -> None:
    status, _, body = get(page, "/boards.json")
    assert status == 200
    assert json.loads(body) == [grafana.dashboard(board, BOARDS) for board in BOARDS]


@pytest.mark.parametrize(
    "path", ["/", "/d/stream-overview", "/page/draw.js", "/page/uplot/uPlot.iife.min.js", "/runbook"]
)
def test_what_the_page_needs_comes_from_this_server(page: BoardServer, path: str) -> None:
    status, _, body = get(page, path)
    assert status == 200
    assert "http://" not in body.replace("http://www.w3.org", "").replace("http://WORKER", "").replace("http://{{", "")


@pytest.mark.parametrize(
    "path", ["/api/v1/admin/tsdb/snapshot", "/api/v1/targets", "/page/../serving.py", "/page/index.html%00", "/nothing"]
)
def test_nothing_else_is_answered_or_passed_on(page: BoardServer, path: str) -> None:
    assert get(page, path)[0] == 404


def test_that_prometheus_is_away_is_said(page: BoardServer) -> None:
    status, kind, body = get(page, "/api/v1/query?query=up")
    assert (status, kind.partition(";")[0]) == (502, "application/json")
    assert "does not answer" in json.loads(body)["error"]


def test_each_alert_links_to_its_place_in_the_runbook() -> None:
    made = runbook_page(RUNBOOK.read_text("utf-8"))
    assert all(f'<h2 id="{anchor(alert)}">' in made for alert in ALERTS)
    assert "<script" not in runbook_page("## Safe\n<script>alert(1)</script>\n")
