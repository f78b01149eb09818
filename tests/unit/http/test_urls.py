"""Addresses filled from columns: a value never leaves its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import PoisonError
from stream.http.references import Resolver
from stream.http.urls import Url, compile_url


def url_of(text: str, **environ: str) -> Url:
    return compile_url(text, Resolver(environ, Path))


def filled(text: str, **values: Any) -> str:
    return url_of(text).render(values.__getitem__)


@pytest.mark.parametrize(
    ("text", "values", "url"),
    [
        ("http://h/a/{x}/b", {"x": "ä b/c?d#e&f"}, "http://h/a/%C3%A4%20b%2Fc%3Fd%23e%26f/b"),
        ("http://h/a?x={x}&y={y}", {"x": "1&admin=1", "y": 5}, "http://h/a?x=1%26admin%3D1&y=5"),
        ("http://h/a?x={x}", {"x": ""}, "http://h/a?x="),
        ("http://h/{x}/{y}", {"x": True, "y": 0.5}, "http://h/true/0.5"),
        ("http://h/{{x}}", {}, "http://h/{x}"),
        ("http://h/a..{x}", {"x": "b"}, "http://h/a..b"),
    ],
)
def test_values_are_escaped_whole(text, values, url) -> None:
    assert filled(text, **values) == url


@pytest.mark.parametrize("value", ["", ".", "..", None, "x" * 9000])
def test_a_value_that_would_change_which_resource_is_meant_is_poison(value) -> None:
    with pytest.raises(PoisonError) as raised:
        filled("http://h/customers/{x}", x=value)
    assert raised.value.reason == "url_value"
    assert "xxx" not in raised.value.detail


def test_dots_may_come_from_two_columns_too() -> None:
    with pytest.raises(PoisonError):
        filled("http://h/{x}{y}/z", x=".", y=".")


@given(st.text(), st.text())
def test_whatever_the_values_are_host_and_resource_stay(x: str, y: str) -> None:
    try:
        url = filled("http://host:81/a/{x}/b?q={y}", x=x, y=y)
    except PoisonError:
        assert x in ("", ".", "..")
        return
    parts = urlsplit(url)
    assert (parts.netloc, parts.fragment) == ("host:81", "")
    assert [unquote(segment) for segment in parts.path.split("/")] == ["", "a", x, "b"]
    assert unquote(parts.query) == f"q={y}"


@pytest.mark.parametrize(
    "text",
    [
        "http://{x}/a",
        "http://h{x}/a",
        "http://h:{x}/a",
        "http://h{x}",
        "{x}",
        "{x}://h/a",
        "ftp://h/a",
        "//h/a",
        "/a",
        "http:///a",
        "http://user:pw@h/a",
        "http://user@h/a",
        "http://h/a#b",
        "http://h/a b",
        "http://h/a\n",
        "http://h:99999/a",
        "http://h/../a",
        "http://h/./a",
        "http://h/a{",
        "http://h/}",
        "http://h/{a b}",
        "http://h/{}",
        "http://h/${env:}",
        "http://h/${secret}",
        "http://h/${env:UNSET}",
        "http://[h/a",
    ],
)
def test_an_address_that_is_none_or_whose_host_could_change_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"must|needs|has") as raised:
        url_of(text, STREAM_X="y")
    assert "pw" not in str(raised.value)


def test_a_reference_is_resolved_once_and_not_read_as_a_template() -> None:
    url = url_of("${env:BASE}/score/{id}", BASE="http://h:8080/{tenant}")
    assert url.render({"id": 7}.__getitem__) == "http://h:8080/{tenant}/score/7"
    assert (url.shown, url.host, url.columns) == ("${env:BASE}/score/{id}", "h:8080", ["id"])
    assert "tenant" not in repr(url)


def test_references_that_are_missing_are_told_without_any_value(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tiptop\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_text("x" * 70_000)
    resolver = Resolver({"A": "1", "EMPTY": "", "STREAM_A": "1"}, lambda name: tmp_path / name)
    assert resolver.resolve("a ${env:A} ${file:token} $ {x}") == "a 1 tiptop $ {x}"
    for text, told in {
        "${env:B}": "environment variable B, which is not set",
        "${env:EMPTY}": "which is not set",
        "${env:STREAM_A}": "names that start with STREAM_ are the product's",
        "${file:none}": "which cannot be read: No such file",
        "${file:empty}": "which is empty",
        "${file:binary}": "which is not UTF-8 text",
        "${file:large}": "longer than 64 KiB",
        "${A}": "write ${env:NAME} or ${file:PATH}",
        "${vault:a}": "write ${env:NAME}",
    }.items():
        with pytest.raises(ValueError, match=r"needs|has") as raised:
            resolver.resolve(text)
        assert told in str(raised.value)
    assert "tiptop" not in repr(resolver)
