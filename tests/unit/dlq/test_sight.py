"""One message as far as any decoder gets."""

import json

import pytest

from stream.avro import DirectorySchemas, parse_schema
from stream.avro.framing import fingerprint_prefix
from stream.avro.partial import read_partly
from stream.batch import Messages
from stream.cli.sight import hex_lines, sights

SCHEMA = parse_schema(
    json.dumps(
        {
            "type": "record",
            "name": "Event",
            "fields": [
                {"name": "id", "type": "long"},
                {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "tags", "type": {"type": "map", "values": "string"}},
                {"name": "note", "type": ["null", "string"], "default": None},
            ],
        }
    )
)
WHOLE = b"\x02" + b"\xd0\x0f" + b"\x02\x02a\x02b\x00" + b"\x02\x04hi"
PREFIX = fingerprint_prefix(SCHEMA.fingerprint)


def look(value: bytes | None) -> list[tuple[str, object, str]]:
    store = DirectorySchemas([], known=[SCHEMA])
    return [(s.decoder, s.value, s.reason) for s in sights(Messages.of([value]), store, [SCHEMA])]


def test_a_whole_datum_is_read_by_the_first() -> None:
    ((_, event, reason),) = look(PREFIX + WHOLE)
    assert isinstance(event, dict)
    assert (event["id"], event["tags"], event["note"], reason) == (1, {"a": "b"}, "hi", "")


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_a_datum_that_ends_early_is_read_up_to_there(end: int) -> None:
    part = read_partly(SCHEMA, WHOLE[:end])
    names = [name for name, until in (("id", 1), ("at", 3), ("tags", 9), ("note", 13)) if end >= until]
    assert list(part.fields) == names
    assert (part.stopped_in, part.reason) == (["id", "at", "tags", "note"][len(names)], "truncated")


def test_every_decoder_says_why_it_did_not_get_to_the_end() -> None:
    named, partly, as_json, text = look(PREFIX + WHOLE[:5])
    assert named[2].startswith("truncated: ")
    assert (partly[0], list(partly[1])) == ("Avro Event, behind its framing", ["id", "at"])  # type: ignore[call-overload]
    assert partly[2].startswith("truncated in tags at byte 3: ")
    assert (as_json[2], text[2]) == ("not JSON", "not UTF-8 at byte 0")


def test_data_without_framing_json_and_text_are_recognised() -> None:
    assert look(WHOLE)[-1][0] == "Avro Event, without framing"
    assert look(b'{"a": 1}')[-1][:2] == ("JSON", {"a": 1})
    assert look(b"plain words")[-1][:2] == ("text", "plain words")


def test_bytes_behind_a_datum_are_told_with_what_was_read() -> None:
    part = read_partly(SCHEMA, WHOLE + b"zz")
    assert (len(part.fields), part.at, part.reason) == (4, len(WHOLE), "trailing_bytes")


def test_a_bomb_is_refused_as_everywhere() -> None:
    """[array<null>: a few bytes that ask for millions of items]"""
    schema = parse_schema('{"type":"record","name":"B","fields":[{"name":"n","type":{"type":"array","items":"null"}}]}')
    part = read_partly(schema, b"\xfe\xff\xff\xff\xff\x07\x00")
    assert (part.fields, part.reason) == ({}, "too_many_items")


def test_a_message_without_value_is_none() -> None:
    assert look(None) == [("none", None, "the message has no value")]


def test_hex_with_offsets_and_characters() -> None:
    lines = list(hex_lines(b"0123456789abcdef\x00\xffz", 18))
    assert lines[0] == "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef"
    assert lines[1].startswith("00000010  00 ff ")
    assert lines[1].endswith("  ..")
    assert lines[2] == "... 1 bytes more"
