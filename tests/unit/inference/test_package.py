import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.inference import graphs
from unit.inference.graphs import golden_row, tensor, write_package

from stream.errors import ConfigurationError, Problem
from stream.inference import load_package


def problems_of(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_package(folder)
    return caught.value.problems


def test_a_package_is_found_by_its_version_folder_and_by_the_models_folder(tmp_path: Path) -> None:
    folder = write_package(tmp_path)
    assert load_package(folder).label == "sum/1"
    assert load_package(folder.parent).folder == folder


def test_the_highest_version_wins_as_a_number(tmp_path: Path) -> None:
    for version in (2, 9, 10):
        write_package(tmp_path, version=version)
    assert load_package(tmp_path / "sum").label == "sum/10"


def test_a_version_without_its_manifest_is_not_there_yet(tmp_path: Path) -> None:
    write_package(tmp_path)
    (write_package(tmp_path, version=2) / "manifest.json").unlink()
    assert load_package(tmp_path / "sum").label == "sum/1"


def test_folders_that_are_no_version_are_passed_over(tmp_path: Path) -> None:
    write_package(tmp_path)
    for name in ("latest", "02", "-3", "train.py"):
        (tmp_path / "sum" / name).mkdir()
    assert load_package(tmp_path / "sum").label == "sum/1"


def test_a_folder_without_a_package_is_named(tmp_path: Path) -> None:
    assert "stream model pack" in str(problems_of(tmp_path / "nothing")[0])
    assert problems_of(tmp_path / "nothing")[0].place == str(tmp_path / "nothing")


@pytest.mark.parametrize("file", ["model.onnx", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    folder = write_package(tmp_path)
    (folder / file).unlink()
    assert problems_of(folder) == (Problem(f"{folder / file}: cannot be read: No such file or directory"),)


def test_other_bytes_than_those_that_were_packed_are_refused_at_the_hash(tmp_path: Path) -> None:
    folder = write_package(tmp_path)
    (folder / "model.onnx").write_bytes(graphs.weighted_sum_of_one())
    (problem,) = problems_of(folder)
    assert "SHA-256 differs" in problem.message
    line = 1 + next(i for i, text in enumerate((folder / "manifest.json").read_text().splitlines()) if "sha256" in text)
    assert problem.place == f"{folder}/manifest.json:{line}:12"


def test_a_package_in_another_models_or_versions_folder_is_refused(tmp_path: Path) -> None:
    folder = write_package(tmp_path)
    moved = tmp_path / "other" / "3"
    moved.parent.mkdir()
    folder.rename(moved)
    assert {p.message.split(":")[0] for p in problems_of(moved)} == {
        "version 1 stands in folder 3",
        "model 'sum' stands in folder 'other'",
    }


def test_a_model_with_weights_in_a_hard_link_to_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 8)
    folder = write_package(tmp_path, graphs.external("weights.bin"))
    os.link(tmp_path / "secret", folder / "weights.bin")
    assert "external data" in problems_of(folder)[0].message


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "weights.bin", "*/_ORT_MEM_ADDR_/*"])
def test_external_data_is_refused_wherever_it_is(tmp_path: Path, location: str) -> None:
    assert "external data" in problems_of(write_package(tmp_path, graphs.external(location)))[0].message


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    assert "not an ONNX model" in problems_of(write_package(tmp_path, b"PK\x03\x04"))[0].message


def test_a_file_beyond_the_size_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.inference.package.MAX_MODEL_BYTES", 100)
    assert "larger than 100 bytes" in problems_of(write_package(tmp_path))[0].message


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"format": 1,\n  oops', "2:3", "Expecting property name"),
        ('{"a": 1, "a": 2}', "1:1", "key 'a' stands 2 times"),
        ('{"a": NaN}', "1:1", "NaN is not JSON"),
        ("[" * 100_000, "1:1", ""),
        ("[]", "1:1", "manifest: input should be an object"),
    ],
)
def test_a_manifest_that_is_not_its_json_is_refused_with_its_place(
    tmp_path: Path, text: str, place: str, message: str
) -> None:
    folder = write_package(tmp_path)
    (folder / "manifest.json").write_text(text)
    (problem,) = problems_of(folder)
    assert problem.place == f"{folder}/manifest.json:{place}"
    assert message in problem.message


def test_all_mistakes_of_a_manifest_are_reported_at_once_each_at_its_place(tmp_path: Path) -> None:
    text = json.dumps(graphs.manifest(graphs.weighted_sum(), colour="red", version="1", sha256="abc"))
    text = (
        text.replace('"colour"', '\n\t"colour"').replace('"version"', '\n"version"').replace('"sha256"', '\n"sha256"')
    )
    folder = write_package(tmp_path)
    (folder / "manifest.json").write_text(text)
    found = {p.place.removeprefix(f"{folder}/manifest.json:"): p.message for p in problems_of(folder)}
    assert found == {
        "2:12": "version: input should be a valid integer",
        "3:11": "sha256: string should match pattern '^[0-9a-f]{64}$'",
        "4:12": "colour: unknown key; free text goes under metadata",
    }


INPUT = tensor("x", "FP32", [-1, 2], "a", "b")
OUTPUT = tensor("y", "FP32", [-1, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format"),
        ({"name": "../sum"}, "name"),
        ({"version": 0}, "version"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{**INPUT, "datatype": "FLOAT"}]}, "datatype"),
        ({"inputs": [{**INPUT, "shape": [-1, -1]}]}, "fixed further axes"),
        ({"inputs": [{**INPUT, "shape": [32, 2]}]}, "the shape is [-1, ...] or [1, ...]"),
        ({"inputs": [{**INPUT, "columns": ["a", "b", "c"]}]}, "3 columns for rows of 2"),
        ({"inputs": [{**INPUT, "columns": ["a", "a"]}]}, "named twice"),
        ({"inputs": [INPUT, INPUT]}, "x is described 2 times"),
        ({"inputs": [{**INPUT, "datatype": "INT64", "missing": "nan"}]}, "INT64 has no NaN"),
        ({"outputs": [{**OUTPUT, "shape": [1, 1]}]}, "output y: the shape is [-1, ...]"),
        ({"golden": {"rows": []}}, "golden.rows"),
        ({"golden": {"rows": [golden_row({"a": 1}, y=1.0)]}}, "golden row 0: needs exactly the columns ['a', 'b']"),
        ({"golden": {"rows": [golden_row({"a": 1, "b": 1})]}}, "golden row 0: needs exactly the outputs ['y']"),
        ({"created": {"at": "yesterday", "by": "me", "onnxruntime": "1"}}, "created.at"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = write_package(tmp_path)
    (folder / "manifest.json").write_text(json.dumps(graphs.manifest(graphs.weighted_sum(), **changes)))
    found = [p for p in problems_of(folder) if message in p.message]
    assert found
    assert found[0].place.startswith(f"{folder}/manifest.json:1:")


def test_the_bytes_that_were_hashed_are_the_bytes_that_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_package(tmp_path)
    opened: list[Path] = []
    real: Callable[..., Any] = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *args, **kw: opened.append(path) or real(path, *args, **kw))
    package = load_package(folder)
    assert [path.name for path in opened].count("model.onnx") == 1
    assert package.model == graphs.weighted_sum()
