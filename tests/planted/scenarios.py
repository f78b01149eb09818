"""What a worker goes through. Each scenario demands progress, and ends with a comparison of sets of ids.

The product comes through all of them without harm; a planted bug must not.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

from acceptance import tiny
from acceptance.running import PATIENCE_S, Project, Worker, shares, wait_until
from acceptance.scripted_service import BUSY, FINE, ScriptedService, calling, header, reading_ids, readings, score_ids
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from planted.bugs import Harm
from planted.trial import FAILED, HarmError, Trial, stopped

from stream.chaos.proxy import Then
from stream.errors import ExitCode

LONG_SESSION: Final = {"STREAM_KAFKA_SESSION_TIMEOUT_MS": "45000"}
"""One that comes back is still a member, and nobody waits for its transaction's timeout."""
SHORT_SESSION: Final = {"STREAM_KAFKA_SESSION_TIMEOUT_MS": "3000", "STREAM_KAFKA_HEARTBEAT_INTERVAL_MS": "500"}
SMALL_QUEUE: Final = {"STREAM_KAFKA_QUEUE_BUFFERING_MAX_MESSAGES": "50"}
BATCHES: Final = 6
"""Transactions before a fault strikes: the first ones hold start positions and marks."""
EARLY_S: Final = 0.002
"""The due time is cut to a millisecond."""
REFUSES: Final = """\
import pyarrow as pa
from stream.errors import PoisonError


def refuse(batch):
    if any(number % 20 == 3 for number in batch["id"].to_pylist()):
        raise PoisonError("refused", "by the rule")
    return batch.append_column("seen", pa.nulls(len(batch), pa.float64()))
"""

STANDS_STILL: Final = """\
import time
from pathlib import Path

import pyarrow as pa

STOOD = Path(__file__).with_name("stood-still")


def stand_still(batch):
    if 500 in batch["id"].to_pylist() and not STOOD.exists():
        STOOD.touch()
        time.sleep(3600)
    return batch.append_column("seen", pa.nulls(len(batch), pa.float64()))
"""


def late_request(t: Trial) -> None:
    """An EndTxn whose connection breaks is sent again, and arrives itself when the next transaction is open."""
    p, proxy = t.create_behind_proxy("late", transaction="40s")
    p.environ = {**LONG_SESSION, "STREAM_KAFKA_BOOTSTRAP_SERVERS": proxy.bootstrap}
    client = f"{p.name}-*-producer"
    p.produce(range(400))
    worker = t.start(p)
    t.reach(p, 400, worker)
    late = proxy.hold("EndTxn", client, then=Then.CUT)
    p.produce(range(400, 1200))
    late.wait(PATIENCE_S)
    next_offsets = proxy.hold("TxnOffsetCommit", client)
    next_offsets.wait(PATIENCE_S)  # the outputs of the next transaction are written
    late.release()
    late.answer(PATIENCE_S)
    worker.kill()
    next_offsets.drop()
    t.drain(p)
    t.judge(p, range(1200))


def restart(t: Trial) -> None:
    p = t.create("restart", environ=SMALL_QUEUE)
    p.produce(range(400))
    t.drain(p)
    p.produce(range(400, 800))
    t.drain(p)
    t.judge(p, range(800))


def killed_before_the_commit(t: Trial) -> None:
    _killed(t, "before_commit")


def killed_after_the_commit(t: Trial) -> None:
    _killed(t, "after_commit")


def _killed(t: Trial, failpoint: str) -> None:
    """With the next batch in hand; another process of the same name goes on."""
    p = t.create("killed", transaction="40s", environ=LONG_SESSION)
    p.produce(range(3000))
    t.dies_at(t.start(p, faults="slow-transactions", STREAM_FAILPOINT=f"{failpoint}:{BATCHES}"))
    t.drain(p)
    t.judge(p, range(3000))


def fenced_inside_a_transaction(t: Trial) -> None:
    """By somebody who takes its transactional id, as a coordinator that times the transaction out does."""
    p = t.create("fenced", transaction="40s", environ=LONG_SESSION)
    p.produce(range(3000))
    worker = t.start(p, STREAM_FAILPOINT=f"before_commit:{BATCHES}:stop")
    t.until(lambda: stopped(worker), "stopped inside a transaction", worker)
    somebody = Producer({"bootstrap.servers": p.io.bootstrap, "transactional.id": f"{p.name}-one-0"})
    somebody.init_transactions(30)
    worker.send(signal.SIGCONT)
    t.until(lambda: worker.logged(FAILED), "a failed attempt", worker)
    p.produce(range(3000, 3400))  # behind what was in hand, whatever partition that was of
    t.reach(p, 3400, worker)
    t.stop(worker)
    t.judge(p, range(3400))
    t.judge_counts(3400, worker)


