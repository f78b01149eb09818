from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from unit.inference import graphs
from unit.inference.graphs import golden_row, tensor, write_package

from stream.batch import Batch, FailureClass, Messages
from stream.errors import ConfigurationError
from stream.stages.infer import SAMPLE_ROWS, Infer, Settings, build
from stream.stages.stage import Project

SCHEMA = pa.schema({"id": pa.int64(), "a": pa.float64(), "b": pa.int32(), "r": pa.struct({"a": pa.float64()})})


def stage(folder: Path, schema: pa.Schema = SCHEMA, **settings: Any) -> Infer:
    given = Settings.model_validate({"model": "models/sum", **settings})
    built = build(given, "infer", schema, Project(folder / "pipelines"))
    assert isinstance(built, Infer)
    return built


def batch(columns: pa.RecordBatch, rows: list[int]) -> Batch:
    return Batch(Messages.of([b""] * (max(rows, default=0) + 1)), np.array(rows, np.int64), columns)


def events(*rows: tuple[int, float | None, int | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"id": i, "a": a, "b": b, "r": {"a": -1.0}} for i, a, b in rows], SCHEMA)


def problems(folder: Path, schema: pa.Schema = SCHEMA, **settings: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ConfigurationError) as caught:
        stage(folder, schema, **settings)
    return [(p.at, str(p)) for p in caught.value.problems]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_package(tmp_path / "models")
    return tmp_path


def test_results_stand_beside_the_events_columns(project: Path) -> None:
    infer = stage(project, outputs={"y": "score", "_model": "model"})
    result = infer.apply(batch(events((7, 1.0, 2), (8, 3.0, 4)), [0, 1]))
    assert result.batch.columns.select(["id", "score", "model"]).to_pylist() == [
        {"id": 7, "score": 21.0, "model": "sum/1"},
        {"id": 8, "score": 43.0, "model": "sum/1"},
    ]
    assert infer.schema.names == ["id", "a", "b", "r", "score", "model"]
    assert [f.type for f in infer.schema] == [f.type for f in result.batch.columns.schema]
    assert not infer.schema.field("score").nullable
    assert (infer.model_name, infer.model_version) == ("sum", 1)


def test_how_long_the_model_took_to_load_is_known(project: Path) -> None:
    times = iter([10.0, 10.75])
    given = Settings(model="models/sum")
    built = build(given, "infer", SCHEMA, Project(project / "pipelines"), lambda: next(times))
    assert isinstance(built, Infer)
    assert built.model_load_s == 0.75


def test_a_sample_of_its_numbers_is_told_and_nothing_of_the_label(project: Path) -> None:
    infer = stage(project, outputs={"y": "score", "_model": "model"})
    result = infer.apply(batch(events((7, 1.0, 2), (8, 3.0, 4)), [0, 1]))
    assert {name: values.tolist() for name, values in result.scores.items()} == {"score": [21.0, 43.0]}
    many = events(*[(n, float(n), 1) for n in range(SAMPLE_ROWS + 5)])
    assert len(infer.apply(batch(many, list(range(SAMPLE_ROWS + 5)))).scores["score"]) == SAMPLE_ROWS


def test_without_a_word_about_outputs_each_keeps_its_own_name(project: Path) -> None:
    assert stage(project).schema.names == ["id", "a", "b", "r", "y"]


def test_a_row_without_a_result_is_set_aside_with_its_message_and_model(project: Path) -> None:
    result = stage(project).apply(batch(events((7, None, 2), (8, 3.0, 4), (9, float("inf"), 1)), [3, 5, 9]))
    assert result.batch.rows.tolist() == [5]
    assert result.batch.column("y").to_pylist() == [43]
    assert [(f.row, f.stage, f.kind, f.reason, f.facts) for f in result.failures] == [
        (3, "infer", FailureClass.POISON, "null_feature", {"model": "sum/1"}),
        (9, "infer", FailureClass.POISON, "feature_not_finite", {"model": "sum/1"}),
    ]


def test_a_batch_of_which_nothing_is_left_still_has_the_new_columns(project: Path) -> None:
    infer = stage(project, outputs={"y": "score", "_model": "model"})
    result = infer.apply(batch(events((7, None, 2)), [0]))
    assert len(result.batch) == 0
    assert result.batch.columns.schema.types == infer.schema.types


def test_columns_of_a_record_may_feed_the_model(project: Path) -> None:
    infer = stage(project, inputs={"x": ["r.a", "_partition"]})
    assert infer.apply(batch(events((7, None, None)), [0])).batch.column("y").to_pylist() == [-1]


def test_a_models_version_may_be_chosen(project: Path) -> None:
    write_package(project / "models", version=2)
    assert stage(project).model_version == 2
    assert stage(project, model="models/sum/1").model_version == 1


def test_all_that_does_not_fit_is_reported_at_its_key(project: Path) -> None:
    found = problems(
        project,
        pa.schema({"a": pa.string(), "bb": pa.int32()}),
        outputs={"yy": "score", "y": "a", "_model": "_key"},
    )
    assert [at for at, _ in found] == [
        ("model",),
        ("model",),
        ("outputs", "yy"),
        ("outputs", "y"),
        ("outputs", "_model"),
    ]
    text = "\n".join(message for _, message in found)
    assert "column 'b', which does not reach this stage; did you mean 'bb'?" in text
    assert "the model has no output 'yy', it has ['y', '_model']; did you mean 'y'?" in text
    assert "there is a column 'a' already" in text


def test_two_outputs_cannot_share_a_column(project: Path) -> None:
    found = problems(project, outputs={"y": "score", "_model": "score"})
    assert {at for at, _ in found} == {("outputs", "y"), ("outputs", "_model")}


def test_an_override_that_does_not_fit_is_reported_under_inputs(project: Path) -> None:
    ((at, message),) = problems(project, inputs={"x": ["a"]})
    assert at == ("inputs", "x")
    assert "rows of 2, fed by 1 columns" in message


def test_a_packages_own_mistakes_keep_their_place(project: Path) -> None:
    ((at, message),) = problems(project, model="models/nothing")
    assert at == ("model",)
    assert "stream model pack" in message
    write_package(project / "models", golden={"rows": [golden_row({"a": 1, "b": 1}, y=1)]})
    ((at, message),) = problems(project)
    assert at == ("model",)
    assert message.startswith(f"{project}/models/sum/1/manifest.json:")


def test_a_vector_is_a_list_column(tmp_path: Path) -> None:
    outputs = [tensor("probabilities", "FP32", [-1, 3]), tensor("index", "INT64", [-1]), tensor("label", "BYTES", [-1])]
    row = golden_row({"v": [0, 0, 99]}, probabilities=[0, 0, 1], index=2, label="high")
    write_package(
        tmp_path / "models",
        graphs.classifier(),
        inputs=[tensor("v", "FP32", [-1, 3], "v")],
        outputs=outputs,
        golden={"rows": [row]},
    )
    schema = pa.schema({"v": pa.list_(pa.float64())})
    infer = stage(tmp_path, schema, outputs={"probabilities": "p", "label": "urgency"})
    columns = pa.RecordBatch.from_pylist([{"v": [0.0, 0, 999]}, {"v": [1.0]}], schema)
    result = infer.apply(batch(columns, [0, 1]))
    assert result.batch.columns.select(["p", "urgency"]).to_pylist() == [{"p": [0, 0, 1], "urgency": "high"}]
    assert [f.reason for f in result.failures] == ["wrong_width"]
    assert infer.schema.field("p").type.value_type == pa.float32()
