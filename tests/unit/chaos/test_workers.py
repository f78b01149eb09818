"""What the runner knows of a worker: from its log lines, its pages, and how it ended."""

import json
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from stream.batch import Messages, Outcome, Rows
from stream.chaos.faults import Fault, Kind
from stream.chaos.injector import AFTERMATH_S, Injector
from stream.chaos.workers import FIRST_WAIT_S, LONGEST_WAIT_S, Crew, Worker
from stream.metrics import Metrics, PartitionLag

REFUSAL = "manifest.json:5:12: model.onnx is not the file that was packed (its SHA-256 differs); pack it again"
FENCED = "error: consumer: another: Fatal error: Static consumer fenced by other consumer with same group.instance.id"


def worker(tmp_path, *, slot=1, code=None) -> Worker:
    log = tmp_path / f"{slot}.log"
    log.touch()
    return Worker(slot, log, SimpleNamespace(poll=lambda: code, pid=1), 0.0)  # type: ignore[arg-type]


def line(message: str, **more: object) -> str:
    return json.dumps({"message": message, **more}) + "\n"


def test_its_log_says_what_it_committed_where_its_pages_are_and_whether_it_is_at_work(tmp_path) -> None:
    found = worker(tmp_path)
    with found.log.open("a") as log:
        log.write(line("started", health="http://127.0.0.1:1/"))
        log.write(line("rebalance", kind="assigned", partitions=0))
        log.write(line("committed", events=10, outputs={"a": 5, "b": 3}, dead_letters={"decode:not_avro": 2})[:-20])
        log.flush()
        found.look()
        assert (found.address, found.joined, found.told.total()) == ("http://127.0.0.1:1/", False, 0), "half a line"
    found.log.write_text(
        line("started", health="http://127.0.0.1:1/")
        + line("rebalance", kind="assigned", partitions=0)
        + line("committed", events=10, outputs={"a": 5, "b": 3}, dead_letters={"decode:not_avro": 2})
        + line("rebalance", kind="assigned", partitions=4)
        + line("attempt failed: reading again from the committed offsets", error="x")
        + line("making a new consumer: consumer: fenced")
        + f"{REFUSAL}\n"
    )
    for _ in range(2):
        found.look()  # a second look finds nothing new
    assert (dict(found.told), found.joined, found.recoveries) == ({"events": 10, "output": 8, "failed": 2}, True, 1)
    assert found.new_consumers == 1
    assert found.said("SHA-256 differs")
    assert not found.said("fenced")


def test_its_partitions_and_counters_are_read_from_its_metrics_page(tmp_path, monkeypatch) -> None:
    metrics = Metrics("chaos", topics=["chaos.in", "chaos.retry.1s"], outputs=["chaos.low"])
    metrics.lag([PartitionLag("chaos.in", p, 5, None) for p in (1, 4)] + [PartitionLag("chaos.retry.1s", 3, 0, None)])
    rows = Rows("chaos.low", np.arange(7), b"x" * 7, np.arange(8))
    metrics.committed(Outcome(Messages.of([b"v"] * 7, topic="chaos.in"), [rows], [], 0), now=0.0, transaction_s=0.1)
    monkeypatch.setattr(Worker, "page", lambda _self, _path: metrics.exposition()[0].decode())
    found = worker(tmp_path)
    assert found.partitions() == {1, 4}
    found.ask_counters()
    assert found.metrics["output"] == 7


def test_a_worker_without_pages_is_asked_in_vain_and_keeps_what_it_said(tmp_path) -> None:
    found = worker(tmp_path)
    found.metrics = {"output": 3}
    found.ask_counters()
    assert (found.partitions(), found.metrics) == (frozenset(), {"output": 3})


