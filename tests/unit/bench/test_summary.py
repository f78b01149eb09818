"""Where the time of a drain went is counted by the worker itself, and added up over workers."""

from pathlib import Path

import pytest

from stream.batch import Messages, Outcome, StageReport
from stream.cli.run import _facts, _merged
from stream.summary import Summary


def summary(*batches: tuple[float, float, float]) -> Summary:
    """batches: (seconds in the stage, now, CPU time so far); the first was polled at 1 s, after 10 s of CPU."""
    found = Summary()
    found.began(1.0, 10.0)
    for stage_s, now_s, cpu_s in batches:
        outcome = Outcome(Messages.of([b"v"]), [], [], filtered=1, reports=[StageReport("decode", stage_s, 1, 2)])
        found.began(now_s, cpu_s)
        found.add(outcome, frozenset(), 0.25, now_s, cpu_s)
    return found


def test_time_of_stages_transactions_and_cpu_is_from_first_poll_to_last_commit() -> None:
    found = summary((0.5, 2.0, 10.5), (0.25, 3.0, 11.5))
    assert found.stages == {"decode": StageReport("decode", 0.75, 2, 4)}
    assert (found.transaction_s, found.cpu_s, found.wall_s) == (0.5, 1.5, 2.0)


def test_without_a_commit_nothing_was_spent() -> None:
    assert (Summary().cpu_s, Summary().stages) == (0.0, {})
    assert summary().cpu_s == 0.0


def test_workers_side_by_side_add_up() -> None:
    one, two = summary((0.5, 2.0, 10.5)), summary((0.25, 3.0, 11.5))
    both = _merged([_facts(Path("p.yaml"), one), _facts(Path("p.yaml"), two)])
    assert both["stages"] == {"decode": {"seconds": pytest.approx(0.75), "passed": 2, "failed": 4}}
    assert (both["cpu_s"], both["transaction_s"]) == (2.0, 0.5)
