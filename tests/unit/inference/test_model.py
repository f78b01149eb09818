from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from unit.inference import graphs
from unit.inference.graphs import golden_row, tensor, write_package

from stream.errors import ConfigurationError, PoisonError, SystemicError
from stream.inference import Model, Prediction, load_package, plan_feeds
from stream.inference.session import Session


def model(tmp_path: Path, graph: bytes, *, rows_per_call: int = 4096, **changes: Any) -> Model:
    return Model(load_package(write_package(tmp_path, graph, **changes)), rows_per_call)


def predict(loaded: Model, columns: Mapping[str, Any], outputs: Sequence[str] | None = None) -> Prediction:
    arrays = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    feeds = plan_feeds(loaded.manifest.inputs, pa.schema([(n, a.type) for n, a in arrays.items()]))
    return loaded.predict(feeds, arrays.__getitem__, len(next(iter(arrays.values()))), outputs)


def lookup(tmp_path: Path, rows_per_call: int = 4096) -> Model:
    return model(
        tmp_path,
        graphs.lookup(),
        rows_per_call=rows_per_call,
        inputs=[tensor("i", "INT64", [-1], "i")],
        outputs=[tensor("y", "FP32", [-1])],
        golden={"rows": [golden_row({"i": 3}, y=9.0)]},
    )


def classifier(tmp_path: Path) -> Model:
    row = golden_row({"v": [0.0, 0, 10]}, probabilities=[4.539581e-05, 4.539581e-05, 0.9999092], index=2, label="high")
    return model(
        tmp_path,
        graphs.classifier(),
        inputs=[tensor("v", "FP32", [-1, 3], "v")],
        outputs=[
            tensor("probabilities", "FP32", [-1, 3]),
            tensor("index", "INT64", [-1]),
            tensor("label", "BYTES", [-1]),
        ],
        golden={"rows": [row]},
    )


