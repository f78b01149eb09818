"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.units import format_duration, format_rate, format_size, parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("0ms", 0.0), ("10s", 10.0), ("1.5m", 90.0), ("1h", 3600.0), ("10 s", 10.0), ("0.5ms", 0.0005)],
)
def test_a_duration_is_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("500kB", 500_000), ("1MB", 1_000_000), ("16MiB", 16_777_216), ("1.5KiB", 1536), ("1GB", 10**9)],
)
def test_a_size_is_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "value", ["", "10", "s", "10S", "ten s", "-1s", "1e3s", "1s1s", "1 d", 10, 1.5, None, True, []]
)
def test_a_duration_needs_a_number_and_a_unit(value):
    with pytest.raises(ValueError, match="a duration with its unit, such as 20ms, 10s, 1m or 1h"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["", "10", "10mb", "10Mb", "10kb", "16M", 16, None])
def test_a_size_needs_a_number_and_a_unit(value):
    with pytest.raises(ValueError, match="a size with its unit, such as 500kB, 1MB or 16MiB"):
        parse_size(value)


@given(st.integers(0, 10**9))
def test_a_duration_is_written_so_that_it_reads_the_same(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.integers(0, 10**12 - 1))
def test_a_size_is_written_so_that_it_reads_the_same(size):
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.02, "20ms"), (10.0, "10s"), (60.0, "1m"), (90.0, "90s"), (3600.0, "1h"), (0.0, "0ms")]
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "per_second"), [("50/s", 50.0), ("30/m", 0.5), ("0.5/s", 0.5), ("7200/h", 2.0), ("10 / s", 10.0)]
)
def test_a_rate_is_so_many_a_second(text, per_second):
    assert parse_rate(text) == per_second
    assert parse_rate(format_rate(per_second)) == per_second


@pytest.mark.parametrize("value", ["", "10", "10/d", "0/s", "-1/s", "s/10", 10, None])
def test_a_rate_needs_a_number_above_0_and_a_unit(value):
    with pytest.raises(ValueError, match="a rate, such as 50/s, 1000/m or 20000/h"):
        parse_rate(value)


@pytest.mark.parametrize(("per_second", "text"), [(0.5, "30/m"), (50.0, "50/s"), (1.0, "1/s"), (1 / 3600, "1/h")])
def test_a_rate_is_written_in_the_unit_that_is_shortest(per_second, text):
    assert format_rate(per_second) == text
