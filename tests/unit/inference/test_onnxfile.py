import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx import helper
from unit.inference import graphs

from stream.inference.onnxfile import MalformedError, unsafe_parts


@pytest.mark.parametrize("build", [graphs.weighted_sum, graphs.classifier, graphs.text_and_number])
def test_a_model_of_standard_operators_is_taken(build: object) -> None:
    assert callable(build)
    assert unsafe_parts(build()) == []


def test_microsofts_own_operators_are_refused() -> None:
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    model = graphs.graph([node], [("x", T.FLOAT, ["N", 1])], [("y", T.FLOAT, ["N", 1])], domains=("", "com.microsoft"))
    assert "com.microsoft" in unsafe_parts(model)[0]


def test_a_node_of_a_domain_that_is_not_imported_is_refused() -> None:
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    assert unsafe_parts(graphs.graph([node], [("x", T.FLOAT, ["N", 1])], [("y", T.FLOAT, ["N", 1])]))


def test_weights_in_another_file_are_refused() -> None:
    assert "outside the file" in unsafe_parts(graphs.external("weights.bin"))[0]


@pytest.mark.parametrize("field", ["data_location", "external_data"])
def test_either_mark_of_external_data_is_enough(field: str) -> None:
    proto = onnx.load_model_from_string(graphs.external("weights.bin"))
    proto.graph.initializer[0].ClearField(field)
    assert unsafe_parts(proto.SerializeToString())


def test_external_data_is_found_inside_subgraphs_attributes_and_functions() -> None:
    outside = onnx.load_model_from_string(graphs.external("weights.bin")).graph.initializer[0]
    constant = helper.make_node("Constant", [], ["w"], value=outside)
    branch = helper.make_graph([constant], "branch", [], [helper.make_tensor_value_info("w", T.FLOAT, [2, 1])])
    choice = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    nested = graphs.graph([choice], [("c", T.BOOL, [])], [("y", T.FLOAT, [2, 1])])
    assert unsafe_parts(nested)
    proto = onnx.load_model_from_string(graphs.weighted_sum())
    proto.functions.append(helper.make_function("", "F", [], ["w"], [constant], [helper.make_opsetid("", 15)]))
    assert unsafe_parts(proto.SerializeToString())


def test_a_tree_models_long_lists_of_numbers_are_stepped_over() -> None:
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml")
    node.attribute.add(name="nodes_values", type=onnx.AttributeProto.FLOATS, floats=np.arange(10_000))
    node.attribute.add(name="nodes_ids", type=onnx.AttributeProto.INTS, ints=[-1, 0, 1, 300, 2**62, *range(10_000)])
    node.attribute.add(name="mark", t=onnx.load_model_from_string(graphs.external("w")).graph.initializer[0])
    model = graphs.graph([node], [("x", T.FLOAT, ["N", 1])], [("y", T.FLOAT, ["N", 1])])
    assert len(unsafe_parts(model)) == 1


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", b"ORTM" * 10, graphs.weighted_sum()[:-3]])
def test_bytes_that_are_no_model_are_malformed(content: bytes) -> None:
    with pytest.raises(MalformedError):
        unsafe_parts(content)


def test_a_model_nested_without_end_is_malformed() -> None:
    def enclosed(inner: bytes, field: int) -> bytes:
        size, length = len(inner), b""
        while size >= 0x80:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([field << 3 | 2]) + length + bytes([size]) + inner

    content = b""
    for _ in range(5_000):  # graph in attribute in node in graph ...
        content = enclosed(enclosed(enclosed(content, 6), 5), 1)
    with pytest.raises(MalformedError, match="nested deeper"):
        unsafe_parts(enclosed(content, 7))


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_model_is_malformed_or_walked_to_its_end(data: st.DataObject) -> None:
    model = bytearray(graphs.classifier())
    for _ in range(data.draw(st.integers(1, 8))):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedError):
        unsafe_parts(bytes(model))