def quotient(tmp_path: Path) -> Model:
    return model(
        tmp_path,
        graphs.quotient(),
        inputs=[tensor("a", "FP32", [-1, 1], "a"), tensor("b", "FP32", [-1, 1], "b")],
        golden={"rows": [golden_row({"a": 1, "b": 2}, y=0.5)]},
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each call that reaches ONNX Runtime."""
    rows: list[int] = []
    run = Session.run

    def counted(session: Session, outputs: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        rows.append(len(next(iter(feeds.values()))))
        return run(session, outputs, feeds)

    monkeypatch.setattr(Session, "run", counted)
    return rows


def test_columns_go_in_and_a_result_column_comes_out(tmp_path: Path) -> None:
    found = predict(model(tmp_path, graphs.weighted_sum()), {"a": [1.0, 2.0], "b": [3, 4]})
    assert found.columns["y"].to_pylist() == [31, 42]
    assert found.columns["y"].type == pa.float32()
    assert found.rows.tolist() == [0, 1]
    assert found.rejected == []


def test_vectors_labels_and_indexes_become_columns_of_their_kind(tmp_path: Path) -> None:
    found = predict(classifier(tmp_path), {"v": [[0.0, 0, 0], [0.0, 50, 0]]})
    assert found.columns["label"].to_pylist() == ["low", "middle"]
    assert found.columns["index"].type == pa.int64()
    probabilities = found.columns["probabilities"]
    assert pa.types.is_list(probabilities.type)
    np.testing.assert_allclose(probabilities.to_pylist(), [[1 / 3] * 3, [0, 1, 0]], atol=1e-6)
    for array in found.columns.values():
        array.validate(full=True)


@pytest.mark.parametrize(
    ("datatype", "onnx_type", "arrow"),
    [
        ("FP16", graphs.T.FLOAT16, pa.float32()),
        ("FP64", graphs.T.DOUBLE, pa.float64()),
        ("INT8", graphs.T.INT8, pa.int32()),
        ("UINT32", graphs.T.UINT32, pa.int64()),
        ("UINT64", graphs.T.UINT64, pa.uint64()),
        ("BOOL", graphs.T.BOOL, pa.bool_()),
    ],
)
def test_results_of_every_type_become_columns_that_avro_has(
    tmp_path: Path, datatype: str, onnx_type: int, arrow: pa.DataType
) -> None:
    node = graphs.helper.make_node("Cast", ["x"], ["y"], to=onnx_type)
    graph = graphs.graph([node], [("x", graphs.T.FLOAT, ["N", 1])], [("y", onnx_type, ["N", 1])])
    inputs, outputs = [tensor("x", "FP32", [-1, 1], "a")], [tensor("y", datatype, [-1, 1])]
    rows = [golden_row({"a": 1}, y=datatype == "BOOL" or 1)]
    found = predict(model(tmp_path, graph, inputs=inputs, outputs=outputs, golden={"rows": rows}), {"a": [0.0, 1.0]})
    assert found.columns["y"].type == arrow
    assert found.columns["y"].to_pylist() == [0, 1]


def test_only_the_outputs_that_are_asked_for_are_computed(tmp_path: Path) -> None:
    assert list(predict(classifier(tmp_path), {"v": [[0.0, 0, 1]]}, ["label"]).columns) == ["label"]


def test_text_numbers_and_booleans_feed_one_model(tmp_path: Path) -> None:
    loaded = model(
        tmp_path,
        graphs.text_and_number(),
        inputs=[
            tensor("text", "BYTES", [-1, 1], "s"),
            tensor("number", "FP32", [-1, 1], "n"),
            tensor("flag", "BOOL", [-1, 1], "f"),
        ],
        golden={"rows": [golden_row({"s": "höch", "n": 1.5, "f": True}, y=3.5)]},
    )
    found = predict(loaded, {"s": ["low", "höch", None, "low"], "n": [0.5, 1, 1, 1], "f": [True, True, True, False]})
    assert found.columns["y"].to_pylist() == [1.5, 3, 0]
    assert [(r.row, r.reason) for r in found.rejected] == [(2, "null_feature")]


def test_no_rows_need_no_call_and_give_typed_columns(tmp_path: Path, calls: list[int]) -> None:
    loaded = classifier(tmp_path)
    calls.clear()
    found = predict(loaded, {"v": pa.array([], pa.list_(pa.float64()))})
    assert {name: (len(a), a.type) for name, a in found.columns.items()} == {
        "probabilities": (0, pa.list_(pa.field("item", pa.float32(), nullable=False))),
        "index": (0, pa.int64()),
        "label": (0, pa.string()),
    }
    assert calls == []


def test_a_call_holds_a_bounded_number_of_rows(tmp_path: Path, calls: list[int]) -> None:
    loaded = model(tmp_path, graphs.weighted_sum(), rows_per_call=64)
    calls.clear()
    found = predict(loaded, {"a": np.arange(150.0), "b": np.zeros(150)})
    assert calls == [64, 64, 22]
    assert found.columns["y"].to_pylist() == list(range(150))


def test_a_graph_with_a_fixed_batch_of_one_runs_row_by_row(tmp_path: Path, calls: list[int]) -> None:
    inputs = [tensor("x", "FP32", [1, 2], "a", "b")]
    loaded = model(tmp_path, graphs.weighted_sum_of_one(), inputs=inputs)
    calls.clear()
    assert predict(loaded, {"a": [1.0, 2, 3], "b": [1.0, 1, 1]}).columns["y"].to_pylist() == [11, 12, 13]
    assert calls == [1, 1, 1]


def test_a_row_the_model_refuses_is_that_rows_failure_alone(tmp_path: Path, calls: list[int]) -> None:
    loaded = lookup(tmp_path)
    calls.clear()
    indexes = np.arange(1000) % 4
    indexes[[17, 600]] = 99_887_766
    found = predict(loaded, {"i": indexes})
    good = np.setdiff1d(np.arange(1000), [17, 600])
    assert found.rows.tolist() == good.tolist()
    np.testing.assert_array_equal(found.columns["y"], indexes[good] ** 2)
    assert [(r.row, r.reason) for r in found.rejected] == [(17, "model_refused"), (600, "model_refused")]
    assert len(calls) <= 2 + 2 * 2 * 10


def test_a_refusal_names_class_and_node_and_quotes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (refused,) = predict(lookup(tmp_path), {"i": [1, 99_887_766]}).rejected
    assert refused.detail == "InvalidArgument in Gather node 'look'"
    assert "99887766" not in "".join(capfd.readouterr())


def test_a_batch_of_which_every_row_is_refused_is_n_failures_while_the_golden_row_passes(tmp_path: Path) -> None:
    found = predict(lookup(tmp_path), {"i": [7] * 300})
    assert len(found.rejected) == 300
    assert len(found.columns["y"]) == 0


def test_a_session_that_refuses_its_own_golden_row_is_systemic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = model(tmp_path, graphs.weighted_sum())

    def broken(session: Session, outputs: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        raise PoisonError("model_refused", "Fail")

    monkeypatch.setattr(Session, "run", broken)
    with pytest.raises(SystemicError, match="sum/1 refuses its own golden row") as caught:
        predict(loaded, {"a": [1.0], "b": [1.0]})
    assert caught.value.reason == "model"


def test_a_result_that_is_not_finite_is_that_rows_failure_alone(tmp_path: Path) -> None:
    found = predict(quotient(tmp_path), {"a": [1.0, 0.0, 1.0, 6.0], "b": [2.0, 0.0, 0.0, 3.0]})
    assert found.columns["y"].to_pylist() == [0.5, 2]
    assert found.rows.tolist() == [0, 3]
    assert [tuple(r) for r in found.rejected] == [
        (1, "result_not_finite", "output 'y' is NaN or infinite"),
        (2, "result_not_finite", "output 'y' is NaN or infinite"),
    ]


def test_reasons_of_all_kinds_in_one_batch_keep_their_rows(tmp_path: Path) -> None:
    found = predict(quotient(tmp_path), {"a": [None, 1.0, 1.0, np.nan, 8.0], "b": [1.0, 0.0, 4.0, 1.0, 2.0]})
    assert found.rows.tolist() == [2, 4]
    assert found.columns["y"].to_pylist() == [0.25, 4]
    assert [(r.row, r.reason) for r in found.rejected] == [
        (0, "null_feature"),
        (1, "result_not_finite"),
        (3, "feature_not_finite"),
    ]


def test_a_graph_that_answers_for_other_rows_than_it_was_given_is_refused_row_by_row(tmp_path: Path) -> None:
    loaded = model(
        tmp_path,
        graphs.fallen_through(),
        inputs=[tensor("x", "FP32", [-1], "x")],
        outputs=[tensor("y", "INT64", [-1, 1])],
        golden={"rows": [golden_row({"x": 5}, y=0)]},
    )
    found = predict(loaded, {"x": [0.0, 1.0]})
    assert [(r.row, r.reason) for r in found.rejected] == [(0, "model_refused")]


def test_a_graph_whose_batch_axis_is_not_the_first_is_refused(tmp_path: Path) -> None:
    node = graphs.helper.make_node("Transpose", ["x"], ["y"])
    graph = graphs.graph([node], [("x", graphs.T.FLOAT, ["N", 2])], [("y", graphs.T.FLOAT, ["M", "K"])])
    rows = [golden_row({"a": 1, "b": 2}, y=[1, 2])]
    found = mistakes(tmp_path, graph, outputs=[tensor("y", "FP32", [-1, 2])], golden={"rows": rows})
    assert list(found) == ["golden row 0: the model refuses it (output 'y' has another shape than [-1, 2])"]


def test_missing_values_reach_a_model_that_knows_them(tmp_path: Path) -> None:
    where = graphs.helper.make_node("IsNaN", ["x"], ["y"])
    graph = graphs.graph([where], [("x", graphs.T.FLOAT, ["N", 1])], [("y", graphs.T.BOOL, ["N", 1])])
    rows = [golden_row({"a": None}, y=True), golden_row({"a": 1}, y=False)]
    loaded = model(
        tmp_path,
        graph,
        inputs=[tensor("x", "FP32", [-1, 1], "a", missing="nan")],
        outputs=[tensor("y", "BOOL", [-1, 1])],
        golden={"rows": rows},
    )
    assert predict(loaded, {"a": pa.array([1, None], pa.int32())}).columns["y"].to_pylist() == [False, True]


# what is checked when a model is loaded


def mistakes(tmp_path: Path, graph: bytes, **changes: Any) -> dict[str, str]:
    """Message -> the line of the manifest that it points to."""
    folder = write_package(tmp_path, graph, **changes)
    with pytest.raises(ConfigurationError) as caught:
        Model(load_package(folder))
    lines = (folder / "manifest.json").read_text().splitlines()
    found = {}
    for problem in caught.value.problems:
        file, line, _ = problem.place.rsplit(":", 2)
        assert file == str(folder / "manifest.json")
        found[problem.message] = lines[int(line) - 1].strip()
    return found


INPUT = tensor("x", "FP32", [-1, 2], "a", "b")
OUTPUT = tensor("y", "FP32", [-1, 1])


@pytest.mark.parametrize(
    ("changes", "message", "line"),
    [
        ({"inputs": [{**INPUT, "name": "z"}]}, "the model has no input 'z': it has 'x'", '"name": "z",'),
        ({"inputs": [{**INPUT, "datatype": "FP64"}]}, "input 'x' is FP32 in the model", '"datatype": "FP64",'),
        ({"inputs": [{**INPUT, "shape": [1, 2]}]}, "input 'x' is", None),
        ({"inputs": [{**INPUT, "shape": [-1, 2, 1]}]}, "input 'x' is [-1, 2] in the model", '"shape": ['),
        ({"outputs": [{**OUTPUT, "datatype": "INT64"}]}, "output 'y' is FP32 in the model", '"datatype": "INT64",'),
        ({"outputs": [{**OUTPUT, "shape": [-1]}]}, "output 'y' is [-1, 1] in the model", '"shape": ['),
    ],
)
def test_a_manifest_that_differs_from_the_model_is_refused_at_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str, line: str | None
) -> None:
    if line is None:  # a dynamic axis agrees with a batch of one
        assert model(tmp_path, graphs.weighted_sum(), **changes).manifest.inputs[0].shape == (1, 2)
        return
    assert mistakes(tmp_path, graphs.weighted_sum(), **changes).get(message) == line


def test_a_fixed_batch_of_one_that_the_manifest_hides_is_refused(tmp_path: Path) -> None:
    assert "input 'x' is [1, 2] in the model" in mistakes(tmp_path, graphs.weighted_sum_of_one())


def test_an_output_that_the_manifest_does_not_describe_is_refused(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        graphs.classifier(),
        inputs=[tensor("v", "FP32", [-1, 3], "v")],
        outputs=[tensor("index", "INT64", [-1])],
        golden={"rows": [golden_row({"v": [1, 2, 3]}, index=2)]},
    )
    assert list(found) == [
        "the manifest does not describe output 'probabilities' of the model",
        "the manifest does not describe output 'label' of the model",
    ]


def test_a_golden_row_with_another_result_is_refused_at_its_place(tmp_path: Path) -> None:
    rows = [golden_row({"a": 1, "b": 2}, y=21), golden_row({"a": 1, "b": 1}, y=11.5)]
    found = mistakes(tmp_path, graphs.weighted_sum(), golden={"rows": rows})
    assert found == {"golden row 1, scored alone: output 'y' is off by 0.0435, allowed 1e-05": '"y": 11.5'}


def test_the_tolerance_of_golden_rows_is_the_manifests(tmp_path: Path) -> None:
    rows = [golden_row({"a": 1, "b": 1}, y=11.5)]
    model(tmp_path, graphs.weighted_sum(), golden={"rows": rows, "tolerance": 0.05})


def test_large_results_are_compared_relatively_so_that_another_processor_passes(tmp_path: Path) -> None:
    model(tmp_path, graphs.weighted_sum(), golden={"rows": [golden_row({"a": 0, "b": 123456.7}, y=1234567.5)]})


def test_a_model_whose_rows_depend_on_their_batch_is_refused(tmp_path: Path) -> None:
    inputs = [tensor("x", "FP32", [-1, 1], "a")]
    rows = [golden_row({"a": 1}, y=0), golden_row({"a": 3}, y=0)]
    found = mistakes(tmp_path, graphs.batch_mean(), inputs=inputs, golden={"rows": rows})
    assert list(found) == [
        "golden row 0, scored in a batch of 2: output 'y' is off by 1, allowed 1e-05",
        "golden row 1, scored in a batch of 2: output 'y' is off by 1, allowed 1e-05",
    ]


@pytest.mark.parametrize(
    ("label", "probabilities", "message"),
    [
        ("low", [0, 0, 1], "output 'label' differs from the manifest's"),
        ("high", [0, 1], "output 'probabilities' has 3 elements, the manifest gives 2"),
        ("high", [0, 0, "1"], "output 'probabilities' is a number, the manifest's is not"),
    ],
)
def test_golden_labels_and_vectors_are_compared_too(
    tmp_path: Path, label: str, probabilities: list[Any], message: str
) -> None:
    found = mistakes(
        tmp_path,
        graphs.classifier(),
        inputs=[tensor("v", "FP32", [-1, 3], "v")],
        outputs=[
            tensor("probabilities", "FP32", [-1, 3]),
            tensor("index", "INT64", [-1]),
            tensor("label", "BYTES", [-1]),
        ],
        golden={"rows": [golden_row({"v": [0, 0, 30]}, probabilities=probabilities, index=2, label=label)]},
    )
    assert list(found) == [f"golden row 0, scored alone: {message}"]


def test_a_golden_row_that_cannot_be_fed_or_is_refused_is_named(tmp_path: Path) -> None:
    rows = [golden_row({"a": 1, "b": "two"}, y=1), golden_row({"a": None, "b": 2}, y=1)]
    assert "column 'b' needs double" in mistakes(tmp_path, graphs.weighted_sum(), golden={"rows": rows[:1]})
    assert "a is null" in mistakes(tmp_path, graphs.weighted_sum(), golden={"rows": rows[1:]})
    found = mistakes(
        tmp_path,
        graphs.lookup(),
        inputs=[tensor("i", "INT64", [-1], "i")],
        outputs=[tensor("y", "FP32", [-1])],
        golden={"rows": [golden_row({"i": 4}, y=16)]},
    )
    assert list(found) == ["golden row 0: the model refuses it (InvalidArgument in Gather node 'look')"]


def test_a_model_that_onnx_runtime_does_not_load_is_refused(tmp_path: Path) -> None:
    node = graphs.helper.make_node("MatMul", ["x", "nothing"], ["y"])
    graph = graphs.graph([node], [("x", graphs.T.FLOAT, ["N", 2])], [("y", graphs.T.FLOAT, ["N", 1])])
    folder = write_package(tmp_path, graph)
    with pytest.raises(ConfigurationError, match="ONNX Runtime does not load the model") as caught:
        Model(load_package(folder))
    assert caught.value.problems[0].place == str(folder / "model.onnx")
