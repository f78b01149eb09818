"""Packing: what is read from a graph, in this process; the whole of it, in a limited child."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper
from unit.inference import graphs
from unit.inference.graphs import golden_row, tensor, write_package

from stream.errors import ConfigurationError
from stream.inference import Limits, Model, load_package, pack, try_package
from stream.inference.draft import draft

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(tmp_path: Path, model: bytes) -> Path:
    path = tmp_path / "in.onnx"
    path.write_bytes(model)
    return path


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "golden.csv"
    path.write_text(text)
    return path


def drafted(
    tmp_path: Path,
    model: bytes,
    golden: str | None = None,
    columns: dict[str, list[str]] | None = None,
    missing: str = "refuse",
) -> dict[str, Any]:
    """What the child answers, without a child."""
    rows = str(csv(tmp_path, golden)) if golden is not None else None
    file = str(write(tmp_path, model))
    return draft({"model": file, "golden": rows, "columns": columns or {}, "missing": missing})


def refused(
    tmp_path: Path, model: bytes, golden: str | None = None, columns: dict[str, list[str]] | None = None
) -> str:
    with pytest.raises(ConfigurationError) as caught:
        drafted(tmp_path, model, golden, columns)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_package_is_made_as_the_next_version_with_signature_golden_results_and_origin(tmp_path: Path) -> None:
    write_package(tmp_path / "models", version=4)
    golden = csv(tmp_path, "a,b\n1,2\n-0.1,0.3\n")
    folder = pack(write(tmp_path, graphs.weighted_sum()), "sum", into=tmp_path / "models", now=NOW, golden=golden)
    assert folder == tmp_path / "models" / "sum" / "5"
    described = json.loads((folder / "manifest.json").read_text())
    assert described["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 2], "columns": ["a", "b"], "missing": "refuse"}
    ]
    assert described["outputs"] == [tensor("y", "FP32", [-1, 1])]
    assert described["golden"]["rows"] == [golden_row({"a": 1, "b": 2}, y=21), golden_row({"a": -0.1, "b": 0.3}, y=2.9)]
    assert described["created"]["at"] == "2026-01-02T03:04:05Z"
    assert Model(load_package(folder)).label == "sum/5"
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["sum"]


def test_a_package_that_does_not_prove_itself_is_not_made(tmp_path: Path) -> None:
    file, golden = write(tmp_path, graphs.batch_mean()), csv(tmp_path, "a\n1\n3\n")
    with pytest.raises(ConfigurationError, match="golden row 0, scored in a batch of 2"):
        pack(file, "mean", into=tmp_path / "models", now=NOW, golden=golden)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_version_never_changes(tmp_path: Path) -> None:
    write_package(tmp_path)
    with pytest.raises(ConfigurationError, match="a version never changes"):
        pack(write(tmp_path, graphs.weighted_sum()), "sum", into=tmp_path, now=NOW, version=1)


def test_names_and_versions_cannot_leave_the_folder(tmp_path: Path) -> None:
    for name in ("../sum", "", ".hidden", "a/b"):
        with pytest.raises(ConfigurationError, match="is no model name"):
            pack(write(tmp_path, graphs.weighted_sum()), name, into=tmp_path, now=NOW)
    with pytest.raises(ConfigurationError, match="whole numbers from 1"):
        pack(write(tmp_path, graphs.weighted_sum()), "sum", into=tmp_path, now=NOW, version=0)


def test_a_model_that_asks_for_gigabytes_is_stopped_in_its_child_and_leaves_nothing(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=512 * 1024 * 1024, seconds=20)
    file = write(tmp_path, graphs.memory_bomb())
    with pytest.raises(ConfigurationError, match=r"in\.onnx: .* memory"):
        pack(file, "bomb", into=tmp_path / "models", now=NOW, columns={"": ["a"]}, limits=limits)
    assert not (tmp_path / "models").exists()


def test_a_package_that_is_a_memory_bomb_is_found_by_check(tmp_path: Path) -> None:
    folder = write_package(
        tmp_path,
        graphs.memory_bomb(),
        inputs=[tensor("x", "FP32", [-1, 1], "a")],
        golden={"rows": [golden_row({"a": 1}, y=1)]},
    )
    with pytest.raises(ConfigurationError, match="memory"):
        try_package(folder, Limits(memory_bytes=512 * 1024 * 1024, seconds=20))


def test_a_model_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Sin", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", T.INT64, []),
            helper.make_tensor_value_info("go", T.BOOL, []),
            helper.make_tensor_value_info("v", T.FLOAT, ["N", 2]),
        ],
        [helper.make_tensor_value_info("go_on", T.BOOL, []), helper.make_tensor_value_info("w", T.FLOAT, ["N", 2])],
    )
    loop = helper.make_node("Loop", ["times", "true", "x"], ["y"], body=body)
    constants = {"times": np.array(2**62, np.int64), "true": np.array(True)}
    model = graphs.graph([loop], [("x", T.FLOAT, ["N", 2])], [("y", T.FLOAT, ["N", 2])], constants)
    with pytest.raises(ConfigurationError, match=r"(longer|more) than 1 s"):
        pack(write(tmp_path, model), "e", into=tmp_path, now=NOW, columns={"": ["a", "b"]}, limits=Limits(seconds=1))


def test_the_child_sees_no_settings_and_its_findings_keep_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_KAFKA_SASL_PASSWORD", "hunter2")
    seen: dict[str, str] = {}
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, **kw: seen.update(kw["env"]) or run(*a, **kw))
    folder = write_package(tmp_path, golden={"rows": [golden_row({"a": 1, "b": 1}, y=0)]})
    with pytest.raises(ConfigurationError, match="golden row 0, scored alone") as caught:
        try_package(folder)
    assert caught.value.problems[0].place.startswith(f"{folder}/manifest.json:")
    assert seen
    assert not any(name.startswith("STREAM_") for name in seen)


# what is read from the graph and the golden rows


def test_several_inputs_of_several_kinds_take_their_golden_values_from_one_file(tmp_path: Path) -> None:
    columns = {"text": ["s"], "number": ["n"], "flag": ["f"]}
    found = drafted(tmp_path, graphs.text_and_number(), "s,n,f\nhöch,1.5,true\nlow,0,0\n", columns)
    assert found["rows"] == [
        golden_row({"s": "höch", "n": 1.5, "f": True}, y=3.5),
        golden_row({"s": "low", "n": 0, "f": False}, y=0),
    ]


def test_a_list_column_is_written_as_json_and_wrong_declared_shapes_are_set_right(tmp_path: Path) -> None:
    found = drafted(tmp_path, graphs.classifier(), 'v\n"[0, 0, 10]"\n')
    assert found["inputs"][0]["columns"] == ["v"]
    assert [output["shape"] for output in found["outputs"]] == [[-1, 3], [-1], [-1]]
    assert found["rows"][0]["outputs"]["label"] == "high"


def test_without_golden_rows_generated_ones_prove_the_file(tmp_path: Path) -> None:
    found = drafted(tmp_path, graphs.weighted_sum(), columns={"x": ["a", "b"]})
    assert [row["outputs"]["y"] for row in found["rows"]] == [0, 11, 22]


def test_the_feature_order_may_come_from_the_models_metadata(tmp_path: Path) -> None:
    proto = onnx.load_model_from_string(graphs.weighted_sum())
    proto.metadata_props.add(key="feature_names", value="b, a")
    found = drafted(tmp_path, proto.SerializeToString(), "a,b\n1,\n", missing="nan")["inputs"][0]
    assert (found["columns"], found["missing"]) == (["b", "a"], "nan")


@pytest.mark.parametrize(
    ("golden", "columns", "message"),
    [
        (None, None, "in.onnx: which columns feed x? Give --columns a,b,c"),
        (None, {"z": ["a"]}, "in.onnx: no input 'z': the model has x"),
        (None, {"": ["a", "b", "c"]}, "in.onnx: input x: 3 columns for rows of 2"),
        ("a,b\n1,zwei\n", None, "golden.csv: column 'b' holds a cell that is not FP32"),
        ("a,b\n1,\n", None, "golden.csv: row 0: b is null"),
        ("a,b\n1,2\n1\n", None, "golden.csv:3:1: a row with another number of cells than the header (2)"),
        ("a,b\n", None, "golden.csv: give 1 to 1000 golden rows"),
        ("a,c\n1,2\n", {"": ["a", "b"]}, "golden.csv: no column 'b', which feeds input 'x'"),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    tmp_path: Path, golden: str | None, columns: dict[str, list[str]] | None, message: str
) -> None:
    assert message in refused(tmp_path, graphs.weighted_sum(), golden, columns)


def test_an_input_without_columns_is_named_with_the_option_to_give(tmp_path: Path) -> None:
    assert "--columns a=a,b,c --columns b=a,b,c" in refused(tmp_path, graphs.quotient())


def test_a_golden_row_the_model_refuses_is_named(tmp_path: Path) -> None:
    assert "golden.csv: the model refuses golden row 1 (InvalidArgument" in refused(
        tmp_path, graphs.lookup(), "i\n2\n4\n"
    )


def test_a_zipmap_is_refused_with_the_way_out(tmp_path: Path) -> None:
    node = helper.make_node("ZipMap", ["v"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(T.INT64, helper.make_tensor_type_proto(T.FLOAT, []))
    )
    proto = onnx.load_model_from_string(graphs.graph([node], [("v", T.FLOAT, ["N", 2])], [("maps", T.FLOAT, ["N"])]))
    proto.graph.output[0].type.CopyFrom(kind)
    assert "zipmap off" in refused(tmp_path, proto.SerializeToString(), columns={"": ["a", "b"]})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([32, 2], "a fixed batch of 32"),
        (["N", "M", 2], "only the first axis may be dynamic"),
        ([], "has no batch axis"),
    ],
)
def test_an_input_that_cannot_be_batched_is_refused(
    tmp_path: Path, shape: list[int | str | None], message: str
) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    model = graphs.graph([node], [("x", T.FLOAT, shape)], [("y", T.FLOAT, shape)])
    assert message in refused(tmp_path, model, columns={"": ["a", "b"]})


def test_a_second_dynamic_axis_takes_the_number_of_columns(tmp_path: Path) -> None:
    node = helper.make_node("ReduceSum", ["x", "axis"], ["y"])
    model = graphs.graph(
        [node], [("x", T.FLOAT, ["N", "K"])], [("y", T.FLOAT, ["N", 1])], {"axis": np.array([1], np.int64)}
    )
    assert drafted(tmp_path, model, columns={"": ["a", "b", "c"]})["inputs"][0]["shape"] == [-1, 3]


def test_an_unsafe_model_is_refused_before_it_is_run(tmp_path: Path) -> None:
    assert "external data" in refused(tmp_path, graphs.external("weights.bin"), columns={"": ["a", "b"]})


def test_an_output_that_is_not_one_row_for_each_event_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    model = graphs.graph([node], [("x", T.FLOAT, ["N", 2])], [("y", T.FLOAT, [])])
    assert "its first axis must be the batch" in refused(tmp_path, model, columns={"": ["a", "b"]})
