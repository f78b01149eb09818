"""Holding a partition: an event waits where it is, what is behind it waits too, other partitions go on."""

from dataclasses import replace

import numpy as np
import pytest

from stream.batch import Failure, FailureClass, Messages, Outcome, Rows, pack
from stream.failures.dead_letter import DeadLetters
from stream.failures.policy import Policies, Policy, Tier
from stream.failures.retry import FailureRouter, Routed
from stream.messages import Places

KINDS = {"t": FailureClass.TRANSIENT, "p": FailureClass.POISON, "u": FailureClass.UNTRIED}


def outcome(*events: tuple[int, str], stage: str = "call") -> Outcome:
    """Events as (partition, fate): o output, t transient, p poison, u untried, f filtered; offsets count from 10."""
    n = len(events)
    partition = np.array([p for p, _ in events], np.int32)
    offset = np.array([10 + sum(q == p for q, _ in events[:i]) for i, (p, _) in enumerate(events)], np.int64)
    ends = {("t", int(p)): int(offset[partition == p].max()) + 1 for p in set(partition.tolist())}
    messages = replace(
        Messages.of([b"%d" % i for i in range(n)], topic="t"), partition=partition, offset=offset, next_offsets=ends
    )
    rows = [i for i, (_, fate) in enumerate(events) if fate == "o"]
    values, offsets = pack([b"out%d" % i for i in rows])
    failures = [Failure(i, stage, KINDS[fate], "why") for i, (_, fate) in enumerate(events) if fate in KINDS]
    outputs = [Rows("out", np.array(rows, np.int64), values, offsets)]
    return Outcome(messages, outputs, failures, sum(fate == "f" for _, fate in events), {0: ("w",)})


def router(*delays_s: float, strict: bool = True, hold: bool = False, max_elapsed_s: float | None = None):
    tiers = [Tier(f"p.retry.{delay_s:.0f}s", delay_s) for delay_s in delays_s]
    return FailureRouter(DeadLetters("p.dlq", "p"), Policies(Policy(tiers, max_elapsed_s, hold=hold)), strict=strict)


def committed(cut: Outcome) -> tuple[list[bytes | None], bytes]:
    return [cut.messages.value(i) for i in range(len(cut.messages))], b"".join(bytes(r.values) for r in cut.outputs)


def waits(routed: Routed) -> list[tuple[tuple[str, int], int, int]]:
    return [(hold.where, hold.offset, hold.until_ms) for hold in routed.holds]


def attempts(router: FailureRouter, outcome: Outcome, times: list[int]) -> list[Routed]:
    """The outcome routed at each of these times, what waits being remembered in between."""
    found = []
    for now_ms in times:
        found.append(router.route(outcome, now_ms))
        for hold in found[-1].holds:
            router.holding(hold)
    return found


def test_what_is_behind_a_transient_failure_of_its_partition_is_left_for_later() -> None:
    routed = router(10.0).route(outcome((0, "o"), (1, "o"), (0, "t"), (0, "o"), (1, "f"), (0, "p")), 1000)
    assert committed(routed.outcome) == ([b"0", b"1", b"4"], b"out0out1")
    assert routed.outcome.messages.next_offsets == {("t", 0): 11, ("t", 1): 12}
    assert (routed.outcome.filtered, list(routed.outcome.failures), list(routed.records)) == (1, [], [])
    assert waits(routed) == [(("t", 0), 11, 11_000)]


def test_a_partition_whose_first_event_fails_commits_nothing() -> None:
    routed = router(10.0).route(outcome((0, "t"), (1, "o"), (0, "o")), 0)
    assert routed.outcome.messages.next_offsets == {("t", 1): 11}
    assert committed(routed.outcome) == ([b"1"], b"out1")
    assert waits(routed) == [(("t", 0), 10, 10_000)]


def test_rows_are_numbered_anew() -> None:
    routed = router(10.0).route(outcome((0, "o"), (0, "t"), (1, "p"), (1, "o")), 0)
    assert [f.row for f in routed.outcome.failures] == [1]
    assert routed.outcome.outputs[0].rows.tolist() == [0, 2]
    assert routed.outcome.warnings == {0: ("w",)}
    assert [r.value for r in routed.records] == [b"2"]


def test_delays_grow_and_after_the_last_the_event_is_a_dead_letter_with_its_attempts() -> None:
    found = attempts(router(1.0, 5.0), outcome((0, "t"), (0, "o")), [100, 2000, 9000])
    assert [[hold.until_ms for hold in routed.holds] for routed in found] == [[1100], [7000], []]
    (record,) = found[-1].records
    headers = dict(record.headers)
    assert (record.topic, record.value) == ("p.dlq", b"0")
    assert (headers["stream.attempts"], headers["stream.first-failed"], headers["stream.failed"]) == (
        b"3",
        b"100",
        b"9000",
    )
    assert committed(found[-1].outcome)[1] == b"out1"


