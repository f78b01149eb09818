"""Every kind of poison among good events; what is down is a pause, and so is too much poison."""

from __future__ import annotations

import json
from typing import Any, Final

from acceptance import tiny
from acceptance.kafka_io import KafkaIO
from acceptance.running import Project, wait_until

from stream.devkafka.registry_server import RegistryServer

STREAMS: Final = "__streams.errors."
BIG = 1_200_000
DEEP = 70
MAX_BYTES = {"max.message.bytes": "3000000"}


def _nested(depth: int) -> Any:
    of: Any = "long"
    for _ in range(depth):
        of = {"type": "array", "items": of}
    return of


def _with_field(of: Any) -> dict[str, Any]:
    return {**tiny.READING, "fields": [*tiny.READING["fields"], {"name": "bomb", "type": of}]}  # type: ignore[misc]


DEEP_SCHEMA, EMPTY_SCHEMA = _with_field(_nested(DEEP)), _with_field({"type": "array", "items": "null"})
GOOD = tiny.reading(1, 4.0)
POISON: dict[str, tuple[bytes | None, str, str]] = {
    "not avro": (b"this is no event", "decode", "not_avro"),
    "no bytes": (b"", "decode", "not_avro"),
    "no value": (None, "decode", "null_value"),
    "framing cut": (GOOD[:6], "decode", "truncated"),
    "cut": (GOOD[:-4], "decode", "truncated"),
    "bytes to spare": (GOOD + b"\x00", "decode", "trailing_bytes"),
    "unknown schema": (b"\xc3\x01" + b"\x07" * 8 + tiny.datum(1, 4.0), "decode", "unknown_schema"),
    "an id without a registry": (b"\x00\x00\x00\x00\x01" + tiny.datum(1, 4.0), "decode", "unknown_schema"),
    "nesting bomb": (
        b"\xc3\x01" + tiny.fingerprint(DEEP_SCHEMA) + tiny.datum(1, 4.0) + b"\x02" * (DEEP + 1) + b"\x00" * DEEP,
        "decode",
        "too_deep",
    ),
    # 10^12 nulls in seven bytes
    "empty items bomb": (
        b"\xc3\x01" + tiny.fingerprint(EMPTY_SCHEMA) + tiny.datum(1, 4.0) + b"\x80\xc0\xca\xf3\x84\xa3\x02\x00",
        "decode",
        "too_many_items",
    ),
    "text that is not UTF-8": (GOOD[:-1] + b"\x02\x02\xff", "decode", "invalid_utf8"),
    "over a critical bound": (tiny.reading(1, tiny.TOO_BIG), "validate", "expectation"),
    "result not finite": (tiny.reading(1, -1.0), "infer", "result_not_finite"),
    "refused by the model": (tiny.reading(1, 1.0, 9), "infer", "model_refused"),
    "result too large": (tiny.reading(1, 4.0, 0, "n" * BIG), "encode", "too_large"),
    "large and not avro": (b"!" * BIG, "decode", "not_avro"),
}


def test_poison_of_each_kind_becomes_a_dead_letter_with_its_reason_and_the_rest_goes_on(project, kafka) -> None:
    p = project(partitions=0)
    p.io.create_topics({p.input: 1}, MAX_BYTES)
    p.io.create_topics(dict.fromkeys(p.ends, 1))
    (p.folder / "schemas" / "deep.avsc").write_text(json.dumps(DEEP_SCHEMA))
    (p.folder / "schemas" / "empty.avsc").write_text(json.dumps(EMPTY_SCHEMA))
    records: list[Any] = []
    for number, (case, (value, _, _)) in enumerate(POISON.items()):
        records.append((b"good", tiny.reading(number, 4.0), None, 0))
        records.append((case.encode(), value, [("case", case.encode()), ("traceparent", b"00-1-1-01")], 0))
    KafkaIO(kafka.bootstrap, {"message.max.bytes": "3000000"}).produce(p.input, records)

    worker = p.start()
    p.await_progress(len(records))
    found = p.read()
    passed = [tiny.score(record.value)["id"] for topic in p.outputs for record in found[topic]]
    assert sorted(passed) == list(range(len(POISON)))

    letters = {(record.key or b"").decode(): record for record in found[p.dead_letters]}
    assert letters.keys() == POISON.keys()
    assert len(found[p.dead_letters]) == len(POISON)
    for place, (case, (value, stage, reason)) in enumerate(POISON.items()):
        record = letters[case]
        headers = {name: (held or b"").decode() for name, held in record.headers}
        assert (headers["stream.stage"], headers["stream.reason"]) == (stage, reason), case
        assert (headers["case"], headers["traceparent"]) == (case, "00-1-1-01"), case
        assert (headers[STREAMS + "topic"], headers[STREAMS + "partition"]) == (p.input, "0"), case
        assert headers[STREAMS + "offset"] == str(2 * place + 1), case
        pointer = value is not None and len(value) > 1_000_000
        assert (record.value, headers.get("stream.pointer")) == ((None, "true") if pointer else (value, None)), case
        if stage == "infer":
            assert headers["stream.model"] == "root/1"
        assert worker.metric("stream_dead_letters_total", stage=stage, reason=reason) == sum(
            wanted == (stage, reason) for _, *wanted_ in POISON.values() for wanted in [tuple(wanted_)]
        )
    assert worker.metric("stream_events_received_total") == len(records) == worker.metric("stream_events_total")
    assert worker.stop() == 0
    assert "this is no event" not in worker.log.read_text()