def timeouts_in_the_wrong_order(t: Trial) -> None:
    """A killed worker's transaction must end before another one is given its partitions; such a file is refused."""
    p = t.create("timeouts", transaction="60s", environ=SHORT_SESSION)
    p.produce(range(3000))
    killed = {"faults": "slow-transactions", "STREAM_FAILPOINT": f"before_commit:{BATCHES}"}
    worker = t.start(p, **killed)
    t.until(lambda: not worker.alive, "refused, or dead in a transaction")
    if worker.popen.returncode == ExitCode.CONFIGURATION:
        p.write(transaction="2s")
        worker = t.start(p, **killed)
    t.dies_at(worker)
    t.drain(p, instance="two")
    t.judge(p, range(3000))


def a_call_that_never_returns(t: Trial) -> None:
    """The loop stands still in it; heartbeats go on. The process must end, so that its supervisor starts another."""
    p = t.create("endless", transaction="2s", environ={**SHORT_SESSION, "STREAM_KAFKA_MAX_POLL_INTERVAL_MS": "6000"})
    (p.folder / "rules.py").write_text(STANDS_STILL)
    call = "  - call: {function: rules:stand_still, adds: {seen: double}}\n"
    p.pipeline.write_text(p.pipeline.read_text().replace("  - transform:", call + "  - transform:"))
    p.produce(range(1000))
    t.ends(t.start(p), ExitCode.FATAL)
    t.drain(p)
    t.judge(p, range(1000))


def answer_lost(t: Trial) -> None:
    """A commit is made, and its answer does not arrive."""
    p = t.create("answer")
    p.produce(range(3000))
    worker = t.start(p, faults="lost-answer")
    t.reach(p, 3000, worker)
    t.stop(worker)
    assert t.struck("lost-answer")
    t.judge(p, range(3000))
    t.judge_counts(3000, worker)


def two_workers(t: Trial) -> None:
    p = t.create("two", events=100)
    p.produce(range(200))
    t.drain(p, healthy=True)  # start positions are committed
    workers = [t.start(p, instance=name) for name in ("one", "two")]
    t.until(lambda: all(shares(*workers)), "partitions for both", *workers)
    p.produce(range(200, 3000))
    t.reach(p, 3000, *workers)
    t.until(lambda: all(_caught_up(worker) for worker in workers), "both caught up", *workers)
    t.judge_fences(*workers)
    t.stop(*workers)
    t.judge(p, range(3000))


def zombie(t: Trial) -> None:
    """It stands still with a processed batch in hand until another has its partitions and has done its work."""
    p = t.create("zombie", events=100, environ=SHORT_SESSION)
    p.produce(range(400))
    t.drain(p, healthy=True)
    dead = t.start(p, instance="dead", STREAM_FAILPOINT="after_process:1:stop")
    t.until(lambda: shares(dead) == [4], "partitions", dead)
    p.produce(range(400, 2000))
    t.until(lambda: stopped(dead), "stopped with a batch in hand", dead)
    living = t.start(p, instance="living")
    t.reach(p, 2000, living)
    dead.send(signal.SIGCONT)
    t.until(lambda: dead.logged("committed") or dead.logged(FAILED), "its commit", dead)
    t.until(lambda: shares(dead, living) == [2, 2], "both members", dead, living)
    p.produce(range(2000, 3000))
    t.reach(p, 3000, dead, living)
    t.until(lambda: _caught_up(dead) and _caught_up(living), "both caught up", dead, living)
    t.stop(dead, living)
    t.judge(p, range(3000))


