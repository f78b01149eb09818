"""What the reader's notes say: latency of the events of a time, and how long an interruption lasted."""

from collections.abc import Sequence

import numpy as np
import pytest

from stream.bench.receipts import Receipt, flows_again_s, latencies_s, newest_ms


def receipt(at_s: float, *events: tuple[int, int]) -> Receipt:
    """events: (partition, timestamp in ms)."""
    return Receipt(at_s, np.array([p for p, _ in events], np.int32), np.array([t for _, t in events], np.int64))


SEEN: Sequence[Receipt] = [
    receipt(10.05, (0, 10_000), (1, 10_010)),
    receipt(10.30, (0, 10_100)),
    receipt(12.50, (0, 11_200), (0, 11_300)),
    receipt(12.70, (1, 11_250)),
]


def test_latencies_are_those_of_events_from_within_the_time() -> None:
    assert latencies_s(SEEN, 10.0, 10.1) == pytest.approx([0.05, 0.04])
    assert latencies_s(SEEN, 10.1, 11.25) == pytest.approx([0.2, 1.3])
    assert len(latencies_s(SEEN, 20.0, 30.0)) == 0


def test_a_clock_that_is_rounded_gives_no_latency_below_zero() -> None:
    assert latencies_s([receipt(9.9996, (0, 10_000))], 9.0, 11.0).tolist() == [0.0]


def test_the_newest_event_of_each_partition() -> None:
    assert newest_ms(SEEN) == {0: 11_300, 1: 11_250}


def test_results_flow_again_when_events_from_after_the_moment_are_seen() -> None:
    """What the dead worker had committed still arrives after it, and does not count."""
    assert flows_again_s(SEEN, 10.2) == pytest.approx({0: 2.3, 1: 2.5})


def test_a_partition_that_stands_still_is_not_there() -> None:
    assert flows_again_s(SEEN, 11.26) == pytest.approx({0: 1.24})
