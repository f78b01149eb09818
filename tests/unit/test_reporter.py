"""What operators see of the loop: states once a change, lag with its age, rebalances counted once."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from confluent_kafka import TopicPartition

from stream.batch import Messages, Outcome
from stream.errors import SystemicError, TransactionError
from stream.failures.headers import Earlier
from stream.failures.strict import Hold
from stream.health import Health, State
from stream.kafka.assignment import Assignment
from stream.messages import Places
from stream.metrics import Metrics
from stream.reporter import Reporter
from stream.watchdog import Watchdog


@dataclass
class Desk:
    """A reporter with a clock that the test moves."""

    now: float = 1000.0
    unread: dict[tuple[str, int], int] = field(default_factory=dict)
    assignment: Assignment = field(default_factory=Assignment)
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics("p", topics=["t"], wall_clock=lambda: self.now)
        self.health = Health(lambda: self.now)
        self.watchdog = Watchdog(60.0, lambda: self.now)
        self.reporter = Reporter(
            self.metrics,
            self.health,
            self.watchdog,
            self.assignment,
            lambda: self.unread,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
            log=self,  # type: ignore[arg-type]
        )

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = info

    def own(self, *partitions: int) -> None:
        self.assignment.on_assign(None, [TopicPartition("t", p) for p in partitions])

    def value(self, line: str) -> float:
        page = self.metrics.exposition()[0].decode()
        (found,) = [row.split()[-1] for row in page.splitlines() if row.startswith(line + " ")]
        return float(found)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def messages(*stamps_ms: int) -> Messages:
    plain = Messages.of([b"v"] * len(stamps_ms), topic="t")
    return replace(plain, timestamp=np.array(stamps_ms, np.int64))


def test_a_state_is_logged_once_and_its_reason_stays_current(desk: Desk) -> None:
    for why in ("away", "still away"):
        desk.reporter.paused(SystemicError("kafka", why))
    desk.reporter.running()
    assert [fields["state"] for event, fields in desk.lines if event == "state"] == ["paused", "running"]
    assert desk.health.state is State.RUNNING
    assert desk.value('stream_pipeline_state{pipeline="p",state="running"}') == 1


def test_a_failed_attempt_is_counted_by_its_reason(desk: Desk) -> None:
    desk.reporter.failed(TransactionError("sent twice", "late_request"))
    desk.reporter.failed(SystemicError("registry", "down"))
    assert desk.value('stream_recoveries_total{pipeline="p",reason="late_request"}') == 1
    assert desk.value('stream_recoveries_total{pipeline="p",reason="systemic"}') == 1


def test_a_pause_is_no_failed_transaction(desk: Desk) -> None:
    desk.reporter.failed(SystemicError("dead_letter_limit", "too many"))
    assert desk.value('stream_transactions_total{outcome="failed",pipeline="p"}') == 0
    desk.reporter.failed(TransactionError("commit"))
    assert desk.value('stream_transactions_total{outcome="failed",pipeline="p"}') == 1


def test_lag_in_seconds_is_the_age_of_what_was_read_last_and_0_at_the_end(desk: Desk) -> None:
    desk.own(0)
    desk.unread = {("t", 0): 5}
    desk.reporter.committed(Outcome(messages(970_000, 990_000), [], [], 2), frozenset(), 0.01)
    desk.reporter.beat()
    assert desk.value('stream_consumer_lag_seconds{pipeline="p",topic="t"}') == 10
    assert desk.value('stream_consumer_lag_events{partition="0",pipeline="p",topic="t"}') == 5
    desk.unread = {("t", 0): 0}
    desk.now += 2
    desk.reporter.beat()
    assert desk.value('stream_consumer_lag_seconds{pipeline="p",topic="t"}') == 0
    assert desk.value('stream_consumer_caught_up{pipeline="p",topic="t"}') == 1


def test_each_rebalance_is_counted_once(desk: Desk) -> None:
    desk.own(0)
    desk.own(1)
    for _ in range(3):
        desk.now += 2
        desk.reporter.beat()
    assert desk.value('stream_rebalances_total{kind="assigned",pipeline="p"}') == 2
    assert desk.value('stream_consumer_assigned_partitions{pipeline="p",topic="t"}') == 2


def test_a_beat_reaches_watchdog_and_liveness(desk: Desk) -> None:
    desk.watchdog.expired = lambda seconds: None
    desk.now += 59
    desk.reporter.beat()
    desk.now += 59
    assert not desk.watchdog.look()
    assert desk.health.live().status == 200
    desk.now += 2
    assert desk.watchdog.look()


def page(desk: Desk) -> str:
    return desk.metrics.exposition()[0].decode()


def test_what_is_in_hand_is_lag_although_everything_was_read(desk: Desk) -> None:
    """A service is away: the batch was read to the end of its partition and is made again and again."""
    desk.own(0)
    batch = messages(960_000, 990_000)
    batch = replace(batch, next_offsets={("t", 0): 2})
    desk.assignment.advance(batch.next_offsets)
    desk.reporter.read(batch)
    desk.unread = {("t", 0): 0}
    desk.reporter.beat()
    assert desk.value('stream_consumer_lag_seconds{pipeline="p",topic="t"}') == 40
    assert desk.value('stream_consumer_lag_events{partition="0",pipeline="p",topic="t"}') == 2
    assert desk.value('stream_consumer_caught_up{pipeline="p",topic="t"}') == 0
    assert desk.value('stream_inflight_events{pipeline="p"}') == 2
    desk.reporter.committed(Outcome(batch, [], [], 2), frozenset(), 0.01)
    desk.now += 2
    desk.reporter.beat()
    assert desk.value('stream_consumer_lag_seconds{pipeline="p",topic="t"}') == 0
    assert desk.value('stream_consumer_caught_up{pipeline="p",topic="t"}') == 1
    assert desk.value('stream_newest_event_timestamp_seconds{pipeline="p",topic="t"}') == 990


def test_a_stuck_loop_falls_behind_all_the_same(desk: Desk) -> None:
    desk.own(0)
    desk.unread = {("t", 0): 0}
    desk.reporter.beat()
    assert desk.value('stream_consumer_lag_seconds{pipeline="p",topic="t"}') == 0
    desk.reporter.read(replace(messages(990_000), next_offsets={("t", 0): 1}))
    desk.now += 100  # the stage does not return, so nothing more is told
    assert desk.value('stream_consumer_lag_seconds{pipeline="p",topic="t"}') == 110
    assert desk.value('stream_consumer_caught_up{pipeline="p",topic="t"}') == 0


def test_what_was_in_hand_when_a_partition_left_is_forgotten_when_it_is_back_and_empty(desk: Desk) -> None:
    desk.own(0)
    batch = replace(messages(960_000), next_offsets={("t", 0): 1})
    desk.reporter.read(batch)
    desk.assignment.on_revoke(None, [TopicPartition("t", 0)])
    desk.own(0)
    desk.unread = {("t", 0): 0}  # its end was seen, and nothing was read
    desk.reporter.beat()
    assert desk.value('stream_consumer_caught_up{pipeline="p",topic="t"}') == 1


def test_an_event_that_comes_back_from_a_retry_tier_makes_its_input_no_older(desk: Desk) -> None:
    desk.own(0)
    desk.reporter.committed(Outcome(messages(990_000), [], [], 1), frozenset(), 0.01)
    again = messages(10_000)
    tier = Places(("retry",), np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int64))
    again = replace(again, read=tier, next_offsets={("retry", 0): 1})
    desk.reporter.committed(Outcome(again, [], [], 1), frozenset(), 0.01)
    desk.unread = {("t", 0): 5}
    desk.reporter.beat()
    assert desk.value('stream_consumer_lag_seconds{pipeline="p",topic="t"}') == 10


def test_retry_tiers_are_no_lag_but_tell_when_they_are_due(desk: Desk) -> None:
    desk.reporter.tiers = frozenset({"retry"})
    desk.assignment.on_assign(None, [TopicPartition("retry", 0), TopicPartition("retry", 1)])
    desk.own(0)
    desk.unread = {("retry", 0): 7, ("t", 0): 0}
    desk.reporter.due = lambda: {("retry", 0): 1_060_000, ("retry", 1): 1_030_000, ("t", 0): 1_000_000}
    desk.reporter.beat()
    assert 'topic="retry"' not in page(desk)
    assert desk.value('stream_retry_next_due_timestamp_seconds{pipeline="p",tier="retry"}') == 1030
    assert desk.value('stream_consumer_caught_up{pipeline="p",topic="t"}') == 1


def test_how_long_partitions_stood_still_is_told_once(desk: Desk) -> None:
    desk.assignment.clock = lambda: desk.now
    desk.own(0)
    desk.assignment.on_revoke(None, [TopicPartition("t", 0)])
    desk.now += 3
    desk.own(0)
    desk.reporter.beat()
    desk.now += 3
    desk.reporter.beat()
    assert desk.value('stream_rebalance_duration_seconds_sum{pipeline="p"}') == 3
    assert desk.value('stream_rebalance_duration_seconds_count{pipeline="p"}') == 1


def hold(offset: int, attempts: int, first_failed_ms: int = 900_000) -> Hold:
    return Hold(("t", 0), offset, 1_010_000, 0, Earlier(attempts, first_failed_ms), "http", "server_error")


def test_an_event_that_holds_its_partition_is_told_once_and_until_it_is_done(desk: Desk) -> None:
    desk.own(0)
    for attempts in (1, 2, 3):
        desk.reporter.holding(hold(0, attempts))
    desk.reporter.beat()
    begun = {"topic": "t", "partition": 0, "offset": 0, "attempts": 1, "stage": "http", "reason": "server_error"}
    told = [line for line in desk.lines if line[0].startswith("partition")]
    assert told == [("partition waits behind an event", {**begun, "next_attempt_s": 10.0})]
    assert desk.value('stream_held_partitions{pipeline="p",topic="t"}') == 1
    assert desk.value('stream_held_since_timestamp_seconds{pipeline="p",topic="t"}') == 900

    desk.reporter.committed(Outcome(messages(1000), [], [], 1), frozenset(), 0.01)
    desk.now += 2
    desk.reporter.beat()
    ended = {"topic": "t", "partition": 0, "offset": 0, "attempts": 3}
    assert [line for line in desk.lines if line[0].startswith("partition")][1:] == [("partition goes on", ended)]
    assert desk.value('stream_held_partitions{pipeline="p",topic="t"}') == 0
    assert "stream_held_since_timestamp_seconds{" not in page(desk)


def test_an_event_behind_it_that_holds_the_partition_next_says_that_the_first_is_done(desk: Desk) -> None:
    desk.own(0)
    desk.reporter.holding(hold(3, 2))
    desk.reporter.holding(hold(11, 1))
    desk.reporter.committed(Outcome(messages(*[1000] * 11), [], [], 11), frozenset(), 0.01)
    told = [(event, fields["offset"]) for event, fields in desk.lines if event.startswith("partition")]
    assert told == [
        ("partition waits behind an event", 3),
        ("partition goes on", 3),
        ("partition waits behind an event", 11),
    ]


def test_what_is_before_the_event_that_holds_its_partition_does_not_end_the_hold(desk: Desk) -> None:
    desk.own(0)
    desk.reporter.holding(hold(5, 1))
    desk.reporter.committed(Outcome(messages(1000, 1000), [], [], 2), frozenset(), 0.01)
    desk.reporter.holding(hold(5, 2))
    desk.reporter.beat()
    assert desk.value('stream_held_partitions{pipeline="p",topic="t"}') == 1
    assert len([line for line in desk.lines if line[0].startswith("partition")]) == 1


def test_a_partition_that_another_worker_has_now_is_not_held_here(desk: Desk) -> None:
    desk.own(0)
    desk.reporter.holding(hold(0, 1))
    desk.assignment.on_revoke(None, [TopicPartition("t", 0)])
    desk.reporter.beat()
    assert desk.value('stream_held_partitions{pipeline="p",topic="t"}') == 0


def test_an_event_whose_turn_did_not_come_holds_nothing(desk: Desk) -> None:
    desk.own(0)
    desk.reporter.holding(Hold(("t", 0), 0, 1_000_000, 0))
    desk.reporter.beat()
    assert desk.value('stream_held_partitions{pipeline="p",topic="t"}') == 0
    assert not [line for line in desk.lines if line[0].startswith("partition")]
