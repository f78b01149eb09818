"""Each event exactly once: over deaths at every step, lost answers, start positions and input that is gone."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from acceptance import running, tiny
from acceptance.running import TRANSPORT, wait_until
from confluent_kafka import TopicPartition

from stream.batch import Messages, Outcome
from stream.errors import ExitCode, TransactionError
from stream.failpoints import FAILPOINTS
from stream.kafka.choice import choose_transport
from stream.kafka.session import Session
from stream.kafka.settings import ClientSettings, Slot
from stream.kafka.sink import Sink


@pytest.mark.timeout(120)
def test_a_death_at_any_step_loses_nothing_and_doubles_nothing(project) -> None:
    """Under timeouts that nobody waits for: one that comes back is still a member, and ends its own transaction."""
    long = {"STREAM_KAFKA_SESSION_TIMEOUT_MS": "45000"}
    p = project(events=100, transaction="40s", environ=long)
    p.produce(range(4000))
    for failpoint in FAILPOINTS:
        worker = p.start(STREAM_FAILPOINT=f"{failpoint}:3")
        code = worker.wait(timeout_s=30)
        assert code == -signal.SIGKILL, f"{failpoint}: ended with {code}\n{worker.tail()}"
        assert worker.committed_events() > 0, f"{failpoint}: died in the middle of its work"
    left = p.drain(timeout_s=30)["events"]
    assert 0 < left < 4000
    p.verify(range(4000))


def test_a_drain_by_two_workers_adds_up_and_every_result_is_right(project) -> None:
    p = project()
    p.produce(range(3000))
    facts = p.drain("--workers", "2")
    found = p.verify(range(3000))
    assert (facts["events"], facts["filtered"], facts["retried"]) == (3000, 0, 0)
    assert facts["outputs"] == {topic: len(found[topic]) for topic in p.outputs}
    assert facts["dead_letters"] == {"expectation": len(found[p.dead_letters])}
    assert facts["batches"] >= 3000 / 200
    assert 0 < facts["wall_s"] == pytest.approx(facts["last_commit_s"] - facts["first_poll_s"], abs=1e-3)
    for record in (*found[p.outputs[0]], *found[p.outputs[1]]):
        score = tiny.score(record.value)
        x, k = tiny.x_and_k(score["id"])
        assert (score["y"], score["half"]) == (pytest.approx(tiny.expected_y(x, k), rel=1e-6), x / 2)
        assert (record.key, score["model"]) == (tiny.key(score["id"]), "root/1")
    again = p.drain()
    assert (again["events"], again["wall_s"]) == (0, 0.0)


@pytest.mark.parametrize("committed", [True, False], ids=["after the commit", "before the commit"])
def test_a_commit_whose_answer_is_lost_is_settled_by_the_committed_offsets(
    kafka, kafka_io, unique_name, monkeypatch, committed
) -> None:
    name = unique_name("lost-answer")
    kafka_io.create_topics({name: 1})
    kafka_io.produce(name, [(None, b"%d" % n, None, 0) for n in range(10)])
    session = Session(settings(kafka, name, {"batch_events": 5}))
    try:
        assert start(session) == {(name, 0): 0}
        first = next_batch(session)
        with monkeypatch.context() as patched:
            patched.setattr(Sink, "commit", lose_the_answer(Sink.commit, committed))
            session.begin_commit(Outcome(first, [], [], filtered=len(first)), [])
            with pytest.raises(TransactionError, match="lost"):
                session.finish_commit()
        assert session.recover() == {(name, 0): 5 if committed else 0}
        assert next_batch(session).offset.tolist() == (list(range(5, 10)) if committed else list(range(5)))
    finally:
        session.close()


@pytest.mark.parametrize("committed", [True, False], ids=["after the commit", "before the commit"])
def test_a_first_start_whose_commit_fails_is_made_again(kafka, kafka_io, unique_name, monkeypatch, committed) -> None:
    name = unique_name("first-start")
    kafka_io.create_topics({name: 2})
    kafka_io.produce(name, [(None, b"%d" % n, None, n % 2) for n in range(10)])
    session = Session(settings(kafka, name))
    try:
        session.recover()
        with monkeypatch.context() as patched:
            lost: list[bool] = []
            patched.setattr(Sink, "commit", lose_the_answer(Sink.commit, committed, lost))
            wait_until(lambda: patiently(session) or lost, "the first commit")
        values: list[bytes | None] = []
        while len(values) < 10:
            messages = next_batch(session)
            values += [messages.value(row) for row in range(len(messages))]
        assert sorted(values) == [b"%d" % n for n in range(10)]
    finally:
        session.close()


def settings(kafka, name, more=()) -> ClientSettings:
    user = {"bootstrap.servers": kafka.bootstrap, "session.timeout.ms": "4000", "heartbeat.interval.ms": "500"}
    transport = choose_transport(TRANSPORT)
    assert transport.name == TRANSPORT
    return ClientSettings(
        Slot(name, "one"), (name,), user, transaction_timeout_s=2.0, transport=transport, **dict(more)
    )


def patiently(session: Session) -> Messages | None:
    """A poll as the loop makes it: an attempt that fails is recovered from."""
    try:
        return session.poll(0.1)
    except TransactionError:
        session.recover()
        return None


def start(session: Session) -> dict[tuple[str, int], int]:
    """Join the group and have the start positions committed; gives the committed offsets."""
    session.recover()
    wait_until(lambda: patiently(session), "messages")
    return session.recover()


def next_batch(session: Session) -> Messages:
    messages: Messages = wait_until(lambda: patiently(session), "messages")
    return messages


def lose_the_answer(commit, committed, lost=None):
    def lossy(sink: Sink) -> None:
        if committed:
            commit(sink)
        if lost is not None:
            lost.append(True)
        raise TransactionError("the answer was lost")

    return lossy


@pytest.mark.parametrize("start", ["latest", "a time"])
def test_the_start_position_is_committed_before_anything_is_read(project, start) -> None:
    p = project()
    p.produce(range(400))
    time.sleep(0.01)
    moment = datetime.now(UTC)
    time.sleep(0.01)
    if start == "a time":
        p.produce(range(1000, 1100))
    p.write(start=start if start == "latest" else f"'{moment.isoformat()}'")

    first = p.start(STREAM_FAILPOINT="after_poll")
    wait_until(lambda: p.progress() == 400 and len(p.committed_offsets()) == 4, "start positions committed")
    if start == "latest":
        first.kill()
        p.produce(range(1000, 1100))
    assert first.wait() == -signal.SIGKILL
    assert p.progress() == 400, "nothing but the start positions was committed"

    assert p.drain()["events"] == 100
    p.verify(range(1000, 1100))


def test_input_that_is_deleted_before_it_is_read_ends_the_worker_with_the_gap(project, tmp_path: Path) -> None:
    p = project(partitions=1)
    p.produce(range(100))
    p.drain()
    p.produce(range(100, 300))
    for future in p.admin.delete_records([TopicPartition(p.input, 0, 150)]).values():
        future.result(30)
    worker = p.start()
    assert worker.wait() == ExitCode.FATAL
    last = worker.tail(1)
    assert f"error: {p.input}/0: the group stands at offset 100, but the log holds 150 to 300" in last
    assert "50 events were deleted before they were read" in last
    assert p.committed_offsets() == {0: 100}, "nothing was skipped"

    told = last.partition("then: stream ")[2].strip().replace("PIPELINE_FILE", str(p.pipeline)).split()
    going_on = running.start(told, tmp_path / "positions", {"STREAM_KAFKA_BOOTSTRAP_SERVERS": p.io.bootstrap})
    assert going_on.wait() == 0, going_on.tail()
    assert p.drain()["events"] == 150, "the command that it tells goes on behind the gap"


def test_a_dead_workers_open_transaction_hides_what_follows_no_longer_than_its_timeout(project) -> None:
    p = project(partitions=1, transaction="3s")
    p.produce(range(1000))
    # the first transaction holds the start position alone
    assert p.start(STREAM_FAILPOINT="before_commit:3").wait() == -signal.SIGKILL
    died = time.monotonic()
    low = p.outputs[1]
    p.io.produce(low, [(b"after", b"after", None, 0)])
    assert b"after" not in {r.key for r in p.io.read_committed(low, open_transactions="stop")}, "still open"
    records = p.io.read_committed(low, timeout_s=30)
    hidden_s = time.monotonic() - died
    assert records[-1].key == b"after"
    assert hidden_s < 3 + 1 + 3, "the transaction's timeout, the broker's sweep, and some patience"
    assert p.drain()["events"] == 800
