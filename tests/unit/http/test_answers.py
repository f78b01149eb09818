"""Columns out of answers: paths, types, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pyarrow as pa
import pytest

from stream.errors import PoisonError
from stream.http.answers import Field, items_of, parse_path
from stream.http.verdict import retry_after
from stream.stages.type_names import TYPES, type_named

GOOD = {
    "boolean": [(True, True), (False, False)],
    "int": [(7, 7), (7.0, 7), (-(2**31), -(2**31))],
    "long": [(2**63 - 1, 2**63 - 1), (0, 0)],
    "float": [(1, 1.0), (0.5, 0.5)],
    "double": [(1, 1.0), (1e300, 1e300)],
    "string": [("", ""), ("ä", "ä")],
    "bytes": [("AP8=", b"\x00\xff"), ("", b"")],
    "date": [("2026-01-31", date(2026, 1, 31))],
    "time-millis": [("06:30:00.1239", time(6, 30, 0, 123000))],
    "time-micros": [("06:30:00.123456", time(6, 30, 0, 123456))],
    "timestamp-millis": [("2026-01-31T06:00:00.1239Z", datetime(2026, 1, 31, 6, 0, 0, 123000, tzinfo=UTC))],
    "timestamp-micros": [("2026-01-31T07:00:00+01:00", datetime(2026, 1, 31, 6, tzinfo=UTC))],
    "timestamp-nanos": [("2026-01-31T06:00:00Z", datetime(2026, 1, 31, 6, tzinfo=UTC))],
}
BAD = {
    "boolean": [0, "true", {}],
    "int": [2**31, 1.5, True, "1", {}],
    "long": [2**63, -(2**63) - 1, 1e30, False],
    "float": [1e39, "1", True, 10**400],
    "double": [10**400, "NaN", True],
    "string": [1, True, "\ud800"],
    "bytes": ["a", "!!!!", 1],
    "date": ["2026-02-30", "31.1.2026", 1, ""],
    "time-millis": ["25:00", "06:00+01:00", 1],
    "time-micros": ["x", ""],
    "timestamp-millis": ["2026-01-31T06:00:00", 1769842800, "now"],
    "timestamp-micros": ["2026-01-31", ""],
    "timestamp-nanos": [0],
}


def read(type_: str, value: object) -> object:
    return Field("c", ("v",), type_named(type_)).read({"v": value})


def test_every_type_that_may_be_named_is_tested() -> None:
    assert GOOD.keys() == BAD.keys() == TYPES.keys()


@pytest.mark.parametrize(("type_", "given", "value"), [(t, g, v) for t, pairs in GOOD.items() for g, v in pairs])
def test_a_value_of_the_type_goes_into_a_column_of_it(type_, given, value) -> None:
    array = pa.array([read(type_, given)], type_named(type_))
    assert array[0].as_py() == value
    assert pa.array([read(f"array<{type_}>", [given, given])], type_named(f"array<{type_}>"))[0].as_py() == [value] * 2


@pytest.mark.parametrize(("type_", "given"), [(t, g) for t, values in BAD.items() for g in values])
def test_a_value_of_another_type_is_poison_and_not_told(type_, given) -> None:
    for wanted, value in ((type_, given), (f"array<{type_}>", [given]), (f"array<{type_}>", given)):
        with pytest.raises(PoisonError) as raised:
            read(wanted, value)
        assert raised.value.reason == "wrong_type"
        assert raised.value.detail == f"the answer has something else than {type_named(wanted)} at v for 'c'"


@pytest.mark.parametrize(
    ("path", "found"), [("a.b", 1), ("l.1.x", 2), (".", "all"), ("n.0", 3), ("l.5", None), ("a.b.c", None), ("x", None)]
)
def test_paths_go_through_objects_and_lists(path, found) -> None:
    document = {"a": {"b": 1}, "l": [0, {"x": 2}], "n": {"0": 3}}
    field = Field("c", parse_path(path), pa.int64(), optional=True)
    if found == "all":
        assert Field("c", parse_path(path), pa.string()).read("all") == "all"
    else:
        assert field.read(document) == found


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a."])
def test_a_path_has_a_name_at_every_step(path) -> None:
    with pytest.raises(ValueError, match="names and list indexes"):
        parse_path(path)


def test_optional_is_about_what_is_missing_not_about_what_is_wrong() -> None:
    field = Field("c", ("v",), pa.int64(), optional=True)
    assert [field.read({}), field.read({"v": None})] == [None, None]
    with pytest.raises(PoisonError):
        field.read({"v": "x"})


@pytest.mark.parametrize(
    ("body", "reason"), [(b"[1]", "wrong_count"), (b"{}", "wrong_count"), (b"null", "wrong_count"), (b"[1", "not_json")]
)
def test_a_groups_answer_has_an_item_for_each(body, reason) -> None:
    with pytest.raises(PoisonError) as raised:
        items_of(body, (), 2)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:16:45 GMT", 5.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("9" * 50, 999_999_999.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds) -> None:
    assert retry_after(text, lambda: 1000.0) == seconds
