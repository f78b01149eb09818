"""Tiny ONNX graphs, and packages around them, for the tests of inference."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

Value = tuple[str, int, list[int | str | None]]


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    constants: dict[str, Any] | None = None,
    domains: Sequence[str] = ("", "ai.onnx.ml"),
) -> bytes:
    """A model of (name, element type, shape) inputs and outputs and named constants."""
    versions = {"": 15, "ai.onnx.ml": 3}
    proto = helper.make_model(
        helper.make_graph(
            list(nodes),
            "test",
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
        ),
        opset_imports=[helper.make_opsetid(domain, versions.get(domain, 1)) for domain in domains],
        ir_version=8,
    )
    return bytes(proto.SerializeToString())


def weighted_sum() -> bytes:
    """x FP32 [N, 2] -> y [N, 1] = x0 + 10 x1."""
    weights = np.array([[1.0], [10.0]], np.float32)
    return graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [("x", T.FLOAT, ["N", 2])],
        [("y", T.FLOAT, ["N", 1])],
        {"w": weights},
    )


def weighted_sum_of_one() -> bytes:
    """The same for a batch of exactly one."""
    weights = np.array([[1.0], [10.0]], np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return graph([node], [("x", T.FLOAT, [1, 2])], [("y", T.FLOAT, [1, 1])], {"w": weights})


def lookup() -> bytes:
    """i INT64 [N] -> y FP32 [N]: the i-th of 0, 1, 4, 9; refuses every other index, and names it."""
    squares = np.array([0, 1, 4, 9], np.float32)
    node = helper.make_node("Gather", ["squares", "i"], ["y"], axis=0, name="look")
    return graph([node], [("i", T.INT64, ["N"])], [("y", T.FLOAT, ["N"])], {"squares": squares})


def quotient() -> bytes:
    """a, b FP32 [N, 1] -> y [N, 1] = a / b; not finite where b is 0."""
    node = helper.make_node("Div", ["a", "b"], ["y"])
    return graph([node], [("a", T.FLOAT, ["N", 1]), ("b", T.FLOAT, ["N", 1])], [("y", T.FLOAT, ["N", 1])])


def text_and_number() -> bytes:
    """text BYTES [N, 1], number FP32 [N, 1], flag BOOL [N, 1] -> y = code of text + number, 0 unless flag."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["text"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["low", "höch"],
            values_floats=[1.0, 2.0],
            default_float=-1.0,
        ),
        helper.make_node("Add", ["code", "number"], ["sum"]),
        helper.make_node("Where", ["flag", "sum", "zero"], ["y"]),
    ]
    inputs: list[Value] = [("text", T.STRING, ["N", 1]), ("number", T.FLOAT, ["N", 1]), ("flag", T.BOOL, ["N", 1])]
    return graph(nodes, inputs, [("y", T.FLOAT, ["N", 1])], {"zero": np.float32(0)})


def classifier() -> bytes:
    """v FP32 [N, 3] -> probabilities [N, 3], index INT64 [N], label BYTES [N]."""
    nodes = [
        helper.make_node("Softmax", ["v"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["v"], ["index"], axis=1, keepdims=0),
        helper.make_node(
            "LabelEncoder",
            ["index"],
            ["label"],
            domain="ai.onnx.ml",
            keys_int64s=[0, 1, 2],
            values_strings=["low", "middle", "high"],
        ),
    ]
    outputs: list[Value] = [
        ("probabilities", T.FLOAT, ["N", 3]),
        ("index", T.INT64, ["N"]),
        ("label", T.STRING, [1]),  # as LightGBM's converter declares it
    ]
    return graph(nodes, [("v", T.FLOAT, ["N", 3])], outputs)


def batch_mean() -> bytes:
    """x FP32 [N, 1] -> y [N, 1] = x - mean of the batch: a row's result depends on its neighbours."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    return graph(nodes, [("x", T.FLOAT, ["N", 1])], [("y", T.FLOAT, ["N", 1])])


def fallen_through() -> bytes:
    """x FP32 [N] -> y [rows that are not 0]: the rows of the output are not those of the input."""
    nodes = [helper.make_node("NonZero", ["x"], ["at"]), helper.make_node("Transpose", ["at"], ["y"])]
    return graph(nodes, [("x", T.FLOAT, ["N"])], [("y", T.INT64, ["M", 1])])


def memory_bomb() -> bytes:
    """A few hundred bytes that ask for 16 GiB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    shape = np.array([2**32], np.int64)
    return graph(nodes, [("x", T.FLOAT, ["N", 1])], [("y", T.FLOAT, ["N", 1])], {"shape": shape})


def external(location: str) -> bytes:
    """The weighted sum with its weights in another file."""
    proto = onnx.load_model_from_string(weighted_sum())
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = T.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return bytes(proto.SerializeToString())


def manifest(model: bytes, **changes: Any) -> dict[str, Any]:
    """The manifest of weighted_sum as sum/1, changed."""
    described = {
        "format": 1,
        "name": "sum",
        "version": 1,
        "sha256": hashlib.sha256(model).hexdigest(),
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2], "columns": ["a", "b"]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
        "golden": {"rows": [golden_row({"a": 1.0, "b": 2}, y=21.0), golden_row({"a": 0.5, "b": 0}, y=0.5)]},
        "created": {"at": "2026-01-02T03:04:05Z", "by": "a test", "onnxruntime": "1.32.0"},
    }
    return {**described, **changes}


def golden_row(inputs: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    return {"inputs": inputs, "outputs": outputs}


def write_package(models: Path, model: bytes | None = None, **changes: Any) -> Path:
    """models/<name>/<version>, whatever the manifest says about it."""
    model = model if model is not None else weighted_sum()
    described = manifest(model, **changes)
    folder = models / described["name"] / str(described["version"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    (folder / "manifest.json").write_text(json.dumps(described, indent=1))
    return folder


def tensor(name: str, datatype: str, shape: list[int], *columns: str, **more: Any) -> dict[str, Any]:
    """An input of a manifest, or an output when no columns are given."""
    described = {"name": name, "datatype": datatype, "shape": shape, **more}
    return {**described, "columns": list(columns)} if columns else described
