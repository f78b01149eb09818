"""The dead-letter limit: what stops the line, and what does not."""

import numpy as np
import pytest

from stream.batch import Messages, Outcome, Rows, failures_of
from stream.errors import SystemicError
from stream.failures.limit import DeadLetterLimit


def outcome(pattern: str) -> Outcome:
    """x is a dead letter, anything else an output."""
    rows = np.array([i for i, c in enumerate(pattern) if c != "x"], np.int64)
    messages = Messages.of([b""] * len(pattern))
    outputs = [Rows("out", rows, b"", np.zeros(len(rows) + 1, np.int64))]
    return Outcome(
        messages, outputs, failures_of([i for i, c in enumerate(pattern) if c == "x"], "decode", "truncated")
    )


def passes(limit: DeadLetterLimit, *patterns: str) -> int:
    """How many batches were committed before the limit stopped the line."""
    for done, pattern in enumerate(patterns):
        try:
            limit.check(outcome(pattern))
        except SystemicError:
            return done
        limit.committed(outcome(pattern))
    return len(patterns)


def test_a_poison_event_in_a_quiet_topic_stops_nothing() -> None:
    assert passes(DeadLetterLimit(ratio=0.01, window=100, consecutive=10), "x", "x.", ".x") == 3


@pytest.mark.parametrize(
    ("patterns", "committed"),
    [
        (["xxx."], 1),
        (["xxxx"], 0),
        (["..xx", "xx.."], 1),
        (["..xx", "x..x"], 2),
        (["xx", "x", "x"], 2),
        (["x" * 3, "." + "x" * 3, "x"], 2),
        ([".xxxx."], 0),
    ],
)
def test_a_run_of_dead_letters_over_the_limit_stops_it_across_batches(patterns: list[str], committed: int) -> None:
    assert passes(DeadLetterLimit(ratio=1.0, window=1000, consecutive=3), *patterns) == committed


def test_the_ratio_is_judged_over_the_window_once_it_is_full() -> None:
    limit = DeadLetterLimit(ratio=0.5, window=8, consecutive=1000)
    assert passes(limit, "x.x.", "x.x.", "xx..", "xxx.") == 3


def test_old_batches_leave_the_window() -> None:
    limit = DeadLetterLimit(ratio=0.5, window=4, consecutive=1000)
    assert passes(limit, "....", "....", "xx..", "xxx.") == 3


def test_a_batch_that_was_not_committed_does_not_count() -> None:
    limit = DeadLetterLimit(ratio=1.0, window=1000, consecutive=3)
    for _ in range(5):
        limit.check(outcome("xx"))
    limit.committed(outcome("x"))
    limit.check(outcome("xx"))
    with pytest.raises(SystemicError, match="4 dead letters in a row"):
        limit.check(outcome("xxx"))


def test_what_is_tried_again_is_no_dead_letter_and_what_is_not_is_one() -> None:
    limit = DeadLetterLimit(ratio=1.0, window=10, consecutive=2)
    limit.check(outcome("xxx"), retried=frozenset({1}))
    with pytest.raises(SystemicError):
        limit.check(outcome("xxx"), retried=frozenset())
