import io
import json
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from stream import logs
from stream.batch import Messages, Outcome, Rows, StageReport, failures_of

SECRET = b"customer 4711"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("stream")
    before = (root.handlers, root.level, own.level)
    yield
    root.handlers, level, own_level = before[0], before[1], before[2]
    root.setLevel(level)
    own.setLevel(own_level)
    logging.captureWarnings(False)


def lines(to: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in to.getvalue().splitlines()]


def test_a_line_has_its_fields_and_those_of_the_process() -> None:
    to = io.StringIO()
    logs.configure("json", to, pipeline="flights", instance="a", worker=0)
    logs.logger().info("committed", events=3)
    (line,) = lines(to)
    assert list(line)[:3] == ["time", "level", "message"]
    assert line.pop("time").startswith("20")
    assert line == {
        "message": "committed",
        "level": "info",
        "logger": "stream",
        "pipeline": "flights",
        "instance": "a",
        "worker": 0,
        "events": 3,
    }


def test_lines_of_librdkafka_and_warnings_of_libraries_come_out_the_same_way() -> None:
    to = io.StringIO()
    logs.configure("json", to, pipeline="flights")
    logging.getLogger("stream.kafka.source").warning("FAIL [%s] %s", "rdkafka#consumer-1", "Disconnected")
    logging.getLogger("elsewhere").info("chatter of another library")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    client, library = lines(to)
    assert client["message"] == "FAIL [rdkafka#consumer-1] Disconnected"
    assert (client["logger"], client["pipeline"]) == ("stream.kafka.source", "flights")
    assert (library["logger"], library["level"]) == ("py.warnings", "warning")


def test_debug_lines_are_left_out_unless_asked_for() -> None:
    to = io.StringIO()
    logs.configure("json", to)
    logs.logger().debug("detail")
    assert lines(to) == []
    logs.configure("json", to, logging.DEBUG)
    logs.logger().debug("detail")
    assert len(lines(to)) == 1


def test_an_exception_is_one_line_with_its_traceback() -> None:
    to = io.StringIO()
    logs.configure("json", to)
    try:
        raise RuntimeError("a defect")
    except RuntimeError:
        logs.logger().exception("failed")
    (line,) = lines(to)
    assert "RuntimeError: a defect" in str(line["exception"])


def test_text_is_for_people_and_without_colours_when_it_is_no_terminal() -> None:
    to = io.StringIO()
    logs.configure("text", to, pipeline="flights")
    logs.logger().info("committed", events=3)
    (line,) = to.getvalue().splitlines()
    assert "committed" in line
    assert "events=3" in line
    assert "pipeline=flights" in line
    assert "\x1b" not in line


def outcome(partitions: int = 1) -> Outcome:
    messages = Messages.of([SECRET] * 5, [SECRET] * 5, topic="in")
    offsets = {("in", p): 5 for p in range(partitions)}
    fields = {f: getattr(messages, f) for f in Messages.__slots__} | {"next_offsets": offsets}
    rows = Rows("out", np.arange(3), SECRET, np.zeros(4, np.int64))
    failures = failures_of([4], "decode", "not_avro", "magic byte 0x63")
    return Outcome(Messages(**fields), [rows], failures, 1, {0: ("w",)}, reports=[StageReport("decode", 0.0123, 4, 1)])


def test_the_line_of_a_batch_has_counts_times_and_offsets_and_nothing_of_the_events() -> None:
    fields = logs.committed_fields(outcome(), 0.0071)
    assert fields == {
        "events": 5,
        "outputs": {"out": 3},
        "dead_letters": {"decode:not_avro": 1},
        "retried": {},
        "filtered": 1,
        "warnings": 1,
        "next_offsets": {"in/0": 5},
        "process_ms": 12.3,
        "transaction_ms": 7.1,
    }
    assert SECRET.decode() not in json.dumps(fields)


def test_what_is_tried_again_is_no_dead_letter_in_the_line_of_a_batch() -> None:
    fields = logs.committed_fields(outcome(), 0.0, frozenset({4}))
    assert (fields["dead_letters"], fields["retried"]) == ({}, {"decode:not_avro": 1})


def test_the_line_of_a_batch_of_many_partitions_stays_short() -> None:
    assert logs.committed_fields(outcome(partitions=500), 0.0)["next_offsets"] == "500 partitions"
