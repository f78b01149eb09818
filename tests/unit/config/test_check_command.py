"""`stream check` and `stream schema`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stream.cli import main
from stream.errors import ConfigurationError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(capsys, monkeypatch):
    """run(*arguments) -> (exit code, stdout, stderr)."""
    monkeypatch.setenv("STREAM_INSTANCE", "test")
    for name in ("STREAM_SCHEMA_REGISTRY_URL", "STREAM_KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return command


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the flights pipeline and what it names; the working directory is its folder."""
    for folder in ("schemas", "suites", "models/arrival-delay"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "pipelines").mkdir()
    shutil.copy(ROOT / "pipelines/flights.yaml", tmp_path / "pipelines/flights.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_right_pipeline_is_shown_stage_by_stage(run, project):
    code, shown, told = run("check", "pipelines/flights.yaml")
    assert code == 0
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "decode schemas/flight.avsc 15 columns" in lines
    assert "validate departed-flight: 8 compiled" in lines
    assert "transform gained: dep_delay - air_time / 60 gained: double" in lines
    assert "infer arrival-delay/1 predicted_delay: float, model: string" in lines
    assert "flights.late predicted_delay > 15 schemas/prediction.avsc" in lines
    assert "flights.dlq what failed, with the reason as it came" in lines
    assert told == (
        "pipelines/flights.yaml is right; next: stream process pipelines/flights.yaml --input FILE --output DIR\n"
    )


def test_explain_tells_how_each_expectation_is_checked(run, project):
    _, shown, _ = run("check", "pipelines/flights.yaml", "--explain")
    assert "  expect_column_values_to_be_between(distance): compiled, critical: distance is double" in shown
    assert "  gained = dep_delay - air_time / 60: double, from dep_delay, air_time" in shown
    assert "  tailnum: string" in shown


def test_the_same_as_json(run, project):
    code, shown, _ = run("check", "pipelines/flights.yaml", "--output", "json")
    facts = json.loads(shown)
    assert code == 0
    assert facts["pipeline"] == "flights"
    assert facts["input"] == {"topics": ["flights"], "start": "earliest", "group_protocol": "classic"}
    assert [stage["stage"] for stage in facts["stages"]] == ["decode", "validate", "transform", "infer"]
    assert facts["stages"][2]["columns"] == {"gained": "double"}
    assert facts["stages"][3]["does"] == "arrival-delay/1"
    assert facts["outputs"][0] == {
        "topic": "flights.late",
        "schema": "schemas/prediction.avsc",
        "when": "predicted_delay > 15",
    }
    assert facts["dead_letters"] == "flights.dlq"
    assert facts["codec"].split(":")[0] in ("native", "reference")


def test_every_mistake_is_one_line_and_the_exit_code_is_2(run, project):
    path = project / "pipelines/flights.yaml"
    path.write_text(path.read_text().replace("order", "ordr").replace("topic: flights\n", "topic: fl ights\n"))
    code, shown, told = run("check", "pipelines/flights.yaml")
    assert (code, shown) == (2, "")
    (line,) = told.splitlines()
    assert line.endswith(
        "pipelines/flights.yaml:10:10: input.topic: 'fl ights' cannot be a topic: letters, digits, '.', '_' and"
        " '-' only, at most 249 characters"
    )


def test_a_column_that_no_schema_has_is_told_with_its_place(run, project):
    path = project / "pipelines/flights.yaml"
    path.write_text(path.read_text().replace("predicted_delay > 15", "predicted_dely > 15"))
    code, _, told = run("check", "pipelines/flights.yaml")
    assert code == 2
    (line,) = told.splitlines()
    assert "pipelines/flights.yaml:32:66: expression `predicted_dely > 15`: no column 'predicted_dely'" in line
    assert "; did you mean 'predicted_delay'?" in line


def test_neither_kafka_nor_a_registry_is_needed(run, project, monkeypatch):
    monkeypatch.setenv("STREAM_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("STREAM_SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    assert run("check", "pipelines/flights.yaml")[0] == 0


def test_schema_prints_the_schema_of_the_pipeline_file(run):
    code, shown, _ = run("schema")
    assert code == 0
    assert shown == (ROOT / "docs/pipeline.schema.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("function", "at"),
    [
        ("stream.inference.try_package", "model: models/arrival-delay"),
        ("stream.validation.verify_with_gx", "suite: suites/departed-flight.json"),
    ],
)
def test_thorough_tries_models_and_asks_great_expectations_and_places_what_they_say(
    run, project, monkeypatch, function, at
):
    def refuse(_what: object) -> None:
        raise ConfigurationError(["it will not do"])

    for name in ("stream.inference.try_package", "stream.validation.verify_with_gx"):
        monkeypatch.setattr(name, refuse if name == function else lambda _what: None)
    text = (project / "pipelines/flights.yaml").read_text().splitlines()
    line = next(number for number, written in enumerate(text, 1) if at in written)
    column = text[line - 1].index(at) + len(at.split()[0]) + 2
    code, _, told = run("check", "pipelines/flights.yaml", "--thorough")
    assert (code, told) == (2, f"pipelines/flights.yaml:{line}:{column}: it will not do\n")
    assert run("check", "pipelines/flights.yaml")[0] == 0, "without --thorough nobody asks them"
