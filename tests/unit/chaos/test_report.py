"""What a person sees of a run: the live table, the lines elsewhere, and the report."""

import io

from rich.console import Console
from unit.chaos.test_results import PLAN
from unit.chaos.test_verdict import HELD

from stream.chaos.events import Place
from stream.chaos.faults import Fault, Kind
from stream.chaos.plan import Look
from stream.chaos.report import event_rows, facts, fault_rows, run_rows
from stream.chaos.screen import Screen, drawn, line

LOOK = Look("faults", 12.0, PLAN, 1200, {Place.LOW: 800, Place.DEAD: 40}, {Kind.KILL: 2}, 1, 2, 3)


def test_the_live_table_has_what_was_done_and_what_is_not_healed() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(drawn(LOOK, ["[ 1.0 s] kill 2"]))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("seed 7", "1,200", "840", "dead", "kill", "not healed", "[ 1.0 s] kill 2"):
        assert part in text


def test_a_line_elsewhere_says_the_same_in_short() -> None:
    assert "2 of 0 faults · sent 1,200 · ended 840 · 2 workers · 3 brokers · 1 not yet healed" in line(LOOK)


def test_where_nobody_watches_a_line_comes_now_and_then_and_every_fault_at_once(capsys) -> None:
    now = 0.0
    with Screen(clock=lambda: now) as screen:
        for _ in range(3):
            screen.show(LOOK)
        screen.say("kill 2")
        now = 6.0
        screen.show(LOOK)
    told = capsys.readouterr().err.splitlines()
    assert [text.partition("] ")[2].partition(" ·")[0] for text in told] == ["faults", "kill 2", "faults"]


def test_quiet_is_quiet(capsys) -> None:
    with Screen(quiet=True) as screen:
        screen.say("kill 2")
        screen.show(LOOK)
    assert capsys.readouterr().err == ""


def test_the_report_has_a_row_a_kind_and_every_finding() -> None:
    assert [row[:2] for row in fault_rows(HELD)] == [("kill", 8), ("model", 1)]
    assert {"lost", "doubled", "in two places", "out of order"} <= {name for name, _, _ in event_rows(HELD)}
    assert ("outputs that workers told of", 3800, "of 3,900: a killed one tells no more") in run_rows(HELD)


def test_the_json_names_the_verdict_the_seed_and_what_was_left_out() -> None:
    found = facts(PLAN, HELD)
    assert (found["held"], found["broken"], found["seed"], found["lost"]) == (True, [], 7, 0)
    assert found["faults"] == {"kill": 8, "model": 1}
    assert found["recovery_s"] == {"kill": [2.0]}


def test_a_fault_says_what_it_hits_and_how_long() -> None:
    assert str(Fault(1.0, Kind.KILL, 2, 0.0)) == "kill worker 2"
    assert str(Fault(1.0, Kind.HOLD, 1, 2.0, "EndTxn cut")) == "hold EndTxn cut for 2.0 s"
    assert str(Fault(1.0, Kind.FAILPOINT, 3, 0.0, "after_poll:2")) == "failpoint worker 3 after_poll:2"
