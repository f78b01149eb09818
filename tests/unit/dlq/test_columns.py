"""The filter over dead letters."""

from dataclasses import replace

import pytest

from stream.batch import Messages
from stream.dlq.columns import COLUMNS, Filter, Letters
from stream.errors import ConfigurationError

NOW = 10_000_000


def letters() -> Letters:
    """0: a failed expectation of an hour ago; 1: not Avro, just now; 2: nobody says why."""
    messages = Messages.of(
        [b"v", b"v", None], [b"k-0", b"\xff", None], topic="p.dlq", timestamp_ms=NOW, first_offset=50
    )
    origin = {"topic": b"in", "partition": b"1"}
    first = [("__streams.errors." + name, held) for name, held in origin.items()]
    headers = [
        [
            *first,
            ("__streams.errors.offset", b"7"),
            ("stream.stage", b"validate"),
            ("stream.class", b"poison"),
            ("stream.reason", b"expectation"),
            ("stream.expectations", b"a,b"),
            ("stream.failed", b"%d" % (NOW - 3_600_000)),
            ("tenant", b"acme"),
            ("x-id", b"1"),
        ],
        [*first, ("__streams.errors.offset", b"8"), ("stream.reason", b"not_avro"), ("stream.replays", b"2")],
        None,
    ]
    return Letters.of(replace(messages, headers=headers))


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("reason = 'expectation'", [0]),
        ("reason <> 'expectation'", [1]),
        ("reason is null", [2]),
        ("class = 'poison' and stage = 'validate'", [0]),
        ("expectations like '%b%'", [0]),
        ("topic = 'in' and partition = 1", [0, 1]),
        ("offset >= 8", [1]),
        ("OFFSET >= 8", [1]),
        ('"offset" = 7', [0]),
        ("age_s < 60", [1, 2]),
        ("age_s >= 3600", [0]),
        ("failed_at < timestamptz '1970-01-01 01:00:00Z'", []),
        ("failed_at > timestamptz '1970-01-01 01:00:00Z'", [0, 1, 2]),
        ("replays >= 2", [1]),
        ("key = 'k-0'", [0]),
        ("key = '0xff'", [1]),
        ("headers.tenant = 'acme'", [0]),
        ("headers.\"x-id\" = '1' or headers.tenant = 'other'", [0]),
        ("headers.nobody_has_it is null", [0, 1, 2]),
        ("dlq_offset > 50", [1, 2]),
        ("family = 'unknown'", [2]),
        ("1 = 1", [0, 1, 2]),
    ],
)
def test_a_condition_chooses(where: str, rows: list[int]) -> None:
    assert Filter.parse(where, everything=False).chosen(letters(), NOW).nonzero()[0].tolist() == rows


def test_every_column_can_be_asked_for() -> None:
    for name in COLUMNS:
        assert len(Filter.parse(f"{name} is null", everything=False).chosen(letters(), NOW)) == 3


def test_all_of_them_must_be_asked_for() -> None:
    assert Filter.parse(None, everything=True).chosen(letters(), NOW).all()
    for where, everything, told in ((None, False, "give --where"), ("reason = 'x'", True, "must be one of them")):
        with pytest.raises(ConfigurationError, match=told):
            Filter.parse(where, everything=everything)


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("reson = 'x'", "did you mean 'reason'"),
        ("reason = timed_out", "a text stands in single quotes: 'timed_out'"),
        ("failed_at > now()", "now differs each time"),
        ("reason", "must be true or false"),
        ("reason =", "not a whole SQL expression"),
        ("count(*) > 1", "looks at other rows"),
        ("", "not a whole SQL expression"),
    ],
)
def test_what_is_wrong_is_told(where: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        Filter.parse(where, everything=False)


def test_a_cast_that_fails_tells_no_piece_of_an_event() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Filter.parse("cast(key as bigint) > 1", everything=False).chosen(letters(), NOW)
    assert "k-0" not in str(caught.value)
