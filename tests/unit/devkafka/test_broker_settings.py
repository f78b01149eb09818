"""What a broker is started with: Java, AOT cache, properties."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from stream.devkafka import Cluster
from stream.devkafka.java import Java, cache_key, clean_environment
from stream.devkafka.preparation import default_cache
from stream.devkafka.properties import OWNED, broker_properties, render
from stream.devkafka.state import Node
from stream.errors import ConfigurationError


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
    assert default_cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/stream-inference")
    assert default_cache({}) == Path.home() / ".cache" / "stream-inference"


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


def test_a_proxy_in_front_of_a_broker_is_what_clients_are_told_and_nobody_else():
    nodes = [Node(1, 9101, 9201, 9301)]
    settings = broker_properties(nodes[0], nodes, Path("/data"), {}, advertised=7001)
    assert settings["advertised.listeners"] == "CLIENT://127.0.0.1:7001,INTERNAL://127.0.0.1:9201"
    assert settings["listeners"].startswith("CLIENT://127.0.0.1:9101,INTERNAL://127.0.0.1:9201,")


def test_there_is_a_proxy_for_each_broker_or_for_none(tmp_path):
    with pytest.raises(ConfigurationError, match="advertised: 1 ports for 3 brokers"):
        Cluster(tmp_path, 3, advertised=[7001])
