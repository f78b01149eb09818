"""The stage call: Python functions of the user's own."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest

from stream.errors import PoisonError, ProcessError, TransientError
from stream.pipeline import apply
from stream.stages.call import TYPES

CUSTOMER = pa.struct([pa.field("id", pa.int64())])
SCHEMA = pa.schema([pa.field("a", pa.int32()), pa.field("x", pa.float64()), pa.field("customer", CUSTOMER)])
COLUMNS = pa.RecordBatch.from_pylist(
    [
        {"a": 1, "x": 0.5, "customer": {"id": 7}},
        {"a": 2, "x": float("nan"), "customer": None},
        {"a": 3, "x": None, "customer": {"id": 9}},
    ],
    SCHEMA,
)
RULES = """
import numpy as np, pyarrow as pa, pyarrow.compute as pc
from stream.errors import PoisonError, TransientError

def adjust(batch):
    return pa.record_batch({"score": pc.multiply(batch["a"], 2.0)})

def keep_all(batch):
    return batch.append_column("score", pc.cast(batch["a"], pa.float64()))

def copy_all(batch):
    copied = pa.RecordBatch.from_pylist(batch.to_pylist(), batch.schema)
    return copied.append_column("score", pa.array([0.0] * len(batch)))

def changes_a(batch):
    return pa.record_batch({"a": pc.add(batch["a"], batch["a"]), "score": pa.array([0.0] * len(batch))})

def names(batch):
    return pa.record_batch({"label": pa.array(["|".join(batch.schema.names)] * len(batch), pa.large_string())})

def key(batch):
    return pa.record_batch({"label": pc.cast(batch["_key"], pa.string()), "id": batch["customer.id"]})

def vector(batch):
    return pa.record_batch({"v": pa.array([[0.5, 0.5]] * len(batch))})

def too_few(batch):
    return adjust(batch.slice(1))

def no_batch(batch):
    return batch.to_pylist()

def other_type(batch):
    return pa.record_batch({"score": batch["a"]})

def other_column(batch):
    return pa.record_batch({"scor": batch["a"]})

def extra(batch):
    return pa.record_batch({"score": batch["x"], "more": batch["x"]})

def poison(batch):
    if 2 in batch["a"].to_pylist():
        raise PoisonError("rule", "not wanted")
    return adjust(batch)

def transient(batch):
    if 3 in batch["a"].to_pylist():
        raise TransientError("timeout", "the service did not answer")
    return adjust(batch)

def defect(batch):
    return 1 / 0

def late_import(batch):
    import beside_rules
    return pa.record_batch({"score": pa.array([beside_rules.SCORE] * len(batch))})

class Rule:
    @staticmethod
    def adjust(batch):
        return adjust(batch)

number = 5
"""


NOT_FOUND = (
    "the module '{}' cannot be imported: ModuleNotFoundError: No module named '{}';"
    " looked in {{folder}}/pipelines, {{folder}} too"
)


@pytest.fixture(autouse=True)
def rules(tmp_path):
    """The module my_rules in the folder above the pipeline file's."""
    (tmp_path / "my_rules.py").write_text(RULES)
    (tmp_path / "beside_rules.py").write_text("SCORE = 4.5")
    (tmp_path / "broken_rules.py").write_text("import nothing_of_that_name")
    yield
    for name in ("my_rules", "beside_rules", "broken_rules"):
        sys.modules.pop(name, None)


@pytest.fixture
def call(build):
    def run(function, adds=None, **more):
        return build("call", {"function": f"my_rules:{function}", "adds": adds or {"score": "double"}, **more}, SCHEMA)

    return run


@pytest.mark.parametrize("function", ["adjust", "Rule.adjust", "poison"])
def test_the_declared_columns_are_added(call, make_batch, function):
    stage = call(function)
    result = stage.apply(make_batch(COLUMNS.slice(2)))
    assert stage.schema == SCHEMA.append(pa.field("score", pa.float64()))
    assert result.batch.columns.schema.names == stage.schema.names
    assert result.batch.columns["score"].to_pylist() == [6.0]


@pytest.mark.parametrize("function", ["keep_all", "copy_all"])
def test_the_other_columns_may_come_back_as_they_were(call, make_batch, function):
    result = call(function).apply(make_batch(COLUMNS))
    assert result.batch.columns["a"].to_pylist() == [1, 2, 3]
    assert "score" in result.batch.columns.schema.names


def test_a_declared_column_replaces_one_that_is_there(call, make_batch):
    stage = call("changes_a", {"a": "int", "score": "double"})
    result = stage.apply(make_batch(COLUMNS))
    assert result.batch.columns["a"].to_pylist() == [2, 4, 6]
    assert stage.schema.names == [*SCHEMA.names, "score"]


def test_by_default_the_function_gets_every_column_of_the_event(call, make_batch):
    result = call("names", {"label": "string"}).apply(make_batch(COLUMNS))
    assert result.batch.columns["label"].to_pylist()[0] == "a|x|customer"
    assert result.batch.columns["label"].type == pa.string()


def test_the_function_gets_the_columns_it_asks_for(call, make_batch):
    stage = call("key", {"label": "string", "id": "long"}, columns=["_key", "customer.id"])
    result = stage.apply(make_batch(COLUMNS))
    assert result.batch.columns["label"].to_pylist() == ["k0", "k1", "k2"]
    assert result.batch.columns["id"].to_pylist() == [7, None, 9]


