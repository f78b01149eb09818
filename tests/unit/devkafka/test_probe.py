"""Metadata over a plain socket."""

from __future__ import annotations

import struct

import pytest

from stream.devkafka import probe


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
