"""The proxy in front of a real Apache Kafka, seen by real clients."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from acceptance.kafka_io import KafkaIO
from confluent_kafka import Producer

from stream.chaos.proxy import Proxy, Then, proxied
from stream.devkafka import Cluster

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Proxy]]:
    with proxied(tmp_path_factory.mktemp("proxied-")) as both:
        yield both


def transaction(proxy: Proxy, topic: str) -> Producer:
    """A transaction with one record, not yet ended."""
    producer = Producer({"bootstrap.servers": proxy.bootstrap, "transactional.id": topic, "client.id": "writer"})
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    producer.produce(topic, b"value")
    producer.flush(PATIENCE_S)
    return producer


def test_clients_find_every_broker_through_the_proxy_alone(behind) -> None:
    kafka, proxy = behind
    before = proxy.counts().requests
    io = KafkaIO(proxy.bootstrap)
    io.create_topics({"through": 3})
    io.produce("through", [(None, b"%d" % n, None, None) for n in range(1000)])
    assert sorted(int(r.value) for r in io.read_committed("through")) == list(range(1000))
    after = proxy.counts().requests
    assert all(after[api] > before.get(api, 0) for api in ("Metadata", "CreateTopics", "Produce", "Fetch"))
    direct = KafkaIO(kafka.internal_bootstrap).read_committed("through")
    assert len(direct) == 1000
    assert proxy.counts().requests["Fetch"] == after["Fetch"], "past the proxy"


def test_a_held_commit_is_not_made_and_a_released_one_is(behind) -> None:
    kafka, proxy = behind
    io = KafkaIO(kafka.internal_bootstrap)
    io.create_topics({"held": 1})
    producer = transaction(proxy, "held")
    held = proxy.hold("EndTxn", "writer", then=Then.HANG)
    with ThreadPoolExecutor(1) as pool:
        commit = pool.submit(producer.commit_transaction, PATIENCE_S)
        assert held.wait(PATIENCE_S).client == "writer"
        assert io.read_committed("held", open_transactions="stop") == []
        held.release()
        assert held.answer(PATIENCE_S)[4:6] == b"\0\0", "no error"
        commit.result(PATIENCE_S)
    assert [r.value for r in io.read_committed("held")] == [b"value"]


def test_a_client_that_is_cut_off_after_its_commit_asks_again_and_is_told_that_it_was_made(behind) -> None:
    kafka, proxy = behind
    io = KafkaIO(kafka.internal_bootstrap)
    io.create_topics({"cut": 1})
    producer = transaction(proxy, "cut")
    before = proxy.counts().requests.get("EndTxn", 0)
    proxy.cut_after("EndTxn", "writer")
    producer.commit_transaction(PATIENCE_S)
    assert proxy.counts().requests["EndTxn"] - before >= 2
    assert [r.value for r in io.read_committed("cut")] == [b"value"]