def test_a_vector_is_declared_as_an_array(call, make_batch):
    stage = call("vector", {"v": "array<double>"})
    assert stage.schema.field("v").type == pa.list_(pa.float64())
    assert stage.apply(make_batch(COLUMNS)).batch.columns["v"].to_pylist() == [[0.5, 0.5]] * 3


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("too_few", "returned 2 rows for 3; it must answer for each"),
        ("no_batch", "returned list, not a pyarrow.RecordBatch"),
        ("other_type", "returned the column score as int32, `adds` declares double"),
        ("other_column", "did not return the column score that `adds` declares"),
        ("extra", "returned a new or changed column more that `adds` does not declare"),
        ("changes_a", "returned a new or changed column a that `adds` does not declare"),
    ],
)
def test_a_function_that_breaks_its_promise_ends_the_process(call, make_batch, function, what):
    with pytest.raises(ProcessError) as raised:
        call(function).apply(make_batch(COLUMNS))
    assert str(raised.value) == f"the function my_rules:{function} of stage call {what}"


def test_a_poisoned_event_is_found_by_halving(call, make_batch):
    stage = call("poison")
    with pytest.raises(PoisonError):
        stage.apply(make_batch(COLUMNS))
    result = apply("call", stage.apply, make_batch(COLUMNS))
    assert [(f.row, f.kind, f.reason, f.detail) for f in result.failures] == [(1, "poison", "rule", "not wanted")]
    assert result.batch.columns["score"].to_pylist() == [2.0, 6.0]


def test_an_event_that_may_pass_later_is_found_by_halving(call, make_batch):
    stage = call("transient")
    with pytest.raises(TransientError):
        stage.apply(make_batch(COLUMNS))
    result = apply("call", stage.apply, make_batch(COLUMNS))
    assert [(f.row, f.kind, f.reason) for f in result.failures] == [(2, "transient", "timeout")]


def test_a_defect_of_the_function_is_not_swallowed(call, make_batch):
    with pytest.raises(ProcessError, match="raised ZeroDivisionError; its text may hold values") as defect:
        call("defect").apply(make_batch(COLUMNS))
    (frames,) = defect.value.__notes__
    assert frames.startswith('  File "')
    assert "in defect" in frames, "where, in the function's own file"
    assert "division" not in frames
    assert defect.value.__cause__ is None
    assert defect.value.__suppress_context__


def test_a_function_may_import_what_stands_beside_it_when_it_runs(call, make_batch):
    result = call("late_import").apply(make_batch(COLUMNS))
    assert result.batch.columns["score"].to_pylist() == [4.5] * 3


def test_the_import_path_is_left_as_it_was(call, make_batch):
    before = list(sys.path)
    call("adjust").apply(make_batch(COLUMNS))
    assert sys.path == before


def test_a_module_of_the_project_hides_no_installed_one(call, tmp_path, build):
    (tmp_path / "json.py").write_text("def adjust(batch): return batch")
    sys.modules.pop("json", None)
    import json

    with pytest.raises(Exception, match="the module 'json' has no 'adjust'"):
        build("call", {"function": "json:adjust", "adds": {"a": "int"}}, SCHEMA)
    assert str(tmp_path) not in json.__file__


@pytest.mark.parametrize(
    ("settings", "at", "message"),
    [
        ({"function": "rules"}, ("function",), "'rules' must be module:function, such as my_package.rules:adjust"),
        ({"function": "my_rules:adjst"}, ("function",), "the module 'my_rules' has no 'adjst'; did you mean 'adjust'?"),
        ({"function": "my_rules:number"}, ("function",), "'my_rules:number' is int, not a function"),
        (
            {"function": "broken_rules:adjust"},
            ("function",),
            NOT_FOUND.format("broken_rules", "nothing_of_that_name"),
        ),
        (
            {"function": "my_rles:adjust"},
            ("function",),
            NOT_FOUND.format("my_rles", "my_rles"),
        ),
        (
            {"adds": {"score": "dobule"}},
            ("adds", "score"),
            "no type 'dobule'; did you mean 'double'?; types: " + ", ".join(TYPES) + ", array<...>",
        ),
        (
            {"adds": {"score": "array<decimal>"}},
            ("adds", "score"),
            "no type 'array<decimal>'; types: " + ", ".join(TYPES) + ", array<...>",
        ),
        ({"columns": ["a", "customer.idd"]}, ("columns", 1), "no column 'customer.idd'; did you mean 'customer.id'?"),
    ],
)
def test_a_wrong_setting_is_told_where_it_stands(problems, tmp_path, settings, at, message):
    full = {"function": "my_rules:adjust", "adds": {"score": "double"}, **settings}
    assert problems("call", full, SCHEMA) == [(at, message.format(folder=tmp_path))]


def test_every_wrong_setting_is_told_at_once(problems):
    found = problems("call", {"function": "no_such:f", "adds": {"s": "text"}, "columns": ["nosuch"]}, SCHEMA)
    assert [at for at, _ in found] == [("columns", 0), ("adds", "s"), ("function",)]
