"""What a right pipeline file comes to."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stream.config import Config, RetryTier
from stream.errors import Problem
from stream.stages import KINDS, transform

FULL = """\
# yaml-language-server: $schema=../docs/pipeline.schema.json
pipeline: flights
input:
  topic: [flights-eu, flights-us]
  schema: schemas/flight.avsc
  start: 2026-01-31T06:00:00Z
stages:
  - transform: {gained: dep_delay - air_time / 60}
  - call: {function: rules:adjust, adds: {score: double}}
outputs:
  - {topic: flights.late, schema: prediction.avsc, when: score > 15}
  - {topic: flights.predictions, schema: prediction.avsc}
failures:
  dead_letter: {topic: flights.dead, limit: {ratio: 0.1, window: 500, consecutive: 20}}
  retry: {delays: [10s, 60s, 10m]}
  order: strict
batch: {events: 500, bytes: 500kB, wait: 5ms}
transaction: {timeout: 8s}
group: {protocol: consumer}
"""


def test_the_shortest_file_is_input_one_stage_and_one_output(load_text):
    file = load_text().file
    assert file.name == "flights"  # the file's name
    assert file.input.topics == ("flights",)
    assert file.input.start == "earliest"
    assert [entry.kind for entry in file.stages] == ["transform"]
    assert file.stages[0].settings == transform.Settings({"gained": "dep_delay - air_time / 60"})
    assert file.outputs[0].when is None
    assert file.dead_letter_topic == "flights.dlq"
    assert file.retry_tiers == ()
    assert (file.batch.events, file.batch.bytes, file.batch.wait_s) == (30_000, 16 * 1024 * 1024, 0.025)
    assert file.transaction.timeout_s == 10.0
    assert (file.failures.order, file.group.protocol) == ("relaxed", "classic")
    limit = file.failures.dead_letter.limit
    assert (limit.ratio, limit.window, limit.consecutive) == (0.5, 1000, 1000)


def test_everything_written_is_taken_with_its_unit(load_text):
    file = load_text(FULL).file
    assert file.input.topics == ("flights-eu", "flights-us")
    assert file.input.start == "1769839200000"
    assert file.outputs[0].when == "score > 15"
    assert (file.batch.events, file.batch.bytes, file.batch.wait_s) == (500, 500_000, 0.005)
    assert file.transaction.timeout_s == 8.0
    assert file.dead_letter_topic == "flights.dead"
    assert file.failures.dead_letter.limit.ratio == 0.1
    assert (file.failures.order, file.group.protocol) == ("strict", "consumer")


def test_in_strict_order_an_event_waits_in_its_partition_and_there_are_no_retry_topics(load_text):
    file = load_text(FULL).file
    assert file.failures.order == "strict"
    assert file.retry_tiers == ()
    assert file.failures.retry.delays_s == (10.0, 60.0, 600.0)


def test_retry_topics_are_named_after_the_shortest_way_to_write_their_delay(load_text):
    relaxed = FULL.replace("order: strict", "order: relaxed")
    assert load_text(relaxed).file.retry_tiers == (
        RetryTier("flights.retry.10s", 10.0),
        RetryTier("flights.retry.1m", 60.0),
        RetryTier("flights.retry.10m", 600.0),
    )


def test_numbers_and_booleans_are_expressions_too(load_text):
    text = """\
input: {topic: flights, schema: flight.avsc}
stages:
  - transform: {threshold: 15, ratio: 0.5, flag: true}
outputs:
  - {topic: results, schema: result.avsc, when: true}
"""
    file = load_text(text).file
    assert file.stages[0].settings.root == {"threshold": "15", "ratio": "0.5", "flag": "true"}
    assert file.outputs[0].when == "true"


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "1:30", "0x", "2026-01-31", "<<", "="])
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_text(load_text, word):
    text = f"input: {{topic: t, schema: {word}}}\nstages: [transform: {{a: b}}]\noutputs: [{{topic: r, schema: s}}]\n"
    assert load_text(text).file.input.schema_file == word


def test_a_config_cannot_be_changed(load_text):
    config = load_text()
    with pytest.raises(ValidationError, match="frozen"):
        config.file.batch.events = 1
    with pytest.raises(AttributeError):
        config.path = Path("x")


def test_files_are_looked_up_beside_the_pipeline_file_then_one_above(load_text, tmp_path):
    config = load_text()
    (tmp_path / "flight.avsc").touch()
    assert config.project.find("flight.avsc").resolve() == tmp_path / "flight.avsc"


@pytest.mark.parametrize(
    ("at", "place"),
    [
        (("stages", 0, "transform", "gained"), "flights.yaml:8:25"),
        (("stages", 1, "call", "function"), "flights.yaml:9:22"),
        (("stages", 1, "call", "nothing", "here"), "flights.yaml:9:5"),
        (("outputs", 0, "when"), "flights.yaml:11:58"),
        (("outputs", 7), "flights.yaml:10:1"),
        (("nothing",), "flights.yaml:2:1"),
        ((), "flights.yaml:2:1"),
    ],
)
def test_a_problem_found_later_gets_its_place_from_its_path(load_text, at, place):
    config = load_text(FULL)
    assert config.locate(Problem("no column 'x'", at)) == Problem("no column 'x'", at, place)


def test_a_problem_in_another_file_keeps_its_place(load_text):
    problem = Problem("no such expectation", ("stages", 0), "suites/a.json:3:5")
    assert load_text(FULL).locate(problem) == problem


def test_the_resolved_configuration_shows_defaults_as_people_write_them(load_text):
    resolved = load_text().resolved()
    assert resolved["file"]["batch"] == {"events": 30_000, "bytes": "16MiB", "wait": "25ms"}
    assert resolved["file"]["stages"] == [{"transform": {"gained": "dep_delay - air_time / 60"}}]
    assert resolved["file"]["failures"]["retry"] == {"delays": [], "max_elapsed": None, "on_exhausted": "dead_letter"}


def test_every_kind_of_stage_has_settings_and_build():
    from stream.stages import kind

    for name in KINDS:
        found = kind(name)
        assert found.settings.__name__ == "Settings"
        assert callable(found.build)
    with pytest.raises(KeyError):
        kind("os")


def test_config_is_what_load_gives(load_text):
    assert isinstance(load_text(), Config)