def rebalance_while_a_batch_fills(t: Trial) -> None:
    """Batches take six seconds to fill: a member that joins comes, and has its share, in the middle of one."""
    p = t.create("filling", events=5000, wait="6s")
    workers = [t.start(p, faults="small-fetches", instance="one")]
    trickle = Producer({"bootstrap.servers": p.io.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
    produced = 0

    def settled() -> bool:
        nonlocal produced
        for number in range(produced, produced + 20):
            trickle.produce(p.input, tiny.plain(number), tiny.key(number))
        produced += 20
        trickle.poll(0)
        if len(workers) == 1:
            if workers[0].committed_events():
                workers.append(t.start(p, instance="two"))
            return False
        return bool(workers[1].logged("started")) and shares(*workers) == [2, 2]

    t.until(settled, "two members", *workers[:1])
    assert trickle.flush(30) == 0
    t.reach(p, produced, *workers)
    t.stop(*workers)
    t.judge(p, range(produced))


def rebalance_when_a_batch_has_its_last_event(t: Trial) -> None:
    """Nothing more arrives, and the batch is waited for: a member that joins has its share of it in the meantime."""
    p = t.create("quiet", events=5000, wait="10s")
    workers = [t.start(p, instance="one")]
    t.until(lambda: shares(*workers) == [4], "partitions", *workers)
    workers.append(t.start(p, instance="two"))
    t.until(lambda: workers[1].logged("started"), "the other one", *workers)
    p.produce(range(100))
    t.reach(p, 100, *workers)  # the first batch goes at once, the next one 10 s after it
    p.produce(range(100, 500))
    t.until(lambda: bool(workers[1].logged("started")) and shares(*workers) == [2, 2], "two members", *workers)
    t.reach(p, 500, *workers)
    t.until(lambda: all(_caught_up(worker) for worker in workers), "both caught up", *workers)
    t.stop(*workers)
    t.judge(p, range(500))


def killed_before_its_first_event(t: Trial) -> None:
    """It is to start at the end of the input; what comes after its death is for the next one."""
    p = t.create("first", start="latest")
    p.produce(range(400))
    worker = t.start(p)
    t.until(lambda: shares(worker) == [4] and _caught_up(worker), "at the end of the input", worker)
    worker.kill()
    p.produce(range(1000, 1100))
    t.drain(p)
    t.judge(p, range(1000, 1100))


def input_with_aborted_transactions(t: Trial) -> None:
    p = t.create("aborted")
    p.produce(range(200))
    writer = Producer({"bootstrap.servers": p.io.bootstrap, "transactional.id": p.name + "-writer"})
    writer.init_transactions(30)
    for first, end in ((200, writer.abort_transaction), (300, writer.commit_transaction)):
        writer.begin_transaction()
        for key, value, _, _ in tiny.plain_inputs(range(first, first + 100)):
            writer.produce(p.input, value, key)
        assert writer.flush(30) == 0
        end(30)
    t.drain(p)
    t.judge(p, [*range(200), *range(300, 400)])


def input_deleted_before_it_is_read(t: Trial) -> None:
    """It must say what is missing; an operator decides to go on behind it."""
    p = t.create("deleted", partitions=1)
    p.produce(range(100))
    t.drain(p)
    p.produce(range(100, 300))
    for future in p.admin.delete_records([TopicPartition(p.input, 0, 150)]).values():
        future.result(30)
    worker = t.start(p)
    t.until(lambda: not worker.alive or p.progress() >= 300, "the gap told, or passed over")
    if worker.alive:
        raise HarmError(Harm.SILENT, f"events 100 to 149 are missing, and it went on: {worker.tail(2)}")
    assert "50 events were deleted before they were read" in worker.tail(1)
    operator = Consumer({"bootstrap.servers": p.io.bootstrap, "group.id": p.name})
    wait_until(lambda: _set_offset(operator, p.input, 150), "the group's offset set")
    operator.close()
    t.drain(p)
    t.judge(p, [*range(100), *range(150, 300)])


def retries(t: Trial) -> None:
    """id % 3: 0 is answered, 1 never, 2 at the third attempt; one attempt for each of two tiers after the first."""

    def script(number: int, before: int) -> object:
        return FINE if number % 3 == 0 or (number % 3 == 2 and before == 2) else BUSY

    with ScriptedService(script) as service:  # type: ignore[arg-type]
        p = calling(t.create("retries", partitions=2), service, "{delays: [1s, 2s]}")
        p.io.produce(p.input, readings(range(30)))
        worker = t.start(p)
        t.until(lambda: _ended(p) >= 30 or max(map(service.ids().count, range(30))) > 3, "an end for each", worker)
        if (most := max(map(service.ids().count, range(30)))) > 3:
            raise HarmError(Harm.STUCK, f"an event was tried {most} times, and goes round for ever")
        t.stop(worker)
        found = t.judge(p, range(30))
        assert sorted(reading_ids(found[p.dead_letters])) == [n for n in range(30) if n % 3 == 1]
        for attempt, tier in enumerate(("1s", "2s"), start=1):
            waited = p.io.read_committed(f"{p.name}.retry.{tier}")
            for record, number in zip(waited, reading_ids(waited), strict=True):
                early_s = int(header(record, "stream.due")) / 1000 - service.calls_of(number)[attempt].at
                if early_s > EARLY_S:
                    t.note(Harm.EARLY, f"{Harm.EARLY}: {early_s:.3f} s")


def killed_while_an_event_holds_its_partition(t: Trial) -> None:
    """In strict order; the service is well again when the next process comes."""
    healed = False
    with ScriptedService(lambda number, before: FINE if healed or number != 3 else BUSY) as service:
        p = calling(t.create("held", partitions=1), service, "{delays: [1s, 30s]}", order="strict")
        p.io.produce(p.input, readings(range(20)))
        worker = t.start(p)
        t.reach(p, 3, worker)
        assert service.calls_of(3)
        worker.kill()
        healed = True
        after = t.start(p)
        t.until(lambda: p.progress() >= 20 and _caught_up(after), "all of it committed", after)
        t.stop(after)
        found = t.judge(p, range(20))
        assert score_ids(found[p.outputs[1]]) == sorted(score_ids(found[p.outputs[1]])), "in the order of the input"


def a_flood_of_poison(t: Trial) -> None:
    """Over the limit nothing is committed; with a higher limit all of it is."""
    p = t.create("flood", partitions=1, events=100, limit="{ratio: 0.3, window: 100, consecutive: 1000000}")
    p.produce(range(200))
    worker = t.start(p)
    t.reach(p, 200, worker)
    p.io.produce(p.input, [(tiny.key(n), tiny.reading(n, tiny.TOO_BIG), None, None) for n in range(200, 500)])
    t.until(lambda: worker.ready()["state"] == "paused" or p.progress() >= 500, "paused", worker)
    passed = p.progress() - 200
    if passed > 100:
        t.note(Harm.OVER_LIMIT, f"{Harm.OVER_LIMIT}: {passed} of 300 poison events were committed")
    t.stop(worker)
    p.write()
    t.drain(p)
    t.judge(p, range(500))


def a_stage_that_raises(t: Trial) -> None:
    """For every twentieth event, without saying which: the batch is halved until it is found."""
    p = t.create("halved")
    (p.folder / "rules.py").write_text(REFUSES)
    call = "  - call: {function: rules:refuse, adds: {seen: double}}\n"
    p.pipeline.write_text(p.pipeline.read_text().replace("  - transform:", call + "  - transform:"))
    p.produce(range(400))
    t.drain(p)
    assert p.progress() == 400
    t.judge(p, range(400))


def everything_filtered(t: Trial) -> None:
    """No output takes any of the events: their offsets are all there is to commit."""
    p = t.create("filtered")
    text = p.pipeline.read_text()
    low = f"  - {{topic: {p.name}.low, schema: schemas/score.avsc}}\n"
    assert low in text
    p.pipeline.write_text(text.replace(low, low.replace("}}", "}").replace("}", ", when: y > 1000}")))
    numbers = [n for n in range(600) if n % tiny.PLANTED_EVERY != 7 and tiny.expected_y(*tiny.x_and_k(n)) < tiny.HIGH]
    p.produce(numbers)
    t.drain(p)
    if (progress := p.progress()) < len(numbers):
        t.note(Harm.STUCK, f"{Harm.STUCK}: {progress} of {len(numbers)} committed by a worker that says it is done")
    t.judge(p, [])


def _caught_up(worker: Worker) -> bool:
    return worker.metric("stream_consumer_caught_up") == 1


def _ended(p: Project) -> int:
    return sum(len(p.io.read_committed(topic)) for topic in p.ends)


def _set_offset(operator: Consumer, topic: str, offset: int) -> bool:
    """False while the group still has a member."""
    try:
        operator.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    except KafkaException:
        time.sleep(0.2)
        return False
    return True


SCENARIOS: Final[Mapping[str, Callable[[Trial], None]]] = {
    scenario.__name__.replace("_", " "): scenario
    for scenario in (
        late_request,
        restart,
        killed_before_the_commit,
        killed_after_the_commit,
        fenced_inside_a_transaction,
        timeouts_in_the_wrong_order,
        a_call_that_never_returns,
        answer_lost,
        two_workers,
        zombie,
        rebalance_while_a_batch_fills,
        rebalance_when_a_batch_has_its_last_event,
        killed_before_its_first_event,
        input_with_aborted_transactions,
        input_deleted_before_it_is_read,
        retries,
        killed_while_an_event_holds_its_partition,
        a_flood_of_poison,
        a_stage_that_raises,
        everything_filtered,
    )
}
