"""Batches are as large as their time allows, and wait no longer than they must."""

import pytest

from stream.kafka.batching import BUDGET_S, COMMIT_SHARE, POLL_SHARE, STEPS, USUAL, BatchSize, BatchWait

LIMIT = 10_000
POLL_S = 300.0


@pytest.fixture
def size() -> BatchSize:
    return BatchSize(LIMIT, POLL_S)


def drain(size: BatchSize, an_event_s: float, batches: int, each_s: float = 0.0) -> list[int]:
    """A backlog: every batch is as full as it may be."""
    sizes = []
    for _ in range(batches):
        sizes.append(size.size)
        size.took(size.size, each_s + size.size * an_event_s)
    return sizes


def test_the_first_batch_of_a_backlog_is_full(size: BatchSize) -> None:
    assert drain(size, 20e-6, 3) == [LIMIT] * 3


def test_a_batch_that_passes_its_budget_halves_the_next_one(size: BatchSize) -> None:
    size.took(LIMIT, BUDGET_S + 0.01)
    assert size.size == LIMIT // 2


def test_a_slow_model_ends_at_batches_of_about_the_budget(size: BatchSize) -> None:
    sizes = drain(size, 10e-3, 20)
    assert all(0.3 * BUDGET_S <= 10e-3 * n <= BUDGET_S for n in sizes[10:])


def test_growth_is_by_even_steps_up_to_the_limit(size: BatchSize) -> None:
    size.took(LIMIT, 1.5 * BUDGET_S)
    assert drain(size, 20e-6, 7) == [5000, 6000, 7000, 8000, 9000, LIMIT, LIMIT]


def test_growth_stops_where_the_next_batch_would_pass_the_budget(size: BatchSize) -> None:
    size.took(LIMIT, 1.5 * BUDGET_S)
    assert max(drain(size, BUDGET_S / 6500, 20)) <= 6500


def test_a_batch_that_is_not_full_changes_nothing(size: BatchSize) -> None:
    size.took(LIMIT, 1.5 * BUDGET_S)
    size.took(10, 0.01)
    assert size.size == LIMIT // 2


def test_time_that_is_not_one_of_the_events_makes_batches_no_smaller(size: BatchSize) -> None:
    """A service that takes 2 s a call, or Kafka that commits slowly: small batches would only make it worse."""
    assert drain(size, 0.0, 20, each_s=2.0)[2:] == [LIMIT] * 18


def test_a_batch_slow_for_its_events_is_halved_again_after_a_quick_one(size: BatchSize) -> None:
    drain(size, 0.0, 3, each_s=2.0)
    size.took(LIMIT, 0.1)
    size.took(LIMIT, 1.5 * BUDGET_S)
    assert size.size == LIMIT // 2


def test_near_the_poll_interval_batches_shrink_whatever_the_reason(size: BatchSize) -> None:
    sizes = drain(size, 0.0, 20, each_s=POLL_SHARE * POLL_S + 1)
    assert sizes[:4] == [LIMIT, 5000, 2500, 1250]
    assert sizes[-1] == 1


def test_what_was_slow_counts_by_its_events_not_by_what_was_allowed(size: BatchSize) -> None:
    size.took(100, 1.5 * BUDGET_S)
    assert size.size == 50


def test_after_a_pause_the_first_event_goes_at_once() -> None:
    wait = BatchWait(0.02)
    assert wait.until(5.0) < 5.0
    wait.closed(5.0, full=False)
    assert wait.until(9.0) < 9.0


def test_a_steady_load_makes_one_batch_each_wait() -> None:
    wait = BatchWait(0.02)
    wait.closed(5.0, full=False)
    assert wait.until(5.013) == pytest.approx(5.02)


def test_under_a_backlog_the_wait_is_for_what_is_not_fetched_yet() -> None:
    wait = BatchWait(0.02)
    wait.closed(5.0, full=True)
    assert wait.until(9.0) == pytest.approx(9.02)


def test_batches_grow_past_the_usual_size_only_while_commits_are_waited_for() -> None:
    size = BatchSize(4 * USUAL, POLL_S)
    assert drain(size, 2e-6, 3) == [USUAL] * 3
    for _ in range(3):
        size.took(size.size, 0.08, waited_s=0.05)
    assert size.size == USUAL + 3 * (4 * USUAL // STEPS)
    size.took(size.size, 0.08, waited_s=0.5 * COMMIT_SHARE * 0.08)
    assert size.size == USUAL + 3 * (4 * USUAL // STEPS)


def test_slow_commits_grow_no_batch_past_the_limit_or_its_budget() -> None:
    size = BatchSize(4 * USUAL, POLL_S)
    for _ in range(30):
        size.took(size.size, BUDGET_S * size.size / (2 * USUAL), waited_s=0.5)
    assert size.size == 2 * USUAL


def test_a_smaller_limit_is_kept_however_slow_commits_are() -> None:
    size = BatchSize(100, POLL_S)
    size.took(100, 0.08, waited_s=0.07)
    assert size.size == 100
