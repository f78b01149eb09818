"""What is sent: JSON whose structure no value can change."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigurationError, PoisonError
from stream.http.bodies import compile_body, compile_envelope
from stream.http.values import json_value

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64()),
        pa.field("text", pa.string()),
        pa.field("who", pa.struct([pa.field("name", pa.string())])),
    ]
)


def rendered(spec: Any, **values: Any) -> Any:
    return json.loads(compile_body(spec, SCHEMA).render(lambda path: values[path.replace(".", "_")]))


def test_a_list_of_columns_is_an_object_of_them() -> None:
    assert rendered(["id", "who.name", "_offset"], id=7, who_name="Ann", _offset=3) == {
        "id": 7,
        "who.name": "Ann",
        "_offset": 3,
    }


def test_a_lone_column_keeps_its_type_and_one_in_a_text_becomes_text() -> None:
    spec = {"n": "{id}", "prompt": "Hi {who.name}: {text} {{ok}} {id}", "a": [1, None, True, "{text}"], "b": {"c": "x"}}
    found = rendered(spec, id=7, text=None, who_name='"}')
    assert found == {"n": 7, "prompt": 'Hi "}:  {ok} 7', "a": [1, None, True, None], "b": {"c": "x"}}


@given(st.text(), st.text())
def test_no_value_can_break_out_of_its_place(text: str, name: str) -> None:
    spec = {"messages": [{"role": "user", "content": "{who.name}: {text}"}], "raw": "{text}"}
    assert rendered(spec, text=text, who_name=name) == {
        "messages": [{"role": "user", "content": f"{name}: {text}"}],
        "raw": text,
    }


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        (["id", "idd"], [((1,), "no column 'idd'; did you mean 'id'?; columns here: id, text, who")]),
        ({"a": {"b": ["{x}", "{id"]}}, [(("a", "b", 0), "no column 'x'"), (("a", "b", 1), "has a lone '{'")]),
        ({"a": "{not a column}"}, [(("a",), "has {not a column}, which is no column; write {{ and }} for braces")]),
        ({"a": "${env:TOKEN}"}, [(("a",), "references such as ${env:NAME} may stand in url and headers only")]),
        ({"a": "}"}, [(("a",), "has a lone '}': write {column}, or }} for a brace")]),
    ],
)
def test_every_mistake_is_told_at_its_place(spec, problems) -> None:
    with pytest.raises(ConfigurationError) as raised:
        compile_body(spec, SCHEMA)
    assert [p.at for p in raised.value.problems] == [at for at, _ in problems]
    for problem, (_, told) in zip(raised.value.problems, problems, strict=True):
        assert told in problem.message


def test_only_what_is_used_is_asked_for() -> None:
    assert compile_body({"a": "{id} {id}", "b": "{text}"}, SCHEMA).columns == ("id", "text")


def test_an_envelope_stands_around_the_list() -> None:
    assert compile_envelope({"a": {"b": "{events}"}, "c": 1}).wrap([b"1", b'"x"']) == b'{"a":{"b":[1,"x"]},"c":1}'


@pytest.mark.parametrize("spec", [{"a": 1}, {"a": "{events}", "b": "{events}"}, {"a": "x {events}"}, {"a": "{id}"}])
def test_an_envelope_has_one_place_for_the_events(spec) -> None:
    with pytest.raises(ConfigurationError):
        compile_envelope(spec)


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (pa.array([2**62]), 2**62),
        (pa.array([0.1]), 0.1),
        (pa.array([None], pa.int32()), None),
        (pa.array([True]), True),
        (pa.array([b"\x00\xff"]), "AP8="),
        (pa.array([Decimal("1.10")]), "1.10"),
        (pa.array([date(2026, 1, 31)]), "2026-01-31"),
        (pa.array([time(6, 30)], pa.time32("ms")), "06:30:00"),
        (pa.array([datetime(2026, 1, 31, 6, tzinfo=UTC)], pa.timestamp("ms", "UTC")), "2026-01-31T06:00:00+00:00"),
        (pa.array([1], pa.timestamp("ns", "UTC")), "1970-01-01T00:00:00.000000001+00:00"),
        (pa.array([0], pa.timestamp("us")), "1970-01-01T00:00:00"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), {"k": 1}),
        (pa.array([[{"a": [b"x", None]}]]), [{"a": ["eA==", None]}]),
    ],
)
def test_values_of_every_type_have_a_form_in_json(array, value) -> None:
    assert json_value(array, 0, "c", "body_value") == value


@pytest.mark.parametrize(
    "array",
    [
        pa.array([float("nan")]),
        pa.array([float("inf")]),
        pa.array([[1.0, float("nan")]]),
        pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        pa.array([2**62], pa.timestamp("ms", "UTC")),
    ],
)
def test_a_value_that_json_or_the_calendar_has_not_is_that_events_fault(array) -> None:
    with pytest.raises(PoisonError) as raised:
        json_value(array, 0, "c", "body_value")
    assert (raised.value.reason, raised.value.detail) == (
        "body_value",
        "the value of column 'c' cannot be written in JSON",
    )
