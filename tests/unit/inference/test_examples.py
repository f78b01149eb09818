"""The models and the second example that come with the product."""

import runpy
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stream.assembly import build
from stream.avro import DirectorySchemas, EventReader, load_schema, read_values
from stream.batch import Messages, Outcome, Rows
from stream.config import load
from stream.inference import Model, load_package
from stream.inference.features import plan_feeds

ROOT = Path(__file__).parents[3]
EVENTS = ROOT / "tests" / "data" / "tickets.jsonl"


@pytest.mark.parametrize("name", ["arrival-delay", "ticket-triage"])
def test_a_model_that_comes_along_is_in_order(name: str) -> None:
    assert Model(load_package(ROOT / "models" / name)).label == f"{name}/1"


def test_the_flights_schema_feeds_the_flights_model() -> None:
    flights = load_schema(ROOT / "schemas" / "flight.avsc").arrow
    (feed,) = plan_feeds(load_package(ROOT / "models" / "arrival-delay").manifest.inputs, flights)
    assert feed.columns == ("dep_delay", "air_time", "distance", "hour", "month", "sched_dep_time")
    assert load_schema(ROOT / "schemas" / "prediction.avsc").arrow.field("gained").nullable


def test_the_tickets_are_what_their_script_writes(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "models" / "ticket-triage" / "tickets.py"), run_name="__main__")
    assert capsys.readouterr().out == EVENTS.read_text()


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """The tickets through the whole line of pipelines/tickets.yaml."""
    schema = load_schema(ROOT / "schemas" / "ticket.avsc")
    data = [value for part in read_values(EVENTS, schema, 1000) for value in part]
    frame = b"\xc3\x01" + schema.fingerprint.to_bytes(8, "little")
    pipeline = build(load(ROOT / "pipelines" / "tickets.yaml", {}))
    return pipeline.process(Messages.of([frame + value for value in data if isinstance(value, bytes)]))


def test_of_two_hundred_tickets_each_fault_is_set_aside_where_it_is_found(outcome: Outcome) -> None:
    assert len(outcome.messages) == 200
    assert Counter((f.stage, f.reason, f.facts.get("expectations", f.detail)) for f in outcome.failures) == {
        ("validate", "expectation", "known_channel"): 5,
        ("validate", "expectation", "subject_given"): 5,
        ("validate", "expectation", "customer_age"): 5,
        ("infer", "wrong_width", "embedding does not have 8 items"): 5,
        ("infer", "null_feature", "hours_open is null"): 5,
    }
    assert {f.facts["model"] for f in outcome.failures if f.stage == "infer"} == {"ticket-triage/1"}
    assert outcome.warning_counts.total() == 5
    assert outcome.filtered == 0


def test_the_other_tickets_come_out_with_their_record_map_decimal_and_probabilities(outcome: Outcome) -> None:
    assert {rows.topic for rows in outcome.outputs} == {"tickets.urgent", "tickets.triaged"}
    tables = {rows.topic: decoded(rows) for rows in outcome.outputs}
    assert sum(map(len, tables.values())) == 175
    assert {row["urgency"] for row in tables["tickets.urgent"]} == {"urgent"}
    for row in (row for table in tables.values() for row in table):
        probabilities = dict(zip(("low", "normal", "urgent"), row["probabilities"], strict=True))
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(probabilities, key=lambda urgency: probabilities[urgency]) == row["urgency"]
        assert row["paying"] == (row["customer"]["tier"] != "free")
        assert dict(row["labels"])["plan"] == row["customer"]["tier"]
        assert row["amount"].as_tuple().exponent == -2
        assert row["model"] == "ticket-triage/1"


def decoded(rows: Rows) -> list[dict[str, Any]]:
    schema = load_schema(ROOT / "schemas" / "triage.avsc")
    values = [bytes(rows.values[a:b]) for a, b in pairwise(rows.value_offsets.tolist())]
    result = EventReader(schema, DirectorySchemas([], known=[schema])).read(Messages.of(values))
    assert not result.failures
    return pa.Table.from_batches([result.batch.columns]).to_pylist()
