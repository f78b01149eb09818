"""Strict order: an event that may pass later holds its partition; other partitions go on."""

from dataclasses import replace

import numpy as np

from stream.batch import Failure, FailureClass, Messages, Outcome, Rows, pack
from stream.failures.strict import Hold, StrictOrder


def outcome(*events: tuple[int, str]) -> Outcome:
    """Events as (partition, fate): o output, t transient, p poison, f filtered; offsets count from 10."""
    n = len(events)
    partition = np.array([p for p, _ in events], np.int32)
    offset = np.array([10 + sum(q == p for q, _ in events[:i]) for i, (p, _) in enumerate(events)], np.int64)
    ends = {("t", int(p)): int(offset[partition == p].max()) + 1 for p in set(partition.tolist())}
    messages = replace(
        Messages.of([b"%d" % i for i in range(n)], topic="t"), partition=partition, offset=offset, next_offsets=ends
    )
    rows = [i for i, (_, fate) in enumerate(events) if fate == "o"]
    values, offsets = pack([b"out%d" % i for i in rows])
    kinds = {"t": FailureClass.TRANSIENT, "p": FailureClass.POISON}
    failures = [Failure(i, "call", kinds[fate], "why") for i, (_, fate) in enumerate(events) if fate in kinds]
    outputs = [Rows("out", np.array(rows, np.int64), values, offsets)]
    return Outcome(messages, outputs, failures, sum(fate == "f" for _, fate in events), {0: ("w",)})


def committed(cut: Outcome) -> tuple[list[bytes | None], bytes]:
    return [cut.messages.value(i) for i in range(len(cut.messages))], b"".join(bytes(r.values) for r in cut.outputs)


def test_what_is_behind_a_transient_failure_of_its_partition_is_left_for_later() -> None:
    cut, holds = StrictOrder([10.0]).cut(outcome((0, "o"), (1, "o"), (0, "t"), (0, "o"), (1, "f"), (0, "p")), 1000)
    assert committed(cut) == ([b"0", b"1", b"4"], b"out0out1")
    assert cut.messages.next_offsets == {("t", 0): 11, ("t", 1): 12}
    assert (cut.filtered, list(cut.failures)) == (1, [])
    assert holds == [Hold(("t", 0), 11, 11_000)]


def test_a_partition_whose_first_event_fails_commits_nothing() -> None:
    cut, holds = StrictOrder([10.0]).cut(outcome((0, "t"), (1, "o"), (0, "o")), 0)
    assert cut.messages.next_offsets == {("t", 1): 11}
    assert committed(cut) == ([b"1"], b"out1")
    assert holds == [Hold(("t", 0), 10, 10_000)]


def test_rows_are_numbered_anew() -> None:
    cut, _ = StrictOrder([10.0]).cut(outcome((0, "o"), (0, "t"), (1, "p"), (1, "o")), 0)
    assert [f.row for f in cut.failures] == [1]
    assert cut.outputs[0].rows.tolist() == [0, 2]
    assert cut.warnings == {0: ("w",)}


def test_delays_grow_and_after_the_last_the_event_is_let_through() -> None:
    strict = StrictOrder([1.0, 5.0])
    waits = []
    for _ in range(3):
        cut, holds = strict.cut(outcome((0, "t"), (0, "o")), 0)
        waits.append([h.until_ms for h in holds])
    assert waits == [[1000], [5000], []]
    assert [f.kind for f in cut.failures] == [FailureClass.TRANSIENT]
    assert committed(cut)[1] == b"out1"


def test_the_next_event_that_fails_begins_anew() -> None:
    strict = StrictOrder([1.0])
    strict.cut(outcome((0, "t")), 0)
    _, holds = strict.cut(outcome((0, "p"), (0, "t")), 0)
    assert holds == [Hold(("t", 0), 11, 1000)]


def test_without_transient_failures_nothing_is_copied() -> None:
    whole = outcome((0, "o"), (1, "p"))
    assert StrictOrder([1.0]).cut(whole, 0) == (whole, [])
