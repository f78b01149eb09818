"""`stream init`: a project that is right as it is made, all of it or nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

import stream
from stream.cli import app
from stream.devkafka.jars import read_lock
from stream.errors import ConfigurationError, ExitCode
from stream.inference import load_package
from stream.scaffold.project_files import make_project, project_name, version_tokens


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_project(tmp_path / "pumps", "pumps")
    return tmp_path / "pumps"


def test_a_new_project_has_everything_that_a_pipeline_needs(made: Path) -> None:
    files = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert files >= {
        ".gitignore",
        "README.md",
        "docker-compose.yml",
        "events/readings.jsonl",
        "models/remaining-life/1/manifest.json",
        "models/remaining-life/1/model.onnx",
        "pipelines/pumps.yaml",
        "pipelines/pipeline.schema.json",
        "requirements.txt",
        "schemas/reading.avsc",
        "suites/reading.json",
        "tests/test_pipeline.py",
        "train.py",
    }
    assert load_package(made / "models" / "remaining-life").manifest.version == 1


def test_no_token_is_left_and_the_name_is_everywhere(made: Path) -> None:
    for path in made.rglob("*"):
        if path.is_file() and path.suffix != ".onnx":
            assert not re.search(r"@[A-Z]+@", path.read_text("utf-8")), path
            assert not path.name.endswith(".tmpl")
    assert "topic: pumps.alerts" in (made / "pipelines" / "pumps.yaml").read_text()
    assert (
        f"stream-inference[devkafka]{version_tokens(stream.__version__)['@PIN@']}\n"
        in (made / "requirements.txt").read_text()
    )


def test_a_release_is_pinned_and_a_development_build_is_not() -> None:
    assert version_tokens("1.2.0") == {"@VERSION@": "1.2.0", "@PIN@": "==1.2.0"}
    assert version_tokens("1.2.1.dev3+g0123abc") == {"@VERSION@": "latest", "@PIN@": ""}


def test_it_passes_check_and_every_sample_event_ends_in_one_place(made: Path, tmp_path: Path) -> None:
    pipeline = str(made / "pipelines" / "pumps.yaml")
    assert run("check", pipeline).exit_code == 0
    events = (made / "events" / "readings.jsonl").read_text().splitlines()
    arguments = ["--input", str(made / "events" / "readings.jsonl"), "--output", str(tmp_path / "out")]
    report = json.loads(run("process", pipeline, *arguments, "--report", "json").stdout)
    assert report["events"] == len(events)
    assert all(report["outputs"].values()), "each output is shown by an event"
    assert report["dead_letters"], "so are dead letters"
    assert sum(report["outputs"].values()) + sum(report["dead_letters"].values()) == len(events)


def test_its_python_files_are_as_clean_as_ours(made: Path) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", str(root / "pyproject.toml"), "--ignore=T20", "."],
        cwd=made,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    compiled = [compile(path.read_text("utf-8"), str(path), "exec") for path in made.rglob("*.py")]
    assert len(compiled) == 2


def test_its_kafka_is_the_one_that_stream_is_tested_with(made: Path) -> None:
    services = yaml.safe_load((made / "docker-compose.yml").read_text())["services"]
    assert services["kafka"]["image"] == f"apache/kafka:{read_lock().kafka}"
    tag = version_tokens(stream.__version__)["@VERSION@"]
    assert services["worker"]["image"].endswith(f"stream-inference:{tag}}}")


def test_the_command_tells_what_it_made_and_what_is_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = run("init", "pump station")
    assert told.exit_code == 0
    assert "cd 'pump station'" in told.stdout
    assert "stream check pipelines/pump-station.yaml" in told.stdout
    made = json.loads(run("init", "other", "--name", "mills", "--output", "json").stdout)
    assert made["name"] == "mills"
    assert "pipelines/mills.yaml" in made["files"]
    assert made["next"][0] == "cd other"


@pytest.mark.parametrize("held", ["file", "hidden", "folder"])
def test_a_folder_that_holds_anything_is_left_as_it_is(held: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    if held == "folder":
        (folder / "sub").mkdir()
    else:
        (folder / {"file": "notes.txt", "hidden": ".env"}[held]).write_text("precious")
    before = sorted(folder.rglob("*"))
    refused = run("init", str(folder))
    assert refused.exit_code == ExitCode.CONFIGURATION
    assert "not empty" in refused.stderr
    assert sorted(folder.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    assert "is a file" in run("init", str(tmp_path / "taken")).stderr
    assert (tmp_path / "taken").read_text() == "x"


def test_an_empty_folder_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir(mode=0o750)
    make_project(folder, "pumps")
    assert folder.stat().st_mode & 0o777 == 0o750
    assert (folder / "README.md").exists()


@pytest.mark.parametrize("name", ["", "Pumps", "pumps_1", "-pumps", "p.q", "x" * 61, "../up", "a b"])
def test_a_name_that_is_none_is_refused_and_nothing_is_made(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--name"):
        make_project(tmp_path / "pumps", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("folder", "name"),
    [("machines", "machines"), ("Pump Station_2", "pump-station-2"), ("...", "machines"), ("é", "machines")],
)
def test_the_name_follows_from_the_folder(folder: str, name: str, tmp_path: Path) -> None:
    assert project_name(tmp_path / folder) == name


def test_when_it_fails_halfway_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        make_project(tmp_path / "pumps", "pumps")
    assert not list(tmp_path.iterdir())
