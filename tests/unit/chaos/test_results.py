"""Many runs summed up: counts are sums, bounds are those of the rule of three, quantiles are of single recoveries."""

import json
from dataclasses import replace

import pytest
from unit.chaos.test_verdict import HELD, lost

from stream.chaos.faults import Fault, Kind, choose
from stream.chaos.plan import Plan
from stream.chaos.recovery import Wound
from stream.chaos.report import facts, quantile
from stream.chaos.results import Results, bound, faults_table, runs_table, totals_table

PLAN = Plan(7, 60.0, choose(["kill", "model"], 3, 3, ""), (), 3, 3, 1000.0)


def run(seconds: float, seen=HELD) -> dict[str, object]:
    wounds = tuple(Wound(Fault(1.0, Kind.KILL, 1, 0.0), 0.0, frozenset({1}), set(), seconds + n) for n in range(3))
    return json.loads(json.dumps(facts(PLAN, replace(seen, wounds=wounds, failpoints={"after_poll": 20}))))


def test_nothing_in_a_thousand_is_a_rate_below_three_in_a_thousand() -> None:
    assert bound(1000) == "0.3 %"
    assert bound(4) == "75 %"
    assert bound(6_000_000) == "1 in 2,000,000"
    assert bound(0) == bound(3) == "", "it says nothing"


@pytest.mark.parametrize(("share", "found"), [(0.5, 5), (0.99, 10), (1.0, 10), (0.0, 1)])
def test_a_quantile_is_a_value_that_was_seen(share, found) -> None:
    assert quantile(range(1, 11), share) == found  # type: ignore[arg-type]


def test_events_faults_and_recoveries_of_runs_add_up() -> None:
    results = Results([run(1.0), run(2.0)])
    assert "| events | 8,000 |" in totals_table(results)
    assert "| lost | 0 | below 0.037 % of events |" in totals_table(results)
    assert "| SIGKILLs of workers | 18: 18 at random times, 0 at a named step |" in totals_table(results)
    assert "| faults in runs without a wrong event | 18 | below 17 % of faults |" in totals_table(results)
    kills = next(line for line in faults_table(results).splitlines() if line.startswith("| `kill`"))
    assert kills == "| `kill` | 16 | 19 % | 6 | 2.0 | 4.0 | 2.0 | 4.0 | 4.0 |"
    assert "| `failpoint`, after_poll | 40 | 7.5 % |" in faults_table(results)


def test_a_run_that_broke_a_promise_stands_in_the_tables_with_its_seed_and_what_it_broke() -> None:
    results = Results([run(1.0), run(1.0, lost())])
    assert "2, 1 of them judged broken" in totals_table(results)
    assert "| lost | 1 | see below |" in totals_table(results)
    assert "| faults in runs without a wrong event | 9 | below 33 % of faults |" in totals_table(results)
    assert faults_table(results).splitlines()[2].startswith("| `kill` | 16 | 38 % |"), "the bound is of the other run"
    assert "broken: 1 events lost, such as" in runs_table(results).splitlines()[-1]
    assert runs_table(results).splitlines()[-1].startswith("| 7 | `` | 3 / 3, classic | 1 |")


def test_recovery_times_are_those_of_a_steady_load() -> None:
    """In bursts a partition is silent because nothing comes."""
    steady, bursts = run(1.0), {**run(100.0), "load": "bursts"}
    assert Results([steady, bursts]).recoveries("kill") == [1.0, 2.0, 3.0]
    assert "| 3 / 3, classic, bursts |" in runs_table(Results([bursts]))


def test_results_are_read_from_all_files_of_a_folder_and_none_is_no_error(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(run(1.0)) + "\n" + json.dumps(run(2.0)) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps(run(3.0)) + "\n")
    assert len(Results.read(tmp_path).runs) == 3
    assert Results.read(tmp_path / "none").runs == []
    assert totals_table(Results([])).count("\n") > 5
