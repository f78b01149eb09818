"""The line: every message ends in one place, and a failed one skips what comes after."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from stream.avro.codec import Encoded, Rejected
from stream.batch import Batch, Failure, FailureClass, Messages, Result, failures_of, pack
from stream.errors import PoisonError, SystemicError, TransientError
from stream.pipeline import Output, Pipeline

SCHEMA = pa.schema([pa.field("n", pa.int64())])


class Numbers:
    """Decodes a decimal number; anything else is set aside."""

    def read(self, messages: Messages) -> Result:
        values = [messages.value(i) or b"" for i in range(len(messages))]
        good = [i for i, v in enumerate(values) if v.isdigit()]
        columns = pa.record_batch({"n": pa.array([int(values[i]) for i in good], pa.int64())})
        bad = [i for i in range(len(values)) if i not in good]
        return Result(Batch(messages, np.array(good, np.int64), columns), failures_of(bad, "decode", "not_avro"))


class Decimal:
    """Encodes it again; refuses numbers over a bound."""

    def __init__(self, bound: int = 10**9) -> None:
        self.bound = bound

    def register(self) -> None: ...

    def write(self, batch: Batch) -> Encoded:
        numbers = batch.column("n").to_pylist()
        good = [i for i, n in enumerate(numbers) if n <= self.bound]
        values, offsets = pack([b"%d" % numbers[i] for i in good])
        bad = [Rejected(i, "out_of_range", "") for i in range(len(numbers)) if i not in good]
        return Encoded(values, offsets, np.array(good, np.int64), bad)


class Each:
    """A stage that runs a function on the list of numbers."""

    name = "call"
    schema = SCHEMA

    def __init__(self, function: Callable[[list[int]], list[int]]) -> None:
        self.function = function
        self.calls = 0

    def apply(self, batch: Batch) -> Result:
        self.calls += 1
        return Result(batch.with_columns({"n": pa.array(self.function(batch.column("n").to_pylist()), pa.int64())}))


class Over:
    def __init__(self, bound: int) -> None:
        self.bound = bound

    def evaluate(self, batch: Batch) -> pa.Array:
        return pa.array([None if n == 0 else n > self.bound for n in batch.column("n").to_pylist()])


def line(*stages: Each, outputs: list[Output] | None = None, **settings: int) -> Pipeline:
    return Pipeline("p", Numbers(), stages, outputs or [Output("out", Decimal())], **settings)


def values(pipeline: Pipeline, *items: bytes | None) -> dict[str, list[bytes]]:
    outcome = pipeline.process(Messages.of(items))
    return {
        rows.topic: [bytes(rows.values[a:b]) for a, b in zip(rows.value_offsets, rows.value_offsets[1:], strict=False)]
        for rows in outcome.outputs
    }


def test_an_event_goes_from_its_message_to_its_output() -> None:
    outcome = line(Each(lambda ns: [n + 1 for n in ns])).process(Messages.of([b"1", b"2"]))
    (rows,) = outcome.outputs
    assert (rows.topic, bytes(rows.values), rows.rows.tolist()) == ("out", b"23", [0, 1])
    assert [(r.stage, r.passed, r.failed) for r in outcome.reports] == [
        ("decode", 2, 0),
        ("call", 2, 0),
        ("encode", 2, 0),
    ]


def test_a_failed_event_skips_the_later_stages() -> None:
    seen: list[list[int]] = []
    stage = Each(lambda ns: seen.append(ns) or ns)  # type: ignore[func-returns-value]
    outcome = line(stage).process(Messages.of([b"1", b"x", b"3"]))
    assert seen == [[1, 3]]
    assert outcome.failures == [Failure(1, "decode", FailureClass.POISON, "not_avro")]


def test_a_stage_that_raises_for_an_event_is_halved_until_the_event_is_found() -> None:
    def refuse(ns: list[int]) -> list[int]:
        if 13 in ns:
            raise PoisonError("unlucky", "thirteen")
        return [n * 2 for n in ns]

    stage = Each(refuse)
    outcome = line(stage).process(Messages.of([b"%d" % n for n in range(64)]))
    assert [(f.row, f.reason, f.detail) for f in outcome.failures] == [(13, "unlucky", "thirteen")]
    (rows,) = outcome.outputs
    assert rows.rows.tolist() == [n for n in range(64) if n != 13]
    assert bytes(rows.values) == b"".join(b"%d" % (n * 2) for n in range(64) if n != 13)
    assert stage.calls <= 2 * 6 + 1


def test_when_every_event_is_bad_all_are_set_aside() -> None:
    def refuse(ns: list[int]) -> list[int]:
        raise TransientError("busy")

    outcome = line(Each(refuse)).process(Messages.of([b"1", b"2", b"3"]))
    assert [(f.row, f.kind) for f in outcome.failures] == [(n, FailureClass.TRANSIENT) for n in range(3)]
    assert not outcome.outputs


def test_a_systemic_error_is_not_an_events_failure() -> None:
    def down(ns: list[int]) -> list[int]:
        raise SystemicError("service", "down")

    with pytest.raises(SystemicError):
        line(Each(down)).process(Messages.of([b"1"]))


def test_an_unknown_exception_is_never_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        line(Each(lambda ns: [n // 0 for n in ns])).process(Messages.of([b"1"]))


def test_a_stage_that_loses_an_event_is_found_out() -> None:
    class Lossy(Each):
        def apply(self, batch: Batch) -> Result:
            return Result(batch.slice(0, len(batch) - 1))

    with pytest.raises(AssertionError, match="3 events in, 2 passed"):
        line(Lossy(lambda ns: ns)).process(Messages.of([b"1", b"2", b"3"]))


def test_the_count_holds_without_assertions_too() -> None:
    """`python -O` leaves them out."""
    count = "from stream.batch import Messages, Outcome; Outcome(Messages.of([b'']), [], [])"
    done = subprocess.run([sys.executable, "-O", "-c", count], capture_output=True, text=True, check=False)
    assert "1 messages in, 0 accounted for" in done.stderr


def test_the_first_output_whose_condition_holds_takes_the_event_and_null_does_not_hold() -> None:
    outputs = [Output("big", Decimal(), Over(10)), Output("some", Decimal(), Over(1))]
    pipeline = line(outputs=outputs)
    assert values(pipeline, b"20", b"5", b"1", b"0") == {"big": [b"20"], "some": [b"5"]}
    assert pipeline.process(Messages.of([b"20", b"5", b"1", b"0"])).filtered == 2


def test_an_event_the_output_schema_refuses_is_set_aside_by_encode() -> None:
    outcome = line(outputs=[Output("out", Decimal(bound=10))]).process(Messages.of([b"1", b"99", b"3"]))
    assert [(f.row, f.stage, f.reason) for f in outcome.failures] == [(1, "encode", "out_of_range")]
    assert outcome.outputs[0].rows.tolist() == [0, 2]


def test_an_output_too_large_to_produce_is_set_aside() -> None:
    pipeline = line(max_event_bytes=3)
    outcome = pipeline.process(Messages.of([b"1", b"12345", b"3"], [b"k", b"k", b"k"]))
    assert [(f.row, f.reason) for f in outcome.failures] == [(1, "too_large")]
    assert values(pipeline, b"1", b"12345", b"333") == {"out": [b"1", b"333"]}


def test_no_message_at_all_is_fine() -> None:
    assert values(line(), b"x", None) == {}


def test_the_scores_of_a_stage_are_told_under_its_name_also_when_its_batch_was_halved() -> None:
    class Scored(Each):
        def apply(self, batch: Batch) -> Result:
            result = super().apply(batch)
            return Result(result.batch, scores={"y": np.array([float(len(batch))])})

    def refuse_seven(numbers: list[int]) -> list[int]:
        if 7 in numbers:
            raise PoisonError("seven")
        return numbers

    outcome = line(Scored(refuse_seven)).process(Messages.of([b"1", b"2", b"7", b"4"]))
    assert {where: values.tolist() for where, values in outcome.scores.items()} == {("call", "y"): [2.0]}
    assert len(outcome.failures) == 1
