"""Processes, ports and state that several processes share: whose is what."""

from __future__ import annotations

import os
import random
import signal
import socket
from pathlib import Path

import pytest

from stream.devkafka import Cluster, Node, State, cluster, ports, process
from stream.devkafka.process import Process
from stream.devkafka.state import locked, read_state, write_state
from stream.errors import ConfigurationError, UnreachableError

NODES = (Node(1, 101, 102, 103), Node(2, 201, 202, 203), Node(3, 301, 302, 303))


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


def test_a_cluster_id_is_a_uuid_that_no_option_parser_takes_for_an_option():
    found = {cluster._cluster_id() for _ in range(200)}
    assert len(found) == 200
    assert all(len(c) == 22 and not c.startswith("-") for c in found)
