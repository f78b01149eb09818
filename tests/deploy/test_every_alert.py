"""Each alert is driven to firing by its cause, and reaches Alertmanager: `make test-deploy`, about ten minutes.

The rules are those of deploy/prometheus with durations of a thirtieth. The causes are real: processes are killed,
stages do not return, producers are fenced, the broker is stopped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
from acceptance import tiny
from acceptance import watched as w
from acceptance.kafka_io import KafkaIO
from acceptance.running import QUICK_GROUP, Project, wait_until
from acceptance.scripted_service import ScriptedService
from acceptance.watched import Watched
from confluent_kafka import Consumer

from deploy.monitoring.alerts import ALERTS
from deploy.monitoring.rules import Scale
from deploy.monitoring.servers import Monitoring
from stream.devkafka import Cluster

SLOW: Scale = Scale(windows=1 / 30, ages=1 / 8640, shortest_s=10)
NAME = "every-alert"
ALL_ASSIGNED = f"sum(stream_consumer_assigned_partitions{{topic='{NAME}.in'}}) == 4"
"""The four partitions of the input are with the workers."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def watched(kafka: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("every-alert")
    tiny.write_files(folder / "files")
    project = Project.create(folder / "files", folder, NAME, KafkaIO(kafka.bootstrap), environ=QUICK_GROUP)
    with (
        project,
        ScriptedService() as service,
        Monitoring(folder / "monitoring", scale=SLOW, interval_s=1.0) as monitoring,
    ):
        w.write_pipeline(project, service)
        found = Watched(project, monitoring, service)
        found.start("one")
        found.start("two")
        with found.under_load():
            yield found
            found.order()


def until_fires(watched: Watched, name: str, cause: Callable[[], None]) -> None:
    """Cause it again and again."""
    deadline = time.monotonic() + 300
    while name not in watched.firing():
        assert time.monotonic() < deadline, f"{name} does not fire: {watched.standing()}"
        cause()


def healthy(watched: Watched) -> None:
    """Both workers run and commit, good events only."""
    watched.order()
    watched.service.script = w.seldom_busy
    watched.load(rate=100, mixture="good")
    for instance in ("one", "two"):
        if not watched.runs(instance):
            watched.start(instance)
    wait_until(
        lambda: (watched.value("sum(stream_pipeline_state{state='running'})") or 0) == 2,
        "both run",
        120,
        watched.standing,
    )


def come_and_go(watched: Watched) -> None:
    """A member that joins, is given partitions, and leaves; then the workers get them back, or the next one would."""
    quick = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 300}  # it hears of each step of a rebalance at once
    settings = {"group.id": NAME, "partition.assignment.strategy": "cooperative-sticky", **quick}
    member = Consumer({"bootstrap.servers": watched.project.io.bootstrap, **settings})
    member.subscribe([watched.project.input, f"{NAME}.retry.2s"])

    def has_some() -> bool:
        member.poll(0.1)  # a message, or an error of the client's: neither says that it owns anything
        return bool(member.assignment())

    with contextlib.closing(member):
        wait_until(has_some, "partitions were given to it")
    wait_until(lambda: watched.value(ALL_ASSIGNED), "the workers have them back", 60, watched.standing)


def restart(watched: Watched) -> None:
    watched.workers["two"].kill()
    worker = watched.start("two")
    wait_until(lambda: "STARTED" if worker.logged("started") else "", "it answers")
    time.sleep(1.5)  # one scrape of it


def bad_events(watched: Watched, _: Cluster) -> None:
    watched.load(rate=100, mixture="bad")


def service_away(watched: Watched, _: Cluster) -> None:
    watched.order(away=True)


def service_fails_often(watched: Watched, _: Cluster) -> None:
    watched.service.script = w.often_busy


def service_refuses_one_for_ever(watched: Watched, _: Cluster) -> None:
    watched.service.script = w.one_never


def stuck(watched: Watched, _: Cluster) -> None:
    watched.order(stuck=True)


def stuck_with_retries(watched: Watched, _: Cluster) -> None:
    watched.load(rate=100, mixture="bad")
    wait_until(lambda: watched.value("count(stream_retry_next_due_timestamp_seconds)"), "some wait for their time", 120)
    watched.order(stuck=True)


def slow(watched: Watched, _: Cluster) -> None:
    watched.order(slow_s=1.0)
    watched.load(rate=500, mixture="good")


def second_producer(watched: Watched, _: Cluster) -> None:
    watched.fence_until("StreamFenced", timeout_s=300)


def many_rebalances(watched: Watched, _: Cluster) -> bool:
    """Seen by a Prometheus of its own with a window of two minutes: how long a rebalance takes is up to the machine."""
    folder = watched.monitoring.folder.parent / "patient"
    with Monitoring(folder, scale=replace(SLOW, windows=1 / 5), interval_s=1.0) as patient:
        patient.scrape(list(watched.addresses.values()))
        seen = replace(watched, monitoring=patient)
        until_fires(seen, "StreamRebalanceStorm", lambda: come_and_go(seen))
    return True


def fenced_again_and_again(watched: Watched, _: Cluster) -> None:
    """Few transactions, so that those that fail are many of them."""
    watched.load(rate=0.25, mixture="good")
    watched.fence_until("StreamTransactionsFail", timeout_s=300)


def broker_away(watched: Watched, kafka: Cluster) -> None:
    watched.load(rate=0, mixture="good")
    time.sleep(2)  # nothing is being produced any more
    kafka.stop()
    try:
        watched.await_alerts(["StreamKafkaErrors"], 300)
    finally:
        kafka.start()


def many_restarts(watched: Watched, _: Cluster) -> None:
    until_fires(watched, "StreamRestarting", lambda: restart(watched))


def one_killed(watched: Watched, _: Cluster) -> None:
    watched.workers["two"].kill()


def all_killed(watched: Watched, _: Cluster) -> None:
    for worker in watched.workers.values():
        worker.kill()


CAUSES: Mapping[str, Callable[[Watched, Cluster], bool | None]] = {
    "StreamDeadLetterRatio": bad_events,
    "StreamDeadLettersOld": bad_events,
    "StreamDeliveryBudgetFast": bad_events,
    "StreamDeliveryBudgetSlow": bad_events,
    "StreamServiceFails": service_fails_often,
    "StreamPartitionHeld": service_refuses_one_for_ever,
    "StreamPaused": service_away,
    "StreamNoCommit": service_away,
    "StreamLoopStuck": stuck,
    "StreamRetryTierOld": stuck_with_retries,
    "StreamLagGrowing": slow,
    "StreamFreshnessBudgetFast": stuck,
    "StreamFreshnessBudgetSlow": stuck,
    "StreamFenced": second_producer,
    "StreamRebalanceStorm": many_rebalances,
    "StreamTransactionsFail": fenced_again_and_again,
    "StreamKafkaErrors": broker_away,
    "StreamRestarting": many_restarts,
    "StreamWorkerDown": one_killed,
    "StreamNoWorkers": all_killed,
}
"""In an order in which each leaves little behind. What returns True has seen its alert itself."""


def test_there_is_a_cause_for_each_alert() -> None:
    assert CAUSES.keys() == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("name", CAUSES)
def test_its_cause_makes_it_fire_and_it_reaches_alertmanager(watched: Watched, kafka: Cluster, name: str) -> None:
    healthy(watched)
    if not CAUSES[name](watched, kafka):
        watched.await_alerts([name], 300)
