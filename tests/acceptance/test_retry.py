"""Retry tiers and held partitions with real delays on a real Kafka: never early, none lost, none twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from acceptance import tiny
from acceptance.running import Project, wait_until
from acceptance.scripted_service import (
    BUSY,
    FINE,
    Reply,
    ScriptedService,
    calling,
    header,
    reading_ids,
    readings,
    score_ids,
)

from stream.kafka.connection import Connection
from stream.kafka.remaining import remaining

pytestmark = pytest.mark.timeout(180)
TIERS = "{delays: [1s, 2s]}"
EARLY_S = 0.002
"""The due time is cut to a millisecond."""


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with ScriptedService() as running:
        yield running


def outputs(project: Project) -> list[int]:
    return score_ids(project.io.read_committed(project.outputs[1]))


def ended(project: Project) -> int:
    """Events that are in an output or in the dead letters."""
    return len(outputs(project)) + len(project.io.read_committed(project.dead_letters))


def await_ended(project: Project, count: int) -> None:
    wait_until(lambda: ended(project) >= count, f"{count} events ended")


def waiting(project: Project, *tiers: str) -> list[int]:
    """Events in retry tiers that are not taken out yet."""
    found = []
    for tier in tiers:
        topic = f"{project.name}.retry.{tier}"
        taken = project.committed_offsets(topic)
        found += [r for r in project.io.read_committed(topic) if r.offset >= taken.get(r.partition, 0)]
    return reading_ids(found)


def test_an_event_goes_through_the_tiers_never_early_and_ends_once(project, service) -> None:
    """id % 3: 0 is answered, 1 never, 2 at the third attempt.

    With batches and transactions together, which elsewhere exclude each other (spring-kafka#2699, #3554).
    """
    service.script = lambda n, before: FINE if n % 3 == 0 or (n % 3 == 2 and before == 2) else BUSY
    p = calling(project("tiers", partitions=3), service, TIERS)
    p.io.produce(p.input, readings(range(90)))
    p.start()
    await_ended(p, 90)

    assert sorted(outputs(p)) == [n for n in range(90) if n % 3 != 1]
    dead = p.io.read_committed(p.dead_letters)
    assert sorted(reading_ids(dead)) == [n for n in range(90) if n % 3 == 1]
    names = ("stream.attempts", "stream.stage", "stream.class", "stream.reason", "__streams.errors.topic")
    assert {tuple(header(r, name) for name in names) for r in dead} == {
        ("3", "http", "transient", "server_error", p.input)
    }
    assert Counter(service.ids()) == {n: 1 if n % 3 == 0 else 3 for n in range(90)}
    for attempt, tier in enumerate(("1s", "2s"), start=1):
        waited = p.io.read_committed(f"{p.name}.retry.{tier}")
        assert sorted(reading_ids(waited)) == [n for n in range(90) if n % 3]
        assert {header(r, "stream.attempts") for r in waited} == {str(attempt)}
        for record, number in zip(waited, reading_ids(waited), strict=True):
            due_s = int(header(record, "stream.due")) / 1000
            assert service.calls_of(number)[attempt].at >= due_s - EARLY_S, "never before it is due"
            assert due_s - record.timestamp / 1000 == pytest.approx(int(tier[0]))


def test_the_key_of_an_event_is_the_same_at_every_attempt_and_its_origin_is_kept(project, service) -> None:
    service.script = lambda n, before: BUSY
    p = calling(project("keys", partitions=1), service, TIERS)
    p.io.produce(p.input, readings(range(5)))
    p.start()
    await_ended(p, 5)
    for offset, number in enumerate(range(5)):
        assert {call.key for call in service.calls_of(number)} == {f"{p.name}/{p.input}/0/{offset}"}
    origins = [
        (header(r, "__streams.errors.partition"), header(r, "__streams.errors.offset"), n)
        for r, n in ((r, reading_ids([r])[0]) for r in p.io.read_committed(p.dead_letters))
    ]
    assert sorted(origins) == [("0", str(n), n) for n in range(5)]


def test_in_relaxed_order_others_overtake_an_event_that_is_tried_again(project, service) -> None:
    """A retry must not hold up its partition (dapr/components-contrib#237)."""
    service.script = lambda n, before: BUSY if n == 0 and before < 2 else FINE
    p = calling(project("overtake", partitions=1), service, TIERS)
    p.io.produce(p.input, readings(range(20)))
    p.start()
    await_ended(p, 20)
    assert outputs(p) == [*range(1, 20), 0]


def test_in_strict_order_nothing_overtakes_it_but_other_partitions_go_on(project, service) -> None:
    service.script = lambda n, before: BUSY if n in (3, 11) and before < 2 else FINE
    p = calling(project("in-line", partitions=2), service, TIERS, order="strict")
    p.io.produce(p.input, readings(range(20), 0) + readings(range(100, 120), 1))
    worker = p.start()
    wait_until(lambda: worker.metric("stream_held_partitions", topic=p.input), "it is told that a partition waits")
    wait_until(lambda: len(service.calls_of(3)) == 2, "a second attempt")
    assert {n for n in outputs(p) if n >= 100} == set(range(100, 120)), "they did not wait for the held partition"
    await_ended(p, 40)
    for partition in (0, 1):
        ids = [r for r in p.io.read_committed(p.outputs[1]) if r.partition == partition]
        assert (held := [n for n in score_ids(ids) if n < 100]) == sorted(held)
        assert len(held) > 5
    # of the events of a batch only the one that holds the partition counts its attempts
    first, second, third = (call.at for call in service.calls_of(3))
    assert second - first >= 1 - EARLY_S
    assert third - second >= 2 - EARLY_S
    # event 11 holds it too when 3 was not in its batch: at once, or after the partition went on
    waits = worker.logged("partition waits behind an event")
    assert [line["offset"] for line in waits] in ([3], [3, 11])
    assert {(line["topic"], line["partition"]) for line in waits} == {(p.input, 0)}
    assert (waits[0]["stage"], waits[0]["reason"], waits[0]["attempts"]) == ("http", "server_error", 1)
    wait_until(lambda: not worker.metric("stream_held_partitions"), "and that it goes on")
    assert worker.logged("partition goes on")[-1]["offset"] == waits[-1]["offset"]


def test_in_strict_order_an_exhausted_event_is_a_dead_letter_with_its_attempts(project, service) -> None:
    service.script = lambda n, before: BUSY if n == 3 else FINE
    p = calling(project("given-up", partitions=1), service, TIERS, order="strict")
    p.io.produce(p.input, readings(range(10)))
    p.start()
    await_ended(p, 10)
    assert outputs(p) == [n for n in range(10) if n != 3]
    (dead,) = p.io.read_committed(p.dead_letters)
    assert (reading_ids([dead]), header(dead, "stream.attempts")) == ([3], "3")
    waited_ms = int(header(dead, "stream.failed")) - int(header(dead, "stream.first-failed"))
    assert waited_ms >= 3000


def test_a_worker_killed_while_events_wait_loses_none_and_when_the_service_heals_all_flow(project, service) -> None:
    service.script = lambda n, before: BUSY if n % 2 else FINE
    p = calling(project("killed", partitions=2), service, "{delays: [1s, 2s, 3s]}")
    p.io.produce(p.input, readings(range(200)))
    worker = p.start()
    wait_until(lambda: len(waiting(p, "2s")) >= 20, "events in the second tier")
    worker.kill()
    tiers = ("1s", "2s", "3s")
    left = set(range(200)) - set(outputs(p)) - set(waiting(p, *tiers))
    unread = 200 - p.progress()
    assert len(left) == unread, "what was read is in an output or in a tier"
    assert Counter(outputs(p) + waiting(p, *tiers)).most_common(1)[0][1] == 1, "and in one of them only"

    service.script = lambda n, before: FINE
    p.start()
    await_ended(p, 200)
    assert sorted(outputs(p)) == list(range(200))
    assert p.io.read_committed(p.dead_letters) == []
    wait_until(lambda: waiting(p, *tiers) == [], "nothing in the tiers any more")


@pytest.mark.parametrize("order", ["strict", "relaxed"])
def test_a_rebalance_in_the_middle_of_retries_drops_none(project, service, order) -> None:
    """A retry that a rebalance interrupts must not count as done (dapr/dapr#8796)."""
    service.script = lambda n, before: BUSY if n % 9 == 0 and before < 2 else FINE
    p = calling(project(f"moved-{order}", partitions=4), service, TIERS, order=order)
    p.io.produce(p.input, [reading for n in range(100) for reading in readings([n], n % 4)])
    p.start(instance="one")
    wait_until(lambda: len(service.calls_of(0)) >= 1, "events that wait")
    second = p.start(instance="two")
    wait_until(lambda: len(p.members()) == 2, "two members")
    wait_until(lambda: len(service.calls_of(0)) >= 2, "a second attempt")
    assert second.stop() == 0
    await_ended(p, 100)
    assert sorted(outputs(p)) == list(range(100))
    assert p.io.read_committed(p.dead_letters) == []
    if order == "strict":
        _assert_in_order(p)


def _assert_in_order(project: Project) -> None:
    """Events of one input partition and one key rise in their output partition."""
    last: dict[tuple[int, int, bytes | None], int] = {}
    for record in project.io.read_committed(project.outputs[1]):
        (number,) = score_ids([record])
        place = (record.partition, number % 4, record.key)
        assert last.get(place, -1) < number
        last[place] = number


def test_a_drain_leaves_events_in_the_tiers_and_the_next_one_takes_them(project, service) -> None:
    service.script = lambda n, before: BUSY if before == 0 else FINE
    p = calling(project("drained", partitions=2), service, "{delays: [1s]}")
    p.io.produce(p.input, readings(range(30)))
    facts = p.drain()
    assert (facts["retried"], sorted(waiting(p, "1s"))) == (30, list(range(30)))
    tier = f"{p.name}.retry.1s"
    kafka = Connection({"bootstrap.servers": p.io.bootstrap})
    assert 30 <= remaining(kafka, p.name, [tier])[tier] <= 34, "and the marker of a transaction or two"
    wait_until(lambda: p.drain() and len(outputs(p)) == 30, "all through")
    assert sorted(outputs(p)) == list(range(30))
    assert remaining(kafka, p.name, [tier]) == {tier: 0}, "the tier may be taken out of the file"


def test_stages_with_equal_delays_share_a_topic_and_each_has_attempts_of_its_own(project, service) -> None:
    """Every event fails once at the first stage and once at the second, each of which has one further attempt."""
    first, second = service, ScriptedService(lambda n, before: BUSY if before == 0 else FINE)
    first.script = lambda n, before: BUSY if before == 0 else FINE
    with second:
        p = project("two-stages", partitions=1)
        calling(p, first, "{delays: [1s]}")
        text = p.pipeline.read_text()
        more = f"  - http: {{url: '{second.url}', body: [id, x], response: {{again: {{field: y, type: float}}}}}}\n"
        p.pipeline.write_text(text.replace("outputs:", f"{more}outputs:", 1))
        p.io.produce(p.input, readings(range(10)))
        p.start()
        await_ended(p, 10)
        assert sorted(outputs(p)) == list(range(10))
        assert Counter(first.ids()) == dict.fromkeys(range(10), 3)
        assert Counter(second.ids()) == dict.fromkeys(range(10), 2)
        waited = p.io.read_committed(f"{p.name}.retry.1s")
        assert Counter(header(r, "stream.stage-attempts") for r in waited) == {"http=1": 10, "http=1,http-2=1": 10}


def test_hold_waits_in_the_tier_for_as_long_as_it_takes_and_the_input_goes_on(project, service) -> None:
    healed = False
    service.script = lambda n, before: FINE if n != 3 or healed else BUSY
    p = calling(project("held", partitions=1), service, "{delays: [1s], on_exhausted: hold}")
    p.io.produce(p.input, readings(range(10)))
    worker = p.start()
    wait_until(lambda: len(service.calls_of(3)) >= 4, "more attempts than there are delays")
    assert worker.metric("stream_held_partitions", topic=f"{p.name}.retry.1s") == 1
    assert worker.metric("stream_held_partitions", topic=p.input) == 0
    assert outputs(p) == [0, 1, 2, *range(4, 10)]
    assert waiting(p, "1s") == [3]
    assert all(later.at - earlier.at >= 1 - EARLY_S for earlier, later in pairwise(service.calls_of(3)))
    healed = True
    await_ended(p, 10)
    assert outputs(p)[-1] == 3
    assert p.io.read_committed(p.dead_letters) == []


def test_no_attempt_is_made_later_than_max_elapsed(project, service) -> None:
    service.script = lambda n, before: BUSY if n == 3 else FINE
    p = calling(project("elapsed", partitions=1), service, "{delays: [1s, 60s], max_elapsed: 3s}")
    p.io.produce(p.input, readings(range(5)))
    p.start()
    await_ended(p, 5)
    (dead,) = p.io.read_committed(p.dead_letters)
    assert header(dead, "stream.attempts") == "2"
    assert len(service.calls_of(3)) == 2


def test_a_function_may_ask_for_another_attempt_too(project, service) -> None:
    """The stage `call` with a policy of its own; what it raises TransientError at twice passes at the third."""
    p = project("call", partitions=1)
    calling(p, service, "{delays: []}")
    text = p.pipeline.read_text()
    stages = """\
stages:
  - call:
      function: rules:adjust
      adds: {y: float, half: double, model: string}
      retry: {delays: [1s]}
"""
    head, tail = text.partition("stages:")[0], text[text.index("outputs:") :]
    p.pipeline.write_text(head + stages + tail)
    (p.folder / "rules.py").write_text(
        """\
import pyarrow as pa
import pyarrow.compute as pc
from stream.errors import TransientError

seen = set()

def adjust(columns):
    new = [n for n in columns["id"].to_pylist() if n % 5 == 0 and n not in seen]
    if new:
        if columns.num_rows == 1:
            seen.update(new)
        raise TransientError("busy")
    n = columns.num_rows
    added = [columns["x"].cast(pa.float32()), columns["x"], pa.array(["rules"] * n)]
    return pa.RecordBatch.from_arrays([*columns.columns, *added], names=[*columns.schema.names, "y", "half", "model"])
"""
    )
    p.io.create_topics({f"{p.name}.retry.1s": 1})
    p.io.produce(p.input, readings(range(20)))
    p.start()
    await_ended(p, 20)
    assert sorted(outputs(p)) == list(range(20))
    assert sorted(reading_ids(p.io.read_committed(f"{p.name}.retry.1s"))) == [0, 5, 10, 15]
    assert not service.calls


def test_an_event_keeps_its_key_headers_and_timestamp_over_the_tiers(project, service) -> None:
    """The key was lost elsewhere (dapr/components-contrib#2227)."""
    service.script = lambda n, before: BUSY if before == 0 else FINE
    p = calling(project("kept", partitions=1), service, "{delays: [1s]}")
    p.io.produce(
        p.input, [(b"key", tiny.reading(1, 0.5), [("traceparent", b"00-1-1-01"), ("twice", b"1"), ("twice", None)], 0)]
    )
    p.start()
    await_ended(p, 1)
    (given,) = p.io.read_committed(p.input)
    (record,) = p.io.read_committed(p.outputs[1])
    assert (record.key, record.timestamp) == (b"key", given.timestamp)
    assert record.headers == given.headers == [("traceparent", b"00-1-1-01"), ("twice", b"1"), ("twice", None)]


def test_a_reply_without_an_answer_is_transient(project, service) -> None:
    service.script = lambda n, before: Reply(0) if before < 2 else FINE
    p = calling(project("hang-up", partitions=1), service, "{delays: [1s]}")
    p.io.produce(p.input, readings(range(3)))
    p.start()
    await_ended(p, 3)
    assert sorted(outputs(p)) == [0, 1, 2]
    reasons = {header(r, "stream.reason") for r in p.io.read_committed(f"{p.name}.retry.1s")}
    assert reasons == {"disconnected"}
