"""Schemas from a folder are found by fingerprint."""

import json
from pathlib import Path

import pytest
from unit.avro.strategies import Json, record, schema

from stream.avro import DirectorySchemas, codec
from stream.avro.framing import Form, Frame
from stream.errors import ConfigurationError, PoisonError


def write(path: Path, of: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(of))


def frame(fingerprint: int) -> Frame:
    return Frame(Form.FINGERPRINT, fingerprint.to_bytes(8, "little"))


def test_schemas_in_folders_below_and_known_ones_are_found(tmp_path: Path) -> None:
    of, known = record(("a", "int"), name="A"), schema(record(("b", "int"), name="B"))
    write(tmp_path / "deep" / "a.avsc", of)
    write(tmp_path / "deep" / "color.avsc", {"type": "enum", "name": "Color", "symbols": ["RED"]})
    (tmp_path / "notes.txt").write_text("no schema")
    store = DirectorySchemas([tmp_path, tmp_path / "none"], [known])
    assert store.writer_schema(frame(schema(of).fingerprint)) == schema(of)
    assert store.writer_schema(frame(known.fingerprint)) is known


def test_a_known_schema_goes_before_a_file_of_the_same_fingerprint(tmp_path: Path) -> None:
    write(tmp_path / "a.avsc", record(("at", "long")))
    known = schema(record(("at", {"type": "long", "logicalType": "timestamp-millis"})))
    assert DirectorySchemas([tmp_path], [known]).writer_schema(frame(known.fingerprint)) is known


def test_outputs_are_framed_with_the_fingerprint() -> None:
    of = schema(record(("a", "int")))
    prefix = DirectorySchemas([]).prefix("topic", of)
    assert prefix == b"\xc3\x01" + of.fingerprint.to_bytes(8, "little")


def test_an_unknown_fingerprint_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(PoisonError, match=f"no schema in {tmp_path} has the fingerprint 00000000000000ff") as raised:
        DirectorySchemas([tmp_path]).writer_schema(frame(255))
    assert raised.value.reason == codec.UNKNOWN_SCHEMA


def test_a_registry_id_without_a_registry_is_unknown() -> None:
    with pytest.raises(PoisonError, match="schema 7 of a schema registry, and none is configured") as raised:
        DirectorySchemas([]).writer_schema(Frame(Form.ID, b"\x00\x00\x00\x07"))
    assert raised.value.reason == codec.UNKNOWN_SCHEMA


def test_the_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.avsc").write_text("{")
    write(tmp_path / "b.avsc", record(("x", "nope")))
    write(tmp_path / "c.avsc", record(("x", "int")))
    with pytest.raises(ConfigurationError) as raised:
        DirectorySchemas([tmp_path])
    assert [str(p).split(":")[0] for p in raised.value.problems] == [str(tmp_path / "a.avsc"), str(tmp_path / "b.avsc")]


def test_there_is_no_latest_schema_without_a_registry() -> None:
    with pytest.raises(ConfigurationError, match=r"name its \.avsc file, or configure a registry"):
        DirectorySchemas([]).latest("flights-value")
