import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from unit.inference.graphs import tensor

from stream.errors import ConfigurationError
from stream.inference.features import Features, assemble, plan_feeds
from stream.inference.manifest import InputTensor


def inputs(*described: dict[str, Any]) -> list[InputTensor]:
    return [InputTensor.model_validate(d) for d in described]


def features(columns: Mapping[str, pa.Array], *described: dict[str, Any]) -> Features:
    schema = pa.schema([(name, array.type) for name, array in columns.items()])
    feeds = plan_feeds(inputs(*described), schema)
    return assemble(feeds, columns.__getitem__, len(next(iter(columns.values()))))


def rejected(found: Features) -> list[tuple[int, str, str]]:
    return [tuple(r) for r in found.rejected]


def problems(schema: pa.Schema, *described: dict[str, Any], columns: Mapping[str, Sequence[str]] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plan_feeds(inputs(*described), schema, columns)
    return "\n".join(f"{p.at} {p.message}" for p in caught.value.problems)


def test_numbers_of_every_kind_stand_side_by_side_in_feature_order() -> None:
    columns = {
        "long": pa.array([1, 2], pa.int64()),
        "float": pa.array([0.5, 1.5], pa.float32()),
        "flag": pa.array([True, False]),
        "money": pa.array([decimal.Decimal("1.25"), decimal.Decimal("-3.50")], pa.decimal128(10, 2)),
        "int": pa.array([7, 8], pa.int32()),
    }
    found = features(columns, tensor("x", "FP32", [-1, 5], "money", "flag", "int", "float", "long"))
    assert found.tensors["x"].dtype == np.float32
    assert found.tensors["x"].flags.c_contiguous
    assert found.tensors["x"].tolist() == [[1.25, 1, 7, 0.5, 1], [-3.5, 0, 8, 1.5, 2]]


def test_a_tensor_of_rank_one_takes_one_column() -> None:
    found = features({"i": pa.array([3, 1], pa.int32())}, tensor("i", "INT64", [-1], "i"))
    assert found.tensors["i"].dtype == np.int64
    assert found.tensors["i"].tolist() == [3, 1]


def test_a_null_is_that_rows_failure_and_names_the_column() -> None:
    columns = {"a": pa.array([1.0, None, 3.0, None]), "b": pa.array([1, 2, None, None], pa.int32())}
    found = features(columns, tensor("x", "FP32", [-1, 2], "a", "b"))
    assert found.tensors["x"].tolist() == [[1, 1]]
    assert found.rows.tolist() == [0]
    assert rejected(found) == [
        (1, "null_feature", "a is null"),
        (2, "null_feature", "b is null"),
        (3, "null_feature", "a is null"),
    ]


def test_a_null_is_nan_for_a_model_that_knows_missing_values() -> None:
    columns = {
        "a": pa.array([1.0, None]),
        "b": pa.array([None, 2], pa.int32()),
        "c": pa.array([None, True]),
        "d": pa.array([None, decimal.Decimal(1)], pa.decimal128(5, 0)),
    }
    found = features(columns, tensor("x", "FP32", [-1, 4], "a", "b", "c", "d", missing="nan"))
    np.testing.assert_array_equal(found.tensors["x"], [[1, np.nan, np.nan, np.nan], [np.nan, 2, 1, 1]])
    assert found.rejected == []


@pytest.mark.parametrize(("missing", "bad"), [("refuse", [1, 2, 3, 4]), ("nan", [2, 3, 4])])
def test_nan_infinity_and_what_the_tensor_cannot_hold_are_failures(missing: str, bad: list[int]) -> None:
    columns = {"a": pa.array([1.0, np.nan, np.inf, -np.inf, 1e300])}
    found = features(columns, tensor("x", "FP32", [-1, 1], "a", missing=missing))
    assert rejected(found) == [(row, "feature_not_finite", "a is NaN, infinite or beyond FP32") for row in bad]
    assert found.rows.tolist() == [row for row in range(5) if row not in bad]
    assert len(found.tensors["x"]) == len(found.rows)


def test_a_row_rejected_in_one_tensor_is_missing_in_all() -> None:
    columns = {
        "a": pa.array([1.0, None, 3.0, 4.0]),
        "s": pa.array(["w", "x", "y", None]),
        "n": pa.array([1.0, 1, np.nan, 1]),
    }
    found = features(
        columns,
        tensor("a", "FP32", [-1, 1], "a"),
        tensor("s", "BYTES", [-1, 1], "s"),
        tensor("n", "FP64", [-1, 1], "n"),
    )
    assert {name: t.tolist() for name, t in found.tensors.items()} == {"a": [[1]], "s": [["w"]], "n": [[1]]}
    assert [r.row for r in found.rejected] == [1, 2, 3]


def test_text_becomes_strings() -> None:
    found = features({"s": pa.array(["höch", "", "x\0y"])}, tensor("s", "BYTES", [-1, 1], "s"))
    assert found.tensors["s"].dtype == object
    assert found.tensors["s"].tolist() == [["höch"], [""], ["x\0y"]]


LISTS = [[1.0, 2.0], [3.0], None, [4.0, None], [5.0, 6.0, 7.0], [], [8.0, 9.0], [np.nan, 0.0]]


@pytest.mark.parametrize("make", [pa.list_, pa.large_list])
def test_a_list_of_another_width_or_with_a_null_is_that_rows_failure(make: Any) -> None:
    # a slice, so that offsets do not begin at 0
    array = pa.array([[0.0], *LISTS, None], make(pa.float64())).slice(1, len(LISTS))
    found = features({"v": array}, tensor("x", "FP32", [-1, 2], "v"))
    assert found.tensors["x"].tolist() == [[1, 2], [8, 9]]
    assert found.rows.tolist() == [0, 6]
    assert rejected(found) == [
        (1, "wrong_width", "v does not have 2 items"),
        (2, "null_feature", "v is null"),
        (3, "null_feature", "v has a null item"),
        (4, "wrong_width", "v does not have 2 items"),
        (5, "wrong_width", "v does not have 2 items"),
        (7, "feature_not_finite", "v is NaN, infinite or beyond FP32"),
    ]


def test_a_null_item_is_nan_where_missing_values_are_known_but_a_null_list_is_not() -> None:
    found = features({"v": pa.array([[1.0, None], None])}, tensor("x", "FP32", [-1, 2], "v", missing="nan"))
    np.testing.assert_array_equal(found.tensors["x"], [[1, np.nan]])
    assert rejected(found) == [(1, "null_feature", "v is null")]


def test_a_null_list_that_still_spans_items_is_the_only_row_refused() -> None:
    values = pa.array([None, 1.0, 2.0, 3.0])
    array = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), values, mask=pa.array([True, False]))
    found = features({"v": array}, tensor("x", "FP32", [-1, 2], "v"))
    assert found.tensors["x"].tolist() == [[2, 3]]
    assert rejected(found) == [(0, "null_feature", "v is null")]