def test_one_that_ends_by_itself_is_started_again_after_a_wait_that_grows(tmp_path, monkeypatch) -> None:
    now = 0.0
    crew = Crew(lambda _slot: ["none"], lambda _slot: {}, tmp_path, clock=lambda: now)
    started: list[float] = []

    def start(_self: Crew, slot: int, failpoint: str = "") -> Worker:
        started.append(now)
        crew._again_s.pop(slot, None)
        crew.slots[slot] = worker(tmp_path, slot=slot, code=2)
        return crew.slots[slot]

    monkeypatch.setattr(Crew, "start", start)
    crew.start(1)
    while now < 20:
        crew.look()
        now += 0.05
    waits = np.diff(started)
    assert waits[0] == pytest.approx(FIRST_WAIT_S, abs=0.1)
    assert waits[-1] == pytest.approx(LONGEST_WAIT_S, abs=0.1)
    assert all(ended.code == 2 for ended in crew.ended)


class Nothing:
    """Stands for parts that a test does not ask."""

    failing = None

    def __init__(self, crew: object = None) -> None:
        self.slots = {}

    def idle(self) -> bool:
        return True


def injector(now: list[float], crew: object = None) -> Injector:
    none = Nothing()
    parts = [crew or none, none, none, none, none, none, None, 6, lambda _text: None]
    return Injector(*parts, clock=lambda: now[0])  # type: ignore[arg-type]


def test_an_end_is_excused_only_by_a_fault_that_explains_it(tmp_path) -> None:
    now = [100.0]
    hurt = injector(now)
    refused, away, fenced, defect = (worker(tmp_path, slot=n, code=c) for n, c in enumerate((2, 3, 4, 4)))
    refused.refusals, fenced.refusals, defect.refusals = [REFUSAL], [FENCED], ["Traceback"]
    assert [hurt.excuse(w) for w in (refused, away, fenced, defect)] == ["", "", "", ""], "nothing was broken"

    hurt._model_wrong_until_s = hurt._brokers_s = 101.0
    assert "hash" in hurt.excuse(refused)
    assert "away" in hurt.excuse(away)
    assert [hurt.excuse(w) for w in (fenced, defect)] == ["", ""], "one that is fenced by itself makes a new consumer"
    assert hurt.refusals == 1

    now[0] += AFTERMATH_S + 2
    assert [hurt.excuse(w) for w in (refused, away, fenced)] == ["", "", ""], "long over"


def test_a_death_is_a_failpoints_only_where_one_was_set(tmp_path) -> None:
    now = [0.0]
    hurt, dead = injector(now), worker(tmp_path, slot=2, code=-signal.SIGKILL)
    assert hurt.excuse(dead) == ""
    hurt._armed[2] = (Fault(1.0, Kind.FAILPOINT, 2, 0.0, "after_poll:1"), dead)
    assert hurt.excuse(dead) == "failpoint"


@pytest.mark.parametrize(("wanted", "hit"), [(1, 1), (2, 3), (3, 3), (4, 1)])
def test_a_fault_of_a_worker_that_is_not_at_work_hits_the_next_one_that_is(wanted, hit) -> None:
    crew = SimpleNamespace(slots=dict.fromkeys((1, 2, 3, 4)), at_work=lambda slot: slot in (1, 3))
    assert injector([0.0], crew)._slot(wanted) == hit


def test_a_worker_that_has_only_partitions_of_retry_tiers_is_no_victim_while_another_has_some_of_the_input() -> None:
    def crew(**shares: frozenset[int]) -> SimpleNamespace:
        slots = {n: SimpleNamespace(partitions=lambda n=n: shares[f"w{n}"]) for n in (1, 2, 3)}
        return SimpleNamespace(slots=slots, at_work=lambda slot: slot in slots)

    nothing, some = frozenset[int](), frozenset({0, 4})
    assert injector([0.0], crew(w1=nothing, w2=nothing, w3=some))._victim(2) == (3, some)
    assert injector([0.0], crew(w1=some, w2=nothing, w3=nothing))._victim(2) == (1, some)
    assert injector([0.0], crew(w1=nothing, w2=nothing, w3=nothing))._victim(2) == (2, nothing)
