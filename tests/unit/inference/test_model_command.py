import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from unit.inference import graphs
from unit.inference.graphs import write_package

from stream.cli import app
from stream.cli.model import parse_columns
from stream.errors import ConfigurationError, ExitCode


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["model", *[str(a) for a in arguments]])


def test_pack_makes_a_package_that_check_finds_in_order(tmp_path: Path) -> None:
    file = tmp_path / "in.onnx"
    file.write_bytes(graphs.weighted_sum())
    packed = run("pack", file, "--name", "sum", "--columns", "a, b", "--into", tmp_path, "--output", "json")
    assert packed.exit_code == ExitCode.DONE, packed.output
    facts = json.loads(packed.stdout)
    assert (facts["name"], facts["version"], facts["folder"]) == ("sum", 1, str(tmp_path / "sum" / "1"))
    checked = run("check", tmp_path / "sum")
    assert checked.exit_code == ExitCode.DONE
    assert checked.stdout.splitlines() == [
        f"sum/1 in order ({tmp_path}/sum/1)",
        "  input   x  FP32 [-1, 2]  a, b",
        "  output  y  FP32 [-1, 1]",
        "  golden  3 rows (generated: give real ones with --golden)",
    ]


def test_a_package_that_is_not_in_order_ends_with_its_mistakes_and_their_exit_code(tmp_path: Path) -> None:
    folder = write_package(tmp_path, sha256="0" * 64)
    checked = run("check", folder)
    assert checked.exit_code == ExitCode.CONFIGURATION
    assert checked.stderr.startswith(f"{folder}/manifest.json:5:12: model.onnx is not the file that was packed")


def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    packed = run("pack", tmp_path / "no.onnx", "--name", "x", "--into", tmp_path)
    assert packed.exit_code == ExitCode.CONFIGURATION
    assert packed.stderr == f"error: {tmp_path}/no.onnx: cannot be read: No such file or directory\n"


def test_columns_are_given_for_the_only_input_or_for_each_by_name() -> None:
    assert parse_columns(["a, b,c"]) == {"": ["a", "b", "c"]}
    assert parse_columns(["x=a,b", "y=c"]) == {"x": ["a", "b"], "y": ["c"]}
    for wrong in (["a,b", "c"], ["x=a", "x=b"]):
        with pytest.raises(ConfigurationError, match="name the tensor"):
            parse_columns(wrong)
