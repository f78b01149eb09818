"""The measured pipeline is the user's in all but names: its files are found, its topics are not the user's."""

from dataclasses import replace
from pathlib import Path

import pytest

from stream.avro import load_schema
from stream.bench.derive import derive, topic_of
from stream.config import Config, load
from stream.config.values import MAX_NAME, MAX_TOPIC
from stream.kafka.topics import needed

ROOT = Path(__file__).parents[3]
MARK = "bench-0a1b2c3d"
FLIGHTS = ROOT / "pipelines" / "flights.yaml"


def derived(path: Path, folder: Path) -> Config:
    config = load(path, {})
    schema = load_schema(config.project.find(config.file.input.schema_file or ""))
    return load(derive(config, schema, MARK, folder), {})


@pytest.mark.parametrize("path", sorted(ROOT.glob("pipelines/*.yaml")), ids=lambda path: path.stem)
def test_no_topic_and_no_name_of_the_user_is_left(path: Path, tmp_path: Path) -> None:
    given, new = load(path, {}).file, derived(path, tmp_path).file
    assert len(needed(new)) == len(needed(given))
    assert not needed(new).keys() & needed(given).keys()
    assert all(name.startswith(MARK) for name in needed(new))
    assert (new.name, new.input.start) == (f"{MARK}.{given.name}", "earliest")


def test_everything_else_stays_as_it_is(tmp_path: Path) -> None:
    given, new = load(FLIGHTS, {}).file, derived(FLIGHTS, tmp_path).file
    assert new.stages == given.stages
    assert new.batch == given.batch
    assert [(o.schema_file, o.when) for o in new.outputs] == [(o.schema_file, o.when) for o in given.outputs]
    assert new.failures.dead_letter.limit == given.failures.dead_letter.limit
    assert new.failures.retry == given.failures.retry


def test_files_beside_the_pipeline_and_in_the_folder_above_are_found(tmp_path: Path) -> None:
    project = derived(FLIGHTS, tmp_path).project
    for name in ("schemas/flight.avsc", "suites/departed-flight.json", "models/arrival-delay", "flights.yaml"):
        assert project.find(name).exists(), name
    assert project.folder != FLIGHTS.parent


def test_a_path_that_leads_further_out_becomes_absolute(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b" / "pipelines"
    home.mkdir(parents=True)
    (tmp_path / "a" / "far.avsc").write_text((ROOT / "schemas" / "flight.avsc").read_text())
    text = FLIGHTS.read_text().replace("schema: schemas/flight.avsc", "schema: ../../far.avsc")
    (home / "p.yaml").write_text(text)
    (tmp_path / "new").mkdir()
    assert derived(home / "p.yaml", tmp_path / "new").file.input.schema_file == str(tmp_path / "a" / "far.avsc")


def test_a_schema_of_the_registry_is_written_down(tmp_path: Path) -> None:
    """The subject of a topic of the measurement does not exist there."""
    config = load(FLIGHTS, {"STREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"})
    input_ = config.file.input.model_copy(update={"schema_file": None})
    without = replace(config, file=config.file.model_copy(update={"input": input_}))
    schema = load_schema(ROOT / "schemas" / "flight.avsc")
    new = load(derive(without, schema, MARK, tmp_path), {})
    assert load_schema(new.project.find(new.file.input.schema_file or "")) == schema


def test_long_names_are_cut_to_what_is_allowed(tmp_path: Path) -> None:
    text = FLIGHTS.read_text().replace("pipeline: flights ", f"pipeline: {'n' * MAX_NAME} ")
    (tmp_path / "given").mkdir()
    path = tmp_path / "given" / "p.yaml"
    path.write_text(text)
    (tmp_path / "new").mkdir()
    schema = load_schema(ROOT / "schemas" / "flight.avsc")
    assert len(load(derive(load(path, {}), schema, MARK, tmp_path / "new"), {}).file.name) == MAX_NAME
    assert len(topic_of(MARK, "t" * MAX_TOPIC)) == MAX_TOPIC
