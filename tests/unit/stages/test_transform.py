"""The stage transform."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stream.errors import PoisonError
from stream.pipeline import apply

SCHEMA = pa.schema([pa.field("dep_delay", pa.float64()), pa.field("air_time", pa.float64()), ("code", pa.string())])
COLUMNS = pa.RecordBatch.from_pylist(
    [
        {"dep_delay": 10.0, "air_time": 120.0, "code": "1"},
        {"dep_delay": None, "air_time": 60.0, "code": "x"},
        {"dep_delay": 0.0, "air_time": 0.0, "code": None},
    ],
    SCHEMA,
)


def test_new_columns_follow_those_that_are_there(build, make_batch):
    stage = build("transform", {"gained": "dep_delay - air_time / 60", "model": "'a/1'"}, SCHEMA)
    result = stage.apply(make_batch(COLUMNS))
    assert stage.schema.names == result.batch.columns.schema.names == [*SCHEMA.names, "gained", "model"]
    assert result.batch.columns["gained"].to_pylist() == [8.0, None, 0.0]
    assert result.batch.columns["model"].to_pylist() == ["a/1"] * 3
    assert not result.failures
    assert stage.schema.field("gained") == pa.field("gained", pa.float64())
    assert stage.schema.field("model") == pa.field("model", pa.string(), nullable=False)


def test_a_later_expression_may_use_the_column_of_an_earlier_one(build, make_batch):
    stage = build("transform", {"gained": "dep_delay - air_time / 60", "is_late": "gained > 5"}, SCHEMA)
    assert stage.apply(make_batch(COLUMNS)).batch.columns["is_late"].to_pylist() == [True, None, False]


def test_an_earlier_expression_does_not_see_a_later_column(problems):
    ((at, message),) = problems("transform", {"is_late": "gained > 5", "gained": "dep_delay"}, SCHEMA)
    assert at == ("is_late",)
    assert message.startswith("expression `gained > 5`: no column 'gained'")


def test_a_column_that_is_there_is_replaced_in_its_place(build, make_batch):
    stage = build("transform", {"dep_delay": "coalesce(dep_delay, 0)", "code": "cast(dep_delay as int)"}, SCHEMA)
    result = stage.apply(make_batch(COLUMNS))
    assert result.batch.columns.schema.names == SCHEMA.names
    assert result.batch.columns["dep_delay"].to_pylist() == [10.0, 0.0, 0.0]
    assert stage.schema.field("code").type == result.batch.columns["code"].type == pa.int32()


def test_meta_columns_may_be_used(build, make_batch):
    stage = build("transform", {"origin": "_topic || '/' || _partition || '/' || _offset"}, SCHEMA)
    assert stage.apply(make_batch(COLUMNS)).batch.columns["origin"].to_pylist()[0] == "flights/0/100"


def test_every_wrong_expression_is_told_where_it_stands(problems):
    found = problems("transform", {"a": "now()", "b": "dep_delay", "c": "nosuch", "d": "c + 1"}, SCHEMA)
    assert [at for at, _ in found] == [("a",), ("c",), ("d",)]


def test_a_row_that_fails_is_set_aside_alone(build, make_batch):
    stage = build("transform", {"number": "cast(code as int)"}, SCHEMA)
    with pytest.raises(PoisonError):
        stage.apply(make_batch(COLUMNS))
    result = apply("transform", stage.apply, make_batch(COLUMNS))
    assert [(f.row, f.reason) for f in result.failures] == [(1, "expression")]
    assert result.batch.columns["number"].to_pylist() == [1, None]
    assert result.batch.rows.tolist() == [0, 2]
