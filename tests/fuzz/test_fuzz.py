"""A short seeded part of the fuzzing, and that the harness sees what it is for."""

from __future__ import annotations

import json

import pytest
from fuzz import registry, runner
from fuzz.results import Results
from fuzz.runner import Found, Report
from fuzz.target import INPUTS
from fuzz.targets.accidents import CASES

SEED = 1


def told(report: Report) -> str:
    return "\n".join(f"{f.kind}: {f.what}\n{report.again(f)}\n{f.detail}" for f in report.found.values())


@pytest.mark.parametrize("name", registry.NAMES)
def test_nothing_dies_swells_or_raises_what_it_must_not(name: str) -> None:
    target = registry.target_of(name)
    report = runner.run(target, SEED, 0, target.short)
    assert not report.found, told(report)
    assert report.cases == target.short
    assert report.inputs >= target.short / 2, "the generator gives the product something to read"


@pytest.fixture(scope="module")
def accidents() -> dict[str, Found]:
    """What was found, by the accident of its case."""
    report = runner.run(registry.target_of("accidents"), SEED, 0, len(CASES))
    assert report.next == len(CASES), "it went on behind the dead"
    return {CASES[found.case]: found for found in report.found.values()}


def test_what_is_fine_is_no_finding(accidents: dict[str, Found]) -> None:
    assert accidents.keys() == set(CASES) - {"fine"}


@pytest.mark.parametrize(
    ("accident", "kind", "words"),
    [
        ("death", "death", "SIGSEGV"),
        ("exception", "exception", "KeyError"),
        ("memory", "memory", "more than 16 MiB"),
        ("time", "time", "more than 0.3 s"),
        ("hang", "hang", "a case "),
        ("leak", "property", "a piece of a payload"),
        ("panic", "exception", "PanicError"),
    ],
)
def test_an_accident_is_found_and_names_its_case(
    accidents: dict[str, Found], accident: str, kind: str, words: str
) -> None:
    found = accidents[accident]
    assert (found.kind, found.times) == (kind, 1)
    assert words in found.what


def test_a_case_is_made_again_by_its_number_alone() -> None:
    target = registry.target_of("framing")
    whole = runner.run(target, SEED, 0, 20)
    parts = [runner.run(target, SEED, case, 10) for case in (0, 10)]
    assert whole.counts == parts[0].counts + parts[1].counts
    assert whole.counts != runner.run(target, SEED + 1, 0, 20).counts


def test_results_are_summed_up_by_target() -> None:
    lines = [
        {"target": "decoder", "seed": 1, "first": 0, "next": 5, "cases": 5, "counts": {INPUTS: 50}, "cpu_s": 1.0,
         "most_cpu_s": 0.5, "most_mib": 3.0, "deaths": 0, "found": []},
        {"target": "decoder", "seed": 2, "first": 0, "next": 5, "cases": 5, "counts": {INPUTS: 70}, "cpu_s": 1.0,
         "most_cpu_s": 0.25, "most_mib": 4.0, "deaths": 1, "found": ["death: SIGSEGV (1)"]},
    ]  # fmt: skip
    table = Results.parse("\n".join(map(json.dumps, lines))).table()
    assert "| `decoder` | " in table
    assert "| 1, 2 | 10 | 120 | 0.5 | 4 | 1 | 1 |" in table
