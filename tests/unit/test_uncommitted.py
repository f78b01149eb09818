"""What is in hand, by partition: read and not committed, with the age of the oldest."""

from dataclasses import replace

import numpy as np

from stream.batch import Messages
from stream.messages import Places
from stream.uncommitted import Held, Uncommitted

ONE, TWO = ("t", 0), ("t", 1)


def batch(first: int, *stamps_ms: int) -> Messages:
    plain = Messages.of([b"v"] * len(stamps_ms), topic="t", first_offset=first)
    return replace(plain, timestamp=np.array(stamps_ms, np.int64))


def test_two_batches_are_in_hand_until_each_is_committed() -> None:
    notes = Uncommitted()
    first, second = batch(0, 5, 6), batch(2, 7)
    notes.read(first)
    notes.read(second)
    assert notes.held == {ONE: Held(0, 3, 5)}
    assert notes.events(ONE) == 3
    notes.committed(first)
    assert notes.held == {ONE: Held(2, 3, 6)}, "what is left is no older than what was done"
    notes.committed(second)
    assert notes.held == {}
    assert notes.newest_ms == {ONE: 7}


def test_a_batch_that_is_read_again_counts_once() -> None:
    notes = Uncommitted()
    for _ in range(3):
        notes.read(batch(0, 5, 6))
    assert notes.held == {ONE: Held(0, 2, 5)}


def test_partitions_are_told_apart_and_events_without_a_timestamp_have_no_age() -> None:
    both = replace(
        batch(0, 5, -1, 7),
        partition=np.array([0, 1, 0], np.int32),
        next_offsets={ONE: 3, TWO: 2},
    )
    notes = Uncommitted()
    notes.read(both)
    assert notes.held == {ONE: Held(0, 3, 5), TWO: Held(1, 2, None)}
    notes.keep({TWO})
    assert notes.held == {TWO: Held(1, 2, None)}
    notes.committed(both)
    assert notes.newest_ms == {ONE: 7}


def test_of_nothing_nothing_is_in_hand() -> None:
    notes = Uncommitted()
    notes.read(Messages.of([]))
    notes.committed(Messages.of([]))
    assert (notes.held, notes.events(ONE), notes.oldest_ms(ONE)) == ({}, 0, None)


def test_an_event_of_a_retry_tier_is_in_hand_where_it_was_read_now() -> None:
    tier = Places(("retry",), np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([5], np.int64))
    notes = Uncommitted()
    notes.read(replace(batch(0, 7), read=tier, next_offsets={("retry", 0): 6}))
    assert notes.held == {("retry", 0): Held(5, 6, 7)}
