"""docker-compose.yml, service by service: its commands, settings, files and conditions as they stand, without Docker.

Containers are namespaces of this machine, images are stand-ins from packages (stand_ins.py). Linux, as root.
"""

from __future__ import annotations

import json
import math
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from acceptance.kafka_io import KafkaIO
from acceptance.watched import every_panel
from compose.by_hand import Container, Stack, wait_until

BROKER = "127.0.0.1:9092"
"""As the file publishes it."""
INPUT = "flights"
ENDS = ("flights.late", "flights.predictions", "flights.dlq")

pytestmark = pytest.mark.timeout(600)


def one(stack: Stack, service: str) -> Container:
    (found,) = stack.of(service)
    return found


def get(container: Container, port: int, path: str, **parameters: str) -> Any:
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    with container.network(), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}{query}", timeout=10) as answer:
        return json.load(answer)


def ask(stack: Stack, expr: str) -> list[Any]:
    found: list[Any] = get(one(stack, "prometheus"), 9090, "/api/v1/query", query=expr)["data"]["result"]
    return found


def value(stack: Stack, expr: str) -> float:
    return sum(float(series["value"][1]) for series in ask(stack, expr))


@contextmanager
def kafka(stack: Stack) -> Iterator[KafkaIO]:
    with one(stack, "kafka").network():
        yield KafkaIO(BROKER)


def test_all_come_up_in_their_order_and_are_healthy(stack: Stack) -> None:
    assert one(stack, "topics").popen.returncode == 0
    workers = stack.of("worker")
    assert len(workers) == 2
    assert len({worker.host_name for worker in workers}) == 2, "two slots"
    for container in stack.containers.values():
        assert container.alive or container.service.name == "topics", container.tail()


def test_schemas_are_in_the_registry_and_events_end_in_the_three_topics(stack: Stack) -> None:
    def ended() -> bool:
        with kafka(stack) as io:
            return all(sum(io.end_offsets(topic).values()) > 0 for topic in ENDS)

    wait_until(ended, "each of the topics has events", 120)
    subjects = get(one(stack, "registry"), 8080, "/apis/ccompat/v7/subjects")
    assert {"flights-value", "flights.late-value", "flights.predictions-value"} <= set(subjects)


def test_both_workers_are_scraped_by_the_name_of_their_service(stack: Stack) -> None:
    wait_until(lambda: value(stack, 'up{job="stream"}') == 2, "two targets are up")
    wait_until(lambda: len(ask(stack, "stream_consumer_assigned_partitions > 0")) == 2, "both have partitions")
    wait_until(lambda: value(stack, "sum(stream_consumer_assigned_partitions)") == 6, "six partitions between them")
    active = get(one(stack, "prometheus"), 9090, "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert [found["url"] for found in active] == ["http://alertmanager:9093/api/v2/alerts"]
    rules = get(one(stack, "prometheus"), 9090, "/api/v1/rules")["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}


def test_the_overview_board_has_data_in_every_panel_and_no_query_is_wrong(stack: Stack) -> None:
    filled = {"$pipeline": "flights", "$instance": ".*", "$__rate_interval": "1m", "$__range": "5m"}

    def empty() -> list[str]:
        left = []
        for board, panel in every_panel():
            for query in panel.queries:
                expr = query.on_board
                for name, text in filled.items():
                    expr = expr.replace(name, text)
                found = ask(stack, expr)
                if board.uid == "stream-overview" and not (found and math.isfinite(float(found[0]["value"][1]))):
                    left.append(f"{panel.title}: {expr}")
        return left

    wait_until(lambda: not empty(), f"data in each panel: {empty()}", 120)


def test_a_killed_worker_that_is_started_again_has_its_slot_and_nothing_is_lost_or_doubled(stack: Stack) -> None:
    victim = stack.of("worker")[0]
    victim.popen.kill()
    victim.popen.wait()
    again = stack.start(victim.service, 1)
    assert again.host_name == victim.host_name, "as with Docker: the container is the same, and so is its host name"
    health = again.service.health
    assert health
    wait_until(lambda: again.healthy(health), "it is healthy again")
    wait_until(lambda: again.run(["stream", "health", "--ready"], 10).returncode == 0, "and has partitions")

    assert one(stack, "flights").stop() == 0, one(stack, "flights").tail()
    with kafka(stack) as io:
        sent = Counter(record.key for record in io.read_committed(INPUT))

    def counts() -> Counter[bytes | None]:
        with kafka(stack) as io:
            return Counter(record.key for topic in ENDS for record in io.read_committed(topic))

    wait_until(lambda: counts().total() >= sent.total(), "every event has ended")
    assert counts() == sent, "each in one place, as often as it was sent"
    assert len(sent) > 1000


def test_all_stop_in_good_order_within_their_grace_periods(stack: Stack) -> None:
    for service in ("worker", "prometheus", "alertmanager"):
        for container in stack.of(service):
            assert container.stop() == 0, container.tail()
    assert one(stack, "registry").stop() in (0, 143)
    assert one(stack, "kafka").stop() in (0, 143)
