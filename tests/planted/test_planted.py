"""Every rule of the loop is guarded by a scenario that the product comes through, and not without that rule."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from acceptance.running import PATIENCE_S, Project
from planted import plants
from planted.bugs import BUGS, BY_NAME, Bug
from planted.scenarios import SCENARIOS
from planted.trial import Trial

from stream.chaos.proxy import Proxy

pytestmark = pytest.mark.timeout(420)
SHORTEST_PATIENCE_S = 10.0
TIMES_THE_CONTROL = 3.0
"""A run with a bug that takes so many times longer than the one without is stuck."""
QUICK = {bug.scenario for bug in BUGS if bug.quick}
Place = tuple[Callable[..., Project], Callable[[], tuple[Callable[..., Project], Proxy]]]


@pytest.fixture
def place(project: Callable[..., Project], behind_proxy: Callable[[], tuple[Callable[..., Project], Proxy]]) -> Place:
    """Where the projects of a trial are made."""
    return project, behind_proxy


@pytest.fixture(scope="session")
def controls() -> dict[str, float]:
    """Seconds that each scenario took without a bug: only what came through without harm is here."""
    return {}


def control(scenario: str, place: Place, controls: dict[str, float]) -> float:
    """The scenario without a bug, once in a run of the tests; fails unless it comes through."""
    if scenario not in controls:
        trial, began = Trial(*place), time.monotonic()
        trial.run(SCENARIOS[scenario])
        assert trial.harms == set(), trial.notes
        controls[scenario] = time.monotonic() - began
    return controls[scenario]


@pytest.mark.parametrize(
    "scenario", [pytest.param(name, marks=[pytest.mark.quick] if name in QUICK else []) for name in SCENARIOS]
)
def test_without_a_bug_there_is_no_harm(scenario: str, place: Place, controls: dict[str, float]) -> None:
    print(f"{scenario}: {control(scenario, place, controls):.1f} s")


@pytest.mark.parametrize(
    "bug", [pytest.param(bug, marks=[pytest.mark.quick] if bug.quick else [], id=bug.name) for bug in BUGS]
)
def test_a_planted_bug_is_found(bug: Bug, place: Place, controls: dict[str, float]) -> None:
    seconds = control(bug.scenario, place, controls)
    trial = Trial(*place, bug.name, min(PATIENCE_S, max(SHORTEST_PATIENCE_S, TIMES_THE_CONTROL * seconds)))
    began = time.monotonic()
    trial.run(SCENARIOS[bug.scenario])
    print(f"{bug.name}: {time.monotonic() - began:.1f} s, {trial.notes}")
    assert trial.struck(), "it was planted and never at work: the scenario does not reach it"
    assert trial.harms == set() if bug.harm is None else bug.harm in trial.harms, trial.notes


@pytest.mark.quick
def test_every_bug_has_a_scenario_and_a_way_to_plant_it() -> None:
    assert plants.unplantable(BY_NAME) == set()
    assert {bug.scenario for bug in BUGS} == SCENARIOS.keys()
    assert len(BY_NAME) == len(BUGS) >= 20


@pytest.mark.quick
def test_a_bug_whose_place_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Bug("gone", "", "stream/worker.py:Worker.gone", "", "restart", None)
    monkeypatch.setitem(BY_NAME, "gone", gone)
    with pytest.raises(SystemExit, match=r"cannot plant gone: stream\.worker has no Worker\.gone any more"):
        plants.plant("gone")
