"""`stream dlq` as a user runs it on a real Kafka: what is resolved is resolved exactly once.

What people suffered from elsewhere is named in the tests: the issues in brackets.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from acceptance import running, tiny
from acceptance.kafka_io import KafkaIO, Record
from acceptance.running import Project, Worker, wait_until

from stream import cli
from stream.errors import ExitCode

REPLAYS = "stream.replays"
PASSES_NOW = 1e7
"""A bound of the suite that lets the events pass that were over the one of before."""
EXPECTATION = "reason = 'expectation'"


@dataclass
class Dlq:
    """`stream dlq` on one project."""

    project: Project

    def start(self, command: str, *arguments: str, **environ: str) -> Worker:
        p = self.project
        worker = running.start(
            ["dlq", command, str(p.pipeline), *arguments],
            p.folder / f"dlq-{len(p.workers)}",
            {"STREAM_KAFKA_BOOTSTRAP_SERVERS": p.io.bootstrap, **environ},
        )
        p.workers.append(worker)
        return worker

    def run(self, command: str, *arguments: str) -> str:
        """In this process: a new one each time would cost more than the command. It must end with 0."""
        out, environ = io.StringIO(), {"STREAM_KAFKA_BOOTSTRAP_SERVERS": self.project.io.bootstrap}
        with patch.dict(os.environ, environ), redirect_stdout(out), pytest.raises(SystemExit) as ended:
            cli.main(["dlq", command, str(self.project.pipeline), *arguments])
        assert ended.value.code == 0
        return out.getvalue()

    def json(self, command: str, *arguments: str) -> Any:
        return json.loads(self.run(command, *arguments, "--output", "json"))

    def unresolved(self) -> int:
        return int(self.json("list")["unresolved"])


def bad(number: int) -> bytes:
    """A reading over the bound of the suite."""
    return tiny.reading(number, tiny.TOO_BIG)


def fail(p: Project, numbers: Iterable[int]) -> None:
    """These readings, each with a header of its own, become dead letters."""
    p.io.produce(p.input, [(tiny.key(n), bad(n), [("tenant", b"acme")], None) for n in numbers])
    p.drain()


def dead(p: Project, numbers: Iterable[int]) -> None:
    """The same without a worker: dead letters as one would have written them."""
    origin, errors = "__streams.errors.", [("stream.reason", b"expectation"), ("stream.pipeline", p.name.encode())]
    records = []
    for n in numbers:
        place = [
            (origin + "topic", p.input.encode()),
            (origin + "partition", b"%d" % (n % 4)),
            (origin + "offset", b"%d" % n),
        ]
        records.append((tiny.key(n), bad(n), [("tenant", b"acme"), *place, *errors], n % 4))
    p.io.produce(p.dead_letters, records)


def fix(p: Project) -> None:
    """The suite is mended: what failed passes now."""
    suite = p.folder / "suites" / "reading.json"
    suite.write_text(suite.read_text().replace("1000000.0", str(PASSES_NOW)))
    assert str(PASSES_NOW) in suite.read_text()


def replayed(p: Project) -> list[Record]:
    """What came back into the input."""
    return [r for r in p.io.read_committed(p.input) if dict(r.headers).get(REPLAYS) is not None]


def ids(records: Iterable[Record]) -> list[int]:
    return [tiny.read_back(record.value)["id"] for record in records]


def test_a_replay_of_fixed_events_ends_with_outputs_and_the_list_is_empty(project: Callable[..., Project]) -> None:
    """[spring-kafka#4523, kafka-ui#1920, PostHog#43677: replay by hand, without key, headers or counts]"""
    p = project()
    dlq = Dlq(p)
    fail(p, range(30))
    listed = dlq.json("list")
    (group,) = listed["groups"]
    assert (listed["unresolved"], group["number"]) == (30, 30)
    assert (group["stage"], group["reason"], group["expectations"]) == ("validate", "expectation", "x_is_small")

    dry = dlq.json("replay", "--where", EXPECTATION)
    assert dry["moved"] == [{"reason": "expectation", "topic": p.input, "number": 30}]
    assert dry["sample"][0]["origin"].startswith(f"{p.input}/")
    assert not replayed(p), "a dry run does nothing"
    assert not dlq.json("list")["resolved"]

    fix(p)
    done = dlq.json("replay", "--where", EXPECTATION, "--yes")
    assert done["number"] == 30
    back, first = replayed(p), [r for r in p.io.read_committed(p.input) if REPLAYS not in dict(r.headers)]
    before = {tiny.read_back(r.value)["id"]: r for r in first}
    assert sorted(ids(back)) == list(range(30))
    for record in back:
        original = before[tiny.read_back(record.value)["id"]]
        assert (record.key, record.value, record.timestamp, record.partition) == (
            original.key,
            original.value,
            original.timestamp,
            original.partition,
        )
        assert record.headers == [("tenant", b"acme"), (REPLAYS, b"1")], "no error header goes back"

    p.drain()
    assert sorted(tiny.score(r.value)["id"] for r in p.io.read_committed(f"{p.name}.high")) == list(range(30))
    assert dlq.unresolved() == 0
    assert dlq.json("replay", "--where", EXPECTATION, "--yes")["number"] == 0, "[trigger.dev#4098] nothing twice"


@pytest.mark.parametrize("failpoint", ["mid_produce:3", "before_commit:3", "after_commit:3", "after_commit:1"])
def test_a_replay_that_is_killed_goes_on_where_it_was(project: Callable[..., Project], failpoint: str) -> None:
    """[spring-kafka#4523, tctl#240: resume after a crash] Nothing twice, nothing missed."""
    p = project()
    dlq = Dlq(p)
    dead(p, range(40))
    arguments = ("replay", "--where", EXPECTATION, "--yes", "--rate", "40")  # batches of 20
    killed = dlq.start(*arguments, STREAM_FAILPOINT=failpoint)
    assert killed.wait() == -9, killed.tail()
    committed = {"mid_produce:3": 20, "before_commit:3": 20, "after_commit:3": 40, "after_commit:1": 0}[failpoint]
    assert dlq.unresolved() == 40 - committed
    if committed:
        assert dlq.json("replay", "--where", EXPECTATION)["resumes"] == committed
        assert "not at its end" in dlq.run("history")
    assert dlq.json(*arguments)["number"] == 40 - committed
    assert sorted(ids(replayed(p))) == list(range(40))
    assert dlq.unresolved() == 0
    assert all(run["done"] for run in dlq.json("history")["runs"])
    assert "not at its end" not in dlq.run("history")


def test_of_two_replays_at_once_the_later_one_fences_the_earlier(project: Callable[..., Project]) -> None:
    """Even under other names: they may mean the same events."""
    p = project()
    dlq = Dlq(p)
    dead(p, range(30))
    slow = dlq.start("replay", "--all", "--yes", "--rate", "4", "--by", "ann")
    wait_until(lambda: replayed(p), "something was replayed")
    second = dlq.json("replay", "--where", EXPECTATION, "--yes", "--by", "bob", "--name", "mine")
    assert slow.wait() == ExitCode.FATAL
    assert "another replay or discard of these dead letters was begun by bob" in slow.tail()
    assert "the same command goes on behind them" in slow.tail()
    assert sorted(ids(replayed(p))) == list(range(30))
    assert 0 < second["number"] < 30


def test_an_event_that_fails_again_is_parked_after_its_replays(project: Callable[..., Project]) -> None:
    """[spring-kafka#2155: headers that grow with every round; PostHog#43677: a cap and a parking place]"""
    p = project(partitions=1)
    dlq = Dlq(p)
    fail(p, [1])
    sizes = []
    for turn in range(1, 3):
        assert dlq.json("replay", "--all", "--yes", "--max-replays", "2")["number"] == 1
        p.drain()
        counts = [dict(r.headers).get(REPLAYS) for r in p.io.read_committed(p.dead_letters)]
        assert counts == [None, *(b"%d" % n for n in range(1, turn + 1))]
        last = p.io.read_committed(p.dead_letters)[-1]
        sizes.append(sum(len(name) + len(held or b"") for name, held in last.headers))
    assert len(set(sizes)) == 1, "headers are replaced, not stacked"
    done = dlq.json("replay", "--all", "--yes", "--max-replays", "2")
    assert done["number"] == 0
    assert done["stays"] == [{"reason": "expectation", "why": "parked: replayed too often already", "number": 1}]
    listed = dlq.json("list", "--max-replays", "2")
    assert (listed["unresolved"], listed["parked"]) == (1, 1)
    assert dlq.json("replay", "--all", "--yes")["number"] == 1, "a person may say once more"


def test_a_limit_is_counted_over_the_runs_that_an_interruption_made_of_one(project: Callable[..., Project]) -> None:
    p = project()
    dlq = Dlq(p)
    dead(p, range(20))
    arguments = ("replay", "--all", "--limit", "8", "--name", "first-eight", "--yes")
    killed = dlq.start(*arguments, "--rate", "10", STREAM_FAILPOINT="after_commit:2")  # batches of 5
    assert killed.wait() == -9
    other = dlq.start("replay", "--where", EXPECTATION, "--name", "first-eight", "--yes")
    assert other.wait() == ExitCode.CONFIGURATION
    assert "first-eight is an unfinished run by" in other.tail()
    assert dlq.json(*arguments)["number"] == 3
    assert dlq.unresolved() == 12
    assert dlq.json(*arguments)["number"] == 8, "a run that is done is followed by a new one"


def test_what_is_discarded_is_off_the_list_and_it_is_known_who_and_why(project: Callable[..., Project]) -> None:
    p = project()
    dlq = Dlq(p)
    p.io.produce(p.input, [(b"a", bad(1), None, None), (b"b", b"no avro", None, None)])
    p.drain()
    dry = dlq.json("discard", "--where", "reason = 'not_avro'", "--reason", "a test's")
    assert dry["moved"] == [{"reason": "not_avro", "topic": None, "number": 1}]
    assert dlq.unresolved() == 2
    dlq.run("discard", "--where", "reason = 'not_avro'", "--reason", "a test's", "--by", "ann", "--yes")
    listed = dlq.json("list")
    assert [g["reason"] for g in listed["groups"]] == ["expectation"]
    assert listed["resolved"] == {"discarded": 1}
    (run,) = dlq.json("history")["runs"]
    assert (run["action"], run["by"], run["why"], run["where"], run["number"]) == (
        "discarded",
        "ann",
        "a test's",
        "reason = 'not_avro'",
        1,
    )
    assert not replayed(p)
    assert dlq.json("replay", "--all", "--yes")["number"] == 1, "what was discarded is not sent again"


def test_which_dead_letters_must_be_said(project: Callable[..., Project]) -> None:
    """[trigger.dev: an empty filter is rejected]"""
    p = project()
    dlq = Dlq(p)
    for command, *more in (("replay",), ("discard", "--reason", "x"), ("export", "--output", str(p.folder / "f"))):
        refused = dlq.start(command, *more)
        assert refused.wait() == ExitCode.CONFIGURATION
        assert "which dead letters? give --where" in refused.tail()
    typo = dlq.start("list", "--where", "reson = 'x'")
    assert typo.wait() == ExitCode.CONFIGURATION
    assert "did you mean 'reason'" in typo.tail()


def test_a_header_alone_never_decides_where_an_event_goes(
    project: Callable[..., Project], topic_factory: Callable[..., str]
) -> None:
    p = project()
    dlq = Dlq(p)
    other = topic_factory("other")
    streams = "__streams.errors."
    at = [(streams + "partition", b"0"), (streams + "offset", b"0"), ("stream.reason", b"x")]
    p.io.produce(
        p.dead_letters,
        [
            (b"1", b"v", [(streams + "topic", other.encode()), *at], None),
            (b"2", b"v", [(streams + "topic", p.input.encode()), *at, ("stream.pipeline", b"another")], None),
            (b"3", b"v", at, None),
            (b"4", b"v", None, None),
        ],
    )
    done = dlq.json("replay", "--all", "--yes")
    assert done["number"] == 0
    assert Counter(stay["why"] for stay in done["stays"]) == {
        "it was read from a topic that is no input of this pipeline": 1,
        "it is a dead letter of another pipeline": 1,
        "its headers do not say where it was read": 2,
    }
    assert not p.io.read_committed(other)
    assert dlq.unresolved() == 4


def of_other_programs(topic: bytes) -> list[tuple[bytes, bytes, list[tuple[str, bytes]], int]]:
    """Dead letters by Connect, a share group, Spring, and Spring's retry topics, each with another key."""
    connect, share, spring = "__connect.errors.", "__dlq.errors.", "kafka_dlt-"
    return [
        (
            b"c",
            tiny.plain(0),
            [
                ("own", b"1"),
                (connect + "topic", topic),
                (connect + "partition", b"1"),
                (connect + "offset", b"0"),
                (connect + "stage", b"VALUE_CONVERTER"),
                (connect + "exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
            ],
            0,
        ),
        (
            b"s",
            tiny.plain(1),
            [
                (share + "topic", topic),
                (share + "partition", b"2"),
                (share + "offset", b"7"),
                (share + "group", b"g"),
                (share + "message", b"delivery count exceeded"),
            ],
            0,
        ),
        (
            b"k",
            tiny.plain(2),
            [
                (spring + "original-topic", topic),
                (spring + "original-partition", (3).to_bytes(4, "big")),
                (spring + "original-offset", (9).to_bytes(8, "big")),
                (spring + "original-timestamp", (1_700_000_000_000).to_bytes(8, "big")),
                (spring + "exception-cause-fqcn", b"java.lang.IllegalStateException"),
            ],
            0,
        ),
        (
            b"r",
            tiny.plain(3),
            [
                ("kafka_correlationId", b"own"),
                ("kafka_original-topic", topic),
                ("kafka_original-partition", (0).to_bytes(4, "big")),
                ("kafka_original-offset", (5).to_bytes(8, "big")),
                ("kafka_original-timestamp", (1_700_000_000_001).to_bytes(8, "big")),
                (spring + "original-consumer-group", b"g"),
                ("kafka_exception-cause-fqcn", b"java.net.SocketTimeoutException"),
                ("retry_topic-attempts", (2).to_bytes(4, "big")),
                ("retry_topic-attempts", (3).to_bytes(4, "big")),
            ],
            0,
        ),
    ]


def test_dead_letters_of_other_programs_are_read_too(project: Callable[..., Project]) -> None:
    p = project()
    dlq = Dlq(p)
    p.io.produce(p.dead_letters, of_other_programs(p.input.encode()))
    assert {g["reason"] for g in dlq.json("list")["groups"]} == {
        "org.apache.kafka.connect.errors.DataException",
        "delivery count exceeded",
        "java.lang.IllegalStateException",
        "java.net.SocketTimeoutException",
    }
    assert dlq.json("replay", "--where", "attempts = 2")["number"] == 1, "those behind retry topics say how many"
    meant = "family = 'spring' or stage = 'VALUE_CONVERTER' or family = 'share'"
    assert dlq.json("replay", "--where", meant, "--yes")["number"] == 4
    back = {record.key: record for record in p.io.read_committed(p.input)}
    assert {key: record.partition for key, record in back.items()} == {b"c": 1, b"s": 2, b"k": 3, b"r": 0}
    assert back[b"r"].timestamp == 1_700_000_000_001
    assert back[b"r"].headers == [("kafka_correlationId", b"own"), (REPLAYS, b"1")]
    assert back[b"k"].timestamp == 1_700_000_000_000
    assert back[b"c"].headers == [("own", b"1"), (REPLAYS, b"1")]
    assert back[b"k"].headers == [(REPLAYS, b"1")]


def test_a_pointer_is_read_again_at_its_origin_while_it_is_there(project: Callable[..., Project]) -> None:
    p = project(partitions=1)
    dlq = Dlq(p)
    large = tiny.reading(1, tiny.TOO_BIG, note="n" * 999_900)
    p.io.produce(p.input, [(b"k", large, [("tenant", b"acme")], None)])
    p.drain()
    (pointer,) = p.io.read_committed(p.dead_letters)
    assert pointer.value is None
    assert dict(pointer.headers)["stream.pointer"] == b"true"
    shown = dlq.json("show", "--partition", "0", "--offset", str(pointer.offset))
    assert shown["decoders"][0]["value"]["id"] == 1, "shown whole"
    assert dlq.json("replay", "--where", "pointer", "--yes")["number"] == 1
    (back,) = replayed(p)
    assert (back.key, back.value, back.headers) == (b"k", large, [("tenant", b"acme"), (REPLAYS, b"1")])
    p.drain()
    delete_all(p.io, p.input)
    done = dlq.json("replay", "--where", "pointer", "--yes")
    assert done["number"] == 0
    assert [stay["why"] for stay in done["stays"]] == ["a pointer, and the event is not at its origin any more"]


def delete_all(io: KafkaIO, topic: str) -> None:
    """As retention would."""
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": io.bootstrap})
    ends = [TopicPartition(topic, p, end) for p, end in io.end_offsets(topic).items()]
    for future in admin.delete_records(ends).values():
        future.result(30)


def test_one_dead_letter_is_shown_as_far_as_any_decoder_gets(project: Callable[..., Project]) -> None:
    p = project(partitions=1)
    dlq = Dlq(p)
    p.io.produce(p.input, [(b"k", bad(5)[:14], [("tenant", b"acme")], None)])
    p.drain()
    shown = dlq.json("show", "--partition", "0", "--offset", "0")
    assert (shown["reason"], shown["topic"], shown["offset"], shown["key"]) == ("truncated", p.input, 0, "k")
    assert ["tenant", "acme"] in shown["headers"]
    named, partly, as_json, text = shown["decoders"]
    assert named["reason"].startswith("truncated")
    assert partly["value"] == {"id": 5}
    assert partly["reason"].startswith("truncated in x at byte")
    assert (as_json["reason"], text["value"]) == ("not JSON", None)
    assert shown["hex"][0].startswith("00000000  c3 01")
    text_form = dlq.run("show", "--partition", "0", "--offset", "0")
    assert '{"id": 5}' in text_form
    missing = dlq.start("show", "--partition", "0", "--offset", "99")
    assert missing.wait() == ExitCode.CONFIGURATION
    assert "there is no dead letter at" in missing.tail()


def test_a_dead_letter_that_is_not_there_is_told_at_once(project: Callable[..., Project]) -> None:
    p = project(partitions=2)
    for partition, offset, told in (
        ("0", "5", f"there is no dead letter at {p.dead_letters}/0@5"),
        ("2", "0", f"{p.dead_letters} has no partition 2: they are 0 to 1"),
    ):
        asked = Dlq(p).start("show", "--partition", partition, "--offset", offset)
        assert asked.wait(20) == ExitCode.CONFIGURATION
        assert told in asked.tail()


def test_an_export_holds_all_there_is(project: Callable[..., Project]) -> None:
    p = project()
    dlq = Dlq(p)
    p.io.produce(p.input, [(b"a", bad(1), [("tenant", b"acme")], None), (b"b", b"no avro", None, None)])
    p.drain()
    file = p.folder / "dead.jsonl"
    dlq.run("export", "--all", "--output", str(file))
    lines = {line["key"]: line for line in map(json.loads, file.read_text().splitlines())}
    assert lines["a"]["event"]["id"] == 1
    assert (lines["b"]["event"], lines["b"]["not_decoded"]) == (None, "not_avro")
    assert ["tenant", "acme"] in lines["a"]["headers"]
    assert lines["a"]["reason"] == "expectation"
    dlq.run("export", "--where", "headers.tenant = 'acme'", "--output", str(file))
    assert len(file.read_text().splitlines()) == 1


def test_a_dead_letter_topic_made_anew_begins_afresh(project: Callable[..., Project]) -> None:
    """Offsets start over then: what was resolved of the old topic must not hide what is in the new one."""
    from confluent_kafka.admin import AdminClient

    p = project(partitions=1)
    dlq = Dlq(p)
    dead(p, range(0, 12, 4))
    assert dlq.json("replay", "--all", "--yes")["number"] == 3
    admin = AdminClient({"bootstrap.servers": p.io.bootstrap})
    admin.delete_topics([p.dead_letters])[p.dead_letters].result(30)
    wait_until(lambda: p.dead_letters not in admin.list_topics(timeout=10).topics, "the topic is gone")
    p.io.create_topics({p.dead_letters: 1})
    dead(p, range(0, 12, 4))
    assert dlq.unresolved() == 3
