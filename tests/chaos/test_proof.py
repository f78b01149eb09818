"""`stream chaos` itself, as a doubting user would run it: every kind of fault, and kills one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from acceptance.running import ROOT

SEED = os.environ.get("CHAOS_SEED") or "7"


def chaos(folder: Path, *options: str) -> dict[str, Any]:
    """What it found; a broken promise fails the test with its sentence and the seed."""
    command = [sys.executable, "-m", "stream", "chaos", *options, "--seed", SEED, "--output", "json"]
    done = subprocess.run(
        [*command, "--folder", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.stdout, f"ended with {done.returncode}:\n{done.stderr}"
    facts: dict[str, Any] = json.loads(done.stdout)
    print(f"CHAOS_SEED={SEED}: {facts['events']} events, faults {facts['faults']}, recovery {facts['recovery_s']}")
    assert facts["broken"] == [], f"seed {SEED}"
    assert done.returncode == 0
    return facts


@pytest.mark.timeout(420)
def test_a_pipeline_on_three_brokers_under_every_kind_of_fault_keeps_every_promise(tmp_path) -> None:
    facts = chaos(tmp_path, "--load", "steady", "--minutes", "1.25", "--every", "4")
    assert set(facts["faults_left_out"]) <= {"disk"}, "the only one that a machine may not be able to make"
    assert sum(facts["faults"].values()) >= 5
    assert facts["by_place"]["waiting"] > 0, "every road was used"


@pytest.mark.timeout(420)
@pytest.mark.parametrize(("protocol", "minutes", "rate"), [("classic", "0.6", "5000"), ("consumer", "0.4", "2000")])
def test_kills_one_after_the_other_lose_nothing_and_double_nothing(tmp_path, protocol, minutes, rate) -> None:
    options = (
        "--load",
        "steady",
        "--faults",
        "kill,failpoint",
        "--brokers",
        "1",
        "--every",
        "1.5",
        "--minutes",
        minutes,
        "--rate",
        rate,
    )
    facts = chaos(tmp_path, *options, "--protocol", protocol)
    assert sum(facts["faults"].values()) >= 5


@pytest.mark.timeout(420)
def test_members_that_come_and_go_while_slow_batches_fill_lose_nothing_and_double_nothing(tmp_path) -> None:
    """Events are in hand for seconds while nothing more comes: each rebalance takes some of them away."""
    options = ("--load", "bursts", "--faults", "join,leave", "--brokers", "1", "--every", "2", "--rate", "100")
    facts = chaos(tmp_path, *options, "--minutes", "0.75")
    assert sum(facts["faults"].values()) >= 3
