"""The development Kafka itself: start, stop, kill, restart, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from acceptance.kafka_io import KafkaIO
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from stream.devkafka import Cluster
from stream.errors import ConfigurationError, UnreachableError


def test_a_stopped_broker_starts_again_with_its_ports_and_its_data(tmp_path, unique_name):
    cluster, topic = Cluster(tmp_path), unique_name("kept")
    with cluster:
        bootstrap = cluster.bootstrap
        io = KafkaIO(bootstrap)
        io.create_topics({topic: 2})
        io.produce(topic, [(b"k", b"v0", [("h", b"1")], 0), (None, b"v1", None, 1), (b"k", None, None, 1)])
        before = sorted(io.read_committed(topic))
    assert cluster.alive() == ()

    with Cluster(tmp_path) as again:
        assert again.bootstrap == bootstrap
        assert sorted(io.read_committed(topic)) == before
    assert [(r.partition, r.offset, r.key, r.value, r.headers) for r in before] == [
        (0, 0, b"k", b"v0", [("h", b"1")]),
        (1, 0, None, b"v1", []),
        (1, 1, b"k", None, []),
    ]


def test_starting_what_runs_changes_nothing_and_any_process_may_stop_it(tmp_path):
    run_cli("start", tmp_path, expected=0)
    started = json.loads(run_cli("status", tmp_path, "--output", "json", expected=0).stdout)
    (broker,) = started["brokers"]
    assert os.getsid(broker["pid"]) == broker["pid"], "a session of its own: Ctrl-C in a terminal does not reach it"

    assert "was running already" in run_cli("start", tmp_path, expected=0).stdout
    assert Cluster(tmp_path).pids == {1: broker["pid"]}
    assert started["bootstrap"] == Cluster(tmp_path).bootstrap
    assert AdminClient({"bootstrap.servers": started["bootstrap"]}).list_topics(timeout=10).brokers

    assert "is stopped" in run_cli("stop", tmp_path, expected=0).stdout
    assert "was not running" in run_cli("stop", tmp_path, expected=0).stdout
    run_cli("status", tmp_path, expected=1)
    assert Cluster(tmp_path).pids == {}


def test_three_brokers_go_on_without_one_and_take_it_back(kafka3, kafka3_io, unique_name):
    topic = unique_name("replicated")
    kafka3_io.create_topics({topic: 3})
    first = kafka3.pids
    kafka3.kill(2)
    assert kafka3.alive() == (1, 3)
    kafka3_io.produce(topic, [(None, str(n).encode(), None, n % 3) for n in range(300)])

    kafka3.restart(2)
    kafka3.await_in_sync()
    assert kafka3.pids.keys() == {1, 2, 3}
    assert {n: pid for n, pid in kafka3.pids.items() if n != 2} == {1: first[1], 3: first[3]}
    replicas = {p.isr for p in kafka3.metadata().partitions if p.topic == topic}
    assert replicas == {frozenset({1, 2, 3})}

    kafka3.stop(1)
    values = sorted(int(r.value) for r in kafka3_io.read_committed(topic))
    assert values == list(range(300))


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        pytest.param({"num.io.threads": "many"}, r"(?s)broker 1: formatting.*num\.io\.threads", id="refused"),
        pytest.param({"metric.reporters": "no.Such"}, r"(?s)broker 1 ended.*server\.log.*no\.Such", id="ended"),
    ],
)
def test_a_broker_that_cannot_start_shows_its_last_lines_and_leaves_nothing_behind(tmp_path, properties, words):
    cluster = Cluster(tmp_path, properties=properties)
    with pytest.raises(UnreachableError, match=words):
        cluster.start()
    assert cluster.pids == {}


def test_a_start_that_is_given_up_ends_the_brokers_it_started(tmp_path):
    seen: list[int] = []

    def give_up(_: float) -> None:
        if not seen:
            seen.extend(cluster.pids.values())
            raise KeyboardInterrupt
        time.sleep(0.02)

    cluster = Cluster(tmp_path, sleep=give_up)
    with pytest.raises(KeyboardInterrupt):
        cluster.start()
    assert len(seen) == 1
    assert cluster.pids == {}
    assert not Path(f"/proc/{seen[0]}").exists()


def test_a_port_that_is_taken_is_named(tmp_path, kafka):
    port = int(kafka.bootstrap.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"port {port}"):
        Cluster(tmp_path, port=port).start()


def test_a_broker_that_loses_the_race_for_its_client_port_is_not_taken_for_started(tmp_path, kafka, monkeypatch):
    monkeypatch.setattr("stream.devkafka.cluster.is_free", lambda port: True)
    port = int(kafka.bootstrap.rpartition(":")[2])
    loser = Cluster(tmp_path, port=port)
    with pytest.raises(UnreachableError, match=f"(?s)broker 1 ended.*:{port}: Address already in use"):
        loser.start()
    assert loser.pids == {}


def test_the_tools_of_kafka_run(kafka):
    done = kafka.tool(
        "org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", kafka.internal_bootstrap, "list"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("TransactionalId")


def test_transactions_work_and_an_open_one_hides_what_follows(kafka, kafka_io, topic_factory, unique_name):
    topic = topic_factory("transactions")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique_name("id")})
    producer.init_transactions(30)
    for value, end in ((b"committed", producer.commit_transaction), (b"aborted", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        end(30)
    producer.begin_transaction()
    producer.produce(topic, b"open")
    producer.flush(30)

    visible = kafka_io.read_committed(topic, open_transactions="stop")
    assert [r.value for r in visible] == [b"committed"]
    with pytest.raises(AssertionError, match="a transaction is open"):
        kafka_io.read_committed(topic, timeout_s=1)
    producer.commit_transaction(30)
    assert [r.value for r in kafka_io.read_committed(topic)] == [b"committed", b"open"]


def test_clients_can_be_made_to_log_in_while_tools_and_brokers_go_on(tmp_path, unique_name):
    scram = {
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }
    topic = unique_name("secret")
    with Cluster(tmp_path, properties=scram) as cluster:
        server = ("--bootstrap-server", cluster.internal_bootstrap)
        user = ("--alter", "--entity-type", "users", "--entity-name", "ann")
        added = cluster.tool(
            "kafka.admin.ConfigCommand", *server, *user, "--add-config", "SCRAM-SHA-512=[password=word]"
        )
        assert added.returncode == 0, added.stdout + added.stderr
        login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "ann"}
        io = KafkaIO(cluster.bootstrap, {**login, "sasl.password": "word"})
        io.create_topics({topic: 1})
        io.produce(topic, [(None, b"v", None, None)])
        assert [r.value for r in io.read_committed(topic)] == [b"v"]
    assert (tmp_path / "node-1" / "server.properties").stat().st_mode & 0o077 == 0


def run_cli(command: str, folder: Path, *arguments: str, expected: int) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "stream", "kafka", command, "--folder", str(folder), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return done
