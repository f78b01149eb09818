"""Framing is taken off a whole poll at once, and what has none is named."""

import uuid

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.avro import codec as reasons
from stream.avro.framing import SCHEMA_ID_HEADER, fingerprint_prefix, id_prefix, take_off
from stream.batch import NULL_VALUE, Messages

GUID = uuid.UUID("7f6ad12d-5c53-4c0e-8b1c-32a5b7d8a2f1")


def data_of(messages: Messages) -> list[tuple[str, bytes] | None]:
    """What is left of each message, with its frame; None for a failure."""
    framed = take_off(messages)
    found: list[tuple[str, bytes] | None] = [None] * len(messages)
    for frame, rows in framed.groups():
        assert (np.diff(rows) > 0).all()
        for row in rows:
            found[row] = (str(frame), bytes(messages.values[framed.starts[row] : framed.ends[row]]))
    return found


def reasons_of(messages: Messages) -> list[tuple[int, str]]:
    return sorted((f.row, f.reason) for f in take_off(messages).failures)


def test_the_three_forms_are_told_apart_and_grouped() -> None:
    messages = Messages.of(
        [
            id_prefix(7) + b"one",
            fingerprint_prefix(0xFEDCBA9876543210) + b"two",
            b"\x01" + GUID.bytes + b"three",
            id_prefix(2**31) + b"four",
            id_prefix(7) + b"",
        ]
    )
    assert data_of(messages) == [
        ("7", b"one"),
        ("fedcba9876543210", b"two"),
        (str(GUID), b"three"),
        ("2147483648", b"four"),
        ("7", b""),
    ]
    assert len(take_off(messages).frames) == 4


def test_what_has_no_framing_is_not_avro_and_null_is_null() -> None:
    messages = Messages.of([None, b"", b"zz", b"\xc3\x02" + b"x" * 8, id_prefix(1)])
    assert reasons_of(messages) == [(0, NULL_REASON), (1, NOT), (2, NOT), (3, NOT)]
    assert data_of(messages)[4] == ("1", b"")


NULL_REASON, NOT, SHORT = reasons.NULL_VALUE, reasons.NOT_AVRO, reasons.TRUNCATED


def test_what_ends_inside_its_framing_is_truncated() -> None:
    whole = [id_prefix(1), fingerprint_prefix(1), b"\x01" + GUID.bytes]
    assert reasons_of(Messages.of([w[:-1] for w in whole])) == [(0, SHORT), (1, SHORT), (2, SHORT)]
    assert reasons_of(Messages.of([b"\xc3"])) == [(0, NOT)]


def with_headers(values: list[bytes | None], headers: list[list[tuple[str, bytes | None]] | None]) -> Messages:
    plain = Messages.of(values)
    return Messages(
        plain.values, plain.value_offsets, plain.keys, plain.key_offsets, plain.topics, plain.topic,
        plain.partition, plain.offset, plain.timestamp, plain.flags, headers,
    )  # fmt: skip


def test_a_schema_id_in_a_header_leaves_the_value_whole() -> None:
    guid = [(SCHEMA_ID_HEADER, b"\x01" + GUID.bytes)]
    messages = with_headers(
        [b"\x00whole", b"data", id_prefix(3) + b"x", None, b"bad"],
        [guid, [("traceparent", b"t"), (SCHEMA_ID_HEADER, id_prefix(3))], None, guid, [(SCHEMA_ID_HEADER, b"\x02abc")]],
    )
    assert data_of(messages) == [(str(GUID), b"\x00whole"), ("3", b"data"), ("3", b"x"), None, None]
    assert reasons_of(messages) == [(3, NULL_REASON), (4, NOT)]


def test_no_messages_are_no_groups() -> None:
    assert list(take_off(Messages.of([])).groups()) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.binary(max_size=24), max_size=8))
def test_every_message_is_answered_for_once(values: list[bytes | None]) -> None:
    messages = Messages.of(values)
    framed = take_off(messages)
    grouped = [int(row) for _, rows in framed.groups() for row in rows]
    assert sorted([*grouped, *(f.row for f in framed.failures)]) == list(range(len(values)))
    assert all(bool(messages.flags[f.row] & NULL_VALUE) == (f.reason == NULL_REASON) for f in framed.failures)
