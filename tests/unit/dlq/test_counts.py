"""Counts of dead letters."""

from dataclasses import replace

from stream.batch import Messages
from stream.dlq.columns import Letters
from stream.dlq.counts import MAX_GROUPS, OTHER, Counts, Kind, age

HOUR = 3_600_000
NOW = 100 * 24 * HOUR


def letters(*facts: dict[str, str]) -> Letters:
    messages = Messages.of([b""] * len(facts), timestamp_ms=NOW)
    return Letters.of(replace(messages, headers=[[("stream." + n, v.encode()) for n, v in f.items()] for f in facts]))


def test_by_stage_reason_expectations_and_model_the_most_first() -> None:
    found = letters(
        {"stage": "infer", "reason": "not_finite", "model": "m/1"},
        {"stage": "validate", "reason": "expectation", "expectations": "a", "failed": str(NOW - 30 * HOUR)},
        {"stage": "validate", "reason": "expectation", "expectations": "a", "failed": str(NOW - HOUR), "replays": "3"},
        {},
    )
    counts = Counts(NOW)
    counts.add(found, range(4), max_replays=3)
    (first, group), *rest = counts.by_number()
    assert first == Kind("validate", "expectation", "a", "")
    assert (group.number, group.oldest_ms, group.newest_ms) == (2, NOW - 30 * HOUR, NOW - HOUR)
    assert [kind for kind, _ in rest] == [Kind("", "", "", ""), Kind("infer", "not_finite", "", "m/1")]
    assert (counts.total, counts.parked) == (4, 1)
    assert counts.ages == {"last hour": 2, "last day": 1, "last week": 1}


def test_ages_have_bounds() -> None:
    ages = [age(NOW - hours * HOUR, NOW) for hours in (0, 0.99, 1, 23.9, 24, 167, 168)]
    assert ages == ["last hour"] * 2 + ["last day"] * 2 + ["last week"] * 2 + ["older"]


def test_kinds_without_end_are_counted_together() -> None:
    counts = Counts(NOW)
    found = letters(*({"reason": f"r{n}"} for n in range(MAX_GROUPS + 5)))
    counts.add(found, range(len(found)), max_replays=3)
    assert len(counts.groups) == MAX_GROUPS + 1
    assert counts.groups[Kind("", OTHER, "", "")].number == 5
    assert counts.total == MAX_GROUPS + 5
