"""Boards and alerts against a real Prometheus that scrapes real workers while things go wrong.

The rules are those of deploy/prometheus with shorter durations, made from the same description.
"""

import contextlib
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance import watched as w
from acceptance.running import Project, Worker, wait_until
from acceptance.scripted_service import ScriptedService
from acceptance.watched import Watched
from prometheus_client.parser import text_string_to_metric_families

from deploy.monitoring import grafana
from deploy.monitoring.alerts import ALERTS
from deploy.monitoring.servers import Monitoring, free_ports, program
from deploy.monitoring.slo import RECORDINGS

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"

pytestmark = pytest.mark.timeout(400)


def check(*arguments: str | Path, given: str | None = None) -> str:
    """The output of promtool; it fails with what promtool says."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    assert "valid prometheus config" in check("check", "config", PROMETHEUS / "prometheus.yml")
    assert "SUCCESS" in check("check", "rules", "--lint-fatal", *sorted((PROMETHEUS / "rules").glob("*.yml")))


def test_each_alert_fires_for_what_is_sick_and_for_nothing_else() -> None:
    assert "SUCCESS" in check("test", "rules", PROMETHEUS / "tests" / "alerts.yml")


def test_each_process_of_one_command_has_a_page_of_its_own(project) -> None:
    made: Project = project("pages", partitions=4)
    host, port = "127.0.0.1", free_ports(2)
    made.start("--workers", "2", STREAM_HTTP_ADDRESS=f"{host}:{port}")

    def partitions(number: int) -> float:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{host}:{number}/metrics", timeout=5) as page:
            families = text_string_to_metric_families(page.read().decode())
            samples = [sample for family in families for sample in family.samples]
            return sum(s.value for s in samples if s.name == "stream_consumer_assigned_partitions")
        return 0

    wait_until(lambda: [partitions(port), partitions(port + 1)] == [2, 2], "both are seen, with their partitions")


@pytest.fixture
def watched(project, tmp_path: Path) -> Iterator[Watched]:
    made: Project = project("watched", partitions=4)
    with (
        ScriptedService() as service,
        Monitoring(tmp_path / "monitoring", scale=w.QUICK, interval_s=1.0) as monitoring,
    ):
        w.write_pipeline(made, service)
        found = Watched(made, monitoring, service)
        with found.under_load():
            yield found
            found.order()


def await_commits(worker: Worker, more: float = 1) -> None:
    before = worker.metric("stream_transactions_total", outcome="committed")
    wait_until(lambda: worker.metric("stream_transactions_total", outcome="committed") > before + more, "commits")


def test_every_panel_shows_something_and_alerts_reach_alertmanager(watched: Watched) -> None:
    first = watched.start("one")
    await_commits(first)
    page = first.page("/metrics")[1]
    check("check", "metrics", given=page)

    counted = "sum(stream_rebalance_duration_seconds_count)"
    wait_until(lambda: watched.value(counted) is not None, "scraped before the rebalance, which is an increase then")
    second = watched.start("two")  # its partitions are taken from the first one: a rebalance
    await_commits(second)
    panels = w.panels_of(watched)
    wait_until(lambda: watched.value(counted), "the rebalance was scraped")
    panels.look()  # it is soon longer ago than boards look back here
    watched.await_alerts(["StreamDeliveryBudgetFast", "StreamDeadLetterRatio"])
    watched.order(away=True)
    watched.await_alerts(["StreamPaused"])
    watched.order()
    await_commits(first)
    watched.await_alerts(["StreamDeadLettersOld"])
    wait_until(panels.look, "every panel shows something", standing=lambda: str(sorted(panels.left)))
    for expr in (grafana.DEPLOYS, grafana.MODELS):
        assert watched.range(panels.filled(expr)), f"no mark on the time axis: {expr}"
    rules = [rule for group in watched.monitoring.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {a.name for a in ALERTS} | {r.name for r in RECORDINGS}
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}

    wait_until(lambda: watched.value("count(stream_retry_next_due_timestamp_seconds)"), "some wait for their time", 120)
    watched.order(stuck=True)
    watched.await_alerts(
        ["StreamLoopStuck", "StreamNoCommit", "StreamRetryTierOld", "StreamLagGrowing", "StreamFreshnessBudgetFast"]
    )
    assert (watched.value("max(stream_consumer_lag_seconds)") or 0) > 5, "behind, although the loop tells nothing"
    watched.order()
    wait_until(lambda: "StreamLoopStuck" not in watched.firing(), "it is over when the loop goes on")

    second.kill()
    watched.await_alerts(["StreamWorkerDown"])
    first.kill()
    watched.await_alerts(["StreamNoWorkers"])