def test_fixed_size_lists_of_integers_feed_a_tensor_of_higher_rank() -> None:
    array = pa.array([[1, 2, 3, 4], [5, 6, 7, 8]], pa.list_(pa.int32(), 4))
    found = features({"v": array}, tensor("x", "INT64", [-1, 2, 2], "v"))
    assert found.tensors["x"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def test_lists_of_text_become_strings() -> None:
    found = features({"v": pa.array([["a", "b"], ["c", None]])}, tensor("x", "BYTES", [-1, 2], "v"))
    assert found.tensors["x"].tolist() == [["a", "b"]]
    assert rejected(found) == [(1, "null_feature", "v has a null item")]


def test_no_rows_give_tensors_of_no_rows() -> None:
    columns = {
        "a": pa.array([], pa.float64()),
        "v": pa.array([], pa.list_(pa.float64())),
        "s": pa.array([], pa.string()),
    }
    found = features(
        columns, tensor("a", "FP32", [-1, 1], "a"), tensor("v", "FP32", [-1, 8], "v"), tensor("s", "BYTES", [-1], "s")
    )
    assert {name: t.shape for name, t in found.tensors.items()} == {"a": (0, 1), "v": (0, 8), "s": (0,)}


def test_a_batch_of_which_every_row_is_rejected_gives_tensors_of_no_rows() -> None:
    columns = {"a": pa.array([None, None], pa.int32()), "v": pa.array([[1.0], None])}
    found = features(columns, tensor("a", "FP32", [-1, 1], "a"), tensor("v", "FP32", [-1, 8], "v"))
    assert {name: t.shape for name, t in found.tensors.items()} == {"a": (0, 1), "v": (0, 8)}
    assert [r.row for r in found.rejected] == [0, 1]


SCHEMA = pa.schema(
    {
        "customer": pa.struct({"age": pa.int32(), "name": pa.string()}),
        "vector": pa.list_(pa.float32()),
        "amount": pa.int64(),
        "when": pa.timestamp("ms", "UTC"),
        "price": pa.float64(),
    }
)


def test_fields_of_records_and_meta_columns_are_columns() -> None:
    (feed,) = plan_feeds(inputs(tensor("x", "FP32", [-1, 2], "customer.age", "_partition")), SCHEMA)
    assert feed.columns == ("customer.age", "_partition")


def test_the_pipeline_may_name_other_columns_than_the_manifest() -> None:
    (feed,) = plan_feeds(inputs(tensor("x", "FP32", [-1, 2], "a", "b")), SCHEMA, {"x": ["price", "amount"]})
    assert feed.columns == ("price", "amount")
    (feed,) = plan_feeds(inputs(tensor("x", "FP32", [-1, 2], "a", "b")), SCHEMA, {"x": ["vector"]})
    assert feed.is_list


@pytest.mark.parametrize(
    ("datatype", "column", "fits"),
    [
        ("FP32", "amount", True),
        ("INT64", "amount", True),
        ("INT64", "customer.age", True),
        ("INT32", "amount", False),
        ("UINT64", "amount", False),
        ("INT64", "price", False),
        ("FP32", "when", False),
        ("FP32", "customer.name", False),
        ("FP32", "customer", False),
        ("BYTES", "customer.name", True),
        ("BYTES", "amount", False),
        ("BOOL", "amount", False),
    ],
)
def test_a_column_feeds_a_tensor_only_where_nothing_is_lost_or_guessed(datatype: str, column: str, fits: bool) -> None:
    described = tensor("x", datatype, [-1, 1], column)
    if fits:
        plan_feeds(inputs(described), SCHEMA)
    else:
        assert f"input 'x' is {datatype}: column {column!r} is " in problems(SCHEMA, described)


def test_every_column_that_cannot_be_fed_is_reported_at_once() -> None:
    text = problems(
        SCHEMA,
        tensor("x", "FP32", [-1, 2], "amonut", "when"),
        tensor("y", "FP32", [-1, 1], "customer.agee"),
        tensor("z", "FP32", [-1, 3], "a", "b", "c"),
        columns={"z": ["amount", "price"], "zz": ["amount"]},
    ).splitlines()
    assert "('inputs', 'zz') the model has no input 'zz', it has ['x', 'y', 'z']; did you mean 'z'?" in text
    assert "('model',) input 'x' needs column 'amonut', which does not reach this stage; did you mean 'amount'?" in text
    assert any(line.startswith("('model',) input 'x' is FP32: column 'when' is timestamp") for line in text)
    assert any("'customer.agee'" in line for line in text)
    assert any(line.startswith("('inputs', 'z') input 'z' has rows of 3, fed by 2 columns") for line in text)
    assert len(text) == 5
