"""Notes of rebalances and positions: what may be processed, and what counts as caught up."""

from confluent_kafka import Message, TopicPartition

from stream.kafka.assignment import Assignment
from stream.kafka.gather import gather

P0, P1 = ("t", 0), ("t", 1)


def message(partition: int, offset: int) -> Message:
    return Message(topic="t", partition=partition, offset=offset, key=None, value=b"v", headers=None, error=None)


def assigned(*partitions: tuple[str, int]) -> Assignment:
    assignment = Assignment()
    assignment.on_assign(None, [TopicPartition(*p) for p in partitions])
    return assignment


def places(messages: list[Message]) -> list[tuple[int | None, int | None]]:
    return [(m.partition(), m.offset()) for m in messages]


def test_what_was_revoked_while_a_batch_fills_is_dropped_from_it() -> None:
    assignment = assigned(P0, P1)
    earlier = assignment.keep_owned([], [message(0, 5), message(1, 7)])
    assignment.on_revoke(None, [TopicPartition(*P1)])
    assert places(assignment.keep_owned(earlier, [message(0, 6)])) == [(0, 5), (0, 6)]


def test_a_partition_that_left_and_came_back_starts_from_its_committed_offset() -> None:
    assignment = assigned(P0)
    earlier = assignment.keep_owned([], [message(0, 5)])
    assignment.on_lost(None, [TopicPartition(*P0)])
    assignment.on_assign(None, [TopicPartition(*P0)])
    assert places(assignment.keep_owned(earlier, [message(0, 3)])) == [(0, 3)]


def test_a_partition_is_at_its_end_until_more_arrives() -> None:
    assignment = assigned(P0)
    assignment.end_seen(P0, 0)
    assignment.advance({})
    assert assignment.at_end == {P0}
    assignment.advance({P0: 4})
    assert assignment.at_end == set()
    assignment.end_seen(P0, 4)
    assignment.advance({})
    assert assignment.at_end == {P0}


def test_an_end_seen_before_the_last_messages_of_a_batch_does_not_count() -> None:
    assignment = assigned(P0)
    assignment.end_seen(P0, 4)
    assignment.advance({P0: 6})
    assert assignment.at_end == set()


def test_an_end_behind_a_transaction_marker_counts() -> None:
    assignment = assigned(P0)
    assignment.end_seen(P0, 5)
    assignment.advance({P0: 4})
    assert assignment.at_end == {P0}


def test_a_member_without_partitions_stands_by_and_is_not_caught_up() -> None:
    assignment = assigned()
    assert assignment.standing_by()
    assert assignment.at_end == set()


def test_a_position_that_was_set_forgets_what_was_read_and_the_end() -> None:
    assignment = assigned(P0)
    assignment.end_seen(P0, 4)
    assignment.advance({P0: 4})
    assignment.sought([P0])
    assert assignment.at_end == set()
    assert assignment.read == {}


def test_the_next_offset_is_the_highest_of_each_partition_plus_one() -> None:
    messages = gather([message(0, 5), message(1, 9), message(0, 6), message(1, 12)])
    assert messages.next_offsets == {P0: 7, P1: 13}


def test_gathered_messages_are_what_the_client_gave() -> None:
    raw = [
        Message(topic="a", partition=0, offset=1, key=b"k", value=b"vv", headers=None, error=None, timestamp=(1, 77)),
        Message(topic="b", partition=2, offset=3, key=None, value=None, headers=[("h", b"x")], error=None),
        Message(topic="a", partition=1, offset=9, key=b"", value=b"", headers=None, error=None, timestamp=(1, 78)),
    ]
    messages = gather(raw)
    assert [messages.value(i) for i in range(3)] == [b"vv", None, b""]
    assert [messages.key(i) for i in range(3)] == [b"k", None, b""]
    assert [messages.origin(i) for i in range(3)] == [("a", 0, 1), ("b", 2, 3), ("a", 1, 9)]
    assert [list(messages.headers_of(i)) for i in range(3)] == [[], [("h", b"x")], []]
    assert messages.timestamp.tolist()[::2] == [77, 78]
    assert messages.next_offsets == {("a", 0): 2, ("b", 2): 4, ("a", 1): 10}