def test_an_unknown_id_is_poison_and_a_registry_that_is_down_a_pause(project) -> None:
    p = project(partitions=1)
    with RegistryServer() as server:
        body = {"schema": json.dumps(tiny.READING)}
        known = server.registry.register("other-value", body).id
        worker = p.start(STREAM_SCHEMA_REGISTRY_URL=server.url)
        worker.wait_for("rebalance")
        send = _Framed(p)
        send(known, 1)
        send(4711, 2)
        send(known, 3)
        p.await_progress(3)

        server.failing = 503
        send(known, 4)
        p.await_progress(4)
        wider = {**tiny.READING, "fields": [*tiny.READING["fields"], {"name": "more", "type": "long", "default": 0}]}  # type: ignore[misc]
        new = server.registry.register("other-value", {"schema": json.dumps(wider)}).id
        send(new, 5, b"\x02")
        send(known, 6)
        worker.wait_for("state", state="paused")
        ready = worker.ready()
        assert (ready["status"], ready["state"]) == (503, "paused")
        assert "registry" in ready["reason"]
        assert worker.page("/livez")[0] == 200
        assert worker.metric("stream_pauses_total", reason="registry") >= 1
        assert worker.metric("stream_pipeline_state", state="paused") == 1
        assert p.progress() == 4, "nothing is committed while it is down"

        server.failing = None
        p.await_progress(6)
        wait_until(lambda: worker.ready()["status"] == 200, "ready again")
        assert worker.stop() == 0
    found = p.read()
    (letter,) = found[p.dead_letters]
    assert (letter.key, dict(letter.headers)["stream.reason"]) == (b"2", b"unknown_schema")
    assert dict(letter.headers)["stream.schema"] == b"4711"
    keys = [record.key for topic in p.outputs for record in found[topic]]
    assert sorted(keys) == [b"1", b"3", b"4", b"5", b"6"]
    assert all((r.value or b"")[:1] == b"\x00" for topic in p.outputs for r in found[topic]), "framed by an id"


class _Framed:
    """Writes a reading in Confluent framing."""

    def __init__(self, p: Project) -> None:
        self._p = p

    def __call__(self, schema_id: int, number: int, more: bytes = b"") -> None:
        value = b"\x00" + schema_id.to_bytes(4, "big") + tiny.datum(number, 4.0) + more
        self._p.io.produce(self._p.input, [(b"%d" % number, value, None, 0)])


def test_over_the_dead_letter_limit_nothing_is_committed_until_the_suite_is_mended(project) -> None:
    p = project(partitions=1, limit="{ratio: 0.5, window: 100, consecutive: 50}")
    good = [(b"%d" % n, tiny.reading(n, 4.0), None, 0) for n in range(300)]
    bad = [(b"%d" % n, tiny.reading(n, tiny.TOO_BIG + n), None, 0) for n in range(300, 400)]
    p.io.produce(p.input, [*good, *bad])
    worker = p.start()
    paused = worker.wait_for("state", state="paused")
    assert "dead_letter_limit" in paused["reason"]
    before = p.committed_offsets()
    assert before[0] <= 350
    ready = worker.ready()
    assert (ready["status"], ready["state"]) == (503, "paused")
    assert "over the limit" in ready["reason"]
    assert worker.metric("stream_pauses_total", reason="dead_letter_limit") >= 1
    worker.wait_for("attempt failed: reading again from the committed offsets", count=3)
    assert p.committed_offsets() == before, "probing commits nothing"
    assert len(p.io.read_committed(p.dead_letters)) == max(0, before[0] - 300)
    assert worker.ready()["assigned_partitions"] == 1, "the group is kept"
    assert worker.stop() == 0, "a paused worker stops as any other"

    suite = json.loads((p.folder / "suites" / "reading.json").read_text())
    suite["expectations"][0]["kwargs"]["max_value"] = 1e7
    (p.folder / "suites" / "reading.json").write_text(json.dumps(suite))
    assert p.drain()["events"] == 400 - before[0]
    found = p.read()
    ends = [record.key for topic in p.ends for record in found[topic]]
    assert sorted(ends) == sorted(b"%d" % n for n in range(400))