def test_an_attempt_that_was_not_remembered_does_not_count() -> None:
    strict = router(1.0)
    for _ in range(3):  # what is over the dead-letter limit, for example, is never sent
        assert strict.route(outcome((0, "t")), 0).holds


def test_the_next_event_that_fails_begins_anew() -> None:
    strict = router(1.0)
    attempts(strict, outcome((0, "t")), [0])
    assert waits(strict.route(outcome((0, "p"), (0, "t")), 0)) == [(("t", 0), 11, 1000)]


def test_each_stage_has_attempts_of_its_own() -> None:
    strict = router(1.0)
    attempts(strict, outcome((0, "t"), stage="http"), [0])
    assert strict.route(outcome((0, "t"), stage="http-2"), 0).holds
    assert not strict.route(outcome((0, "t"), stage="http"), 0).holds


def test_without_failures_that_wait_nothing_is_copied() -> None:
    whole = outcome((0, "o"), (1, "p"))
    assert router(1.0).route(whole, 0).outcome is whole


@pytest.mark.parametrize("strict", [True, False])
def test_an_event_whose_turn_did_not_come_is_read_again_at_once_and_it_counts_as_no_attempt(strict: bool) -> None:
    relaxed = router(1.0, strict=strict)
    for routed in attempts(relaxed, outcome((0, "o"), (0, "u"), (0, "o"), (1, "u")), [5, 6, 7]):
        assert committed(routed.outcome) == ([b"0"], b"out0")
        assert [(hold.where, hold.offset) for hold in routed.holds] == [(("t", 0), 11), (("t", 1), 10)]
        assert not routed.records
        assert all(hold.until_ms <= 7 for hold in routed.holds)
    assert len(relaxed.route(outcome((0, "p"), (0, "t")), 0).holds) == strict


def from_tier(found: Outcome, **headers: str) -> Outcome:
    """The outcome of messages that were read from partition 3 of a retry tier, from offset 70 on."""
    n = len(found.messages)
    read = Places(("p.retry.1s",), np.zeros(n, np.int32), np.full(n, 3, np.int32), np.arange(70, 70 + n))
    given = [[(name.replace("_", "."), text.encode()) for name, text in headers.items()]] * n
    messages = replace(found.messages, read=read, headers=given, next_offsets={("p.retry.1s", 3): 70 + n})
    return replace(found, messages=messages)


EXHAUSTED = {"stream_attempts": "1", "stream_stage-attempts": "call=1", "stream_first-failed": "0"}


def test_in_relaxed_order_an_exhausted_event_that_holds_waits_in_the_tier_it_was_read_from() -> None:
    relaxed = router(1.0, strict=False, hold=True)
    for routed in attempts(relaxed, from_tier(outcome((0, "o"), (0, "t"), (0, "o")), **EXHAUSTED), [5000, 7000, 9000]):
        assert [(hold.where, hold.offset) for hold in routed.holds] == [(("p.retry.1s", 3), 71)]
        assert routed.outcome.messages.next_offsets == {("p.retry.1s", 3): 71}
        assert committed(routed.outcome)[1] == b"out0"
    assert routed.holds[0].until_ms == 10_000


def test_in_relaxed_order_an_event_that_is_not_exhausted_steps_aside_also_with_hold() -> None:
    routed = router(1.0, strict=False, hold=True).route(outcome((0, "t"), (0, "o")), 0)
    assert ([r.topic for r in routed.records], list(routed.holds)) == (["p.retry.1s"], [])


def test_in_strict_order_hold_waits_the_last_delay_for_as_long_as_it_takes() -> None:
    found = attempts(router(1.0, 5.0, hold=True), outcome((0, "t")), [0, 0, 0, 0])
    assert [hold.until_ms for routed in found for hold in routed.holds] == [1000, 5000, 5000, 5000]


def test_no_attempt_is_made_later_than_max_elapsed_after_the_first_failure() -> None:
    found = attempts(router(1.0, 5.0, 60.0, max_elapsed_s=10.0), outcome((0, "t")), [0, 1000, 6000])
    assert [len(routed.holds) for routed in found] == [1, 1, 0]
    found = attempts(router(1.0, 5.0, max_elapsed_s=10.0), outcome((0, "t")), [0, 5001])
    assert [len(routed.holds) for routed in found] == [1, 0]


def test_attempts_are_those_of_one_partition() -> None:
    strict = router(1.0)
    attempts(strict, outcome((0, "t")), [0])
    assert strict.route(outcome((1, "t")), 0).holds
