"""What is made from the models for people and editors."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from stream.config import configuration_table, environment_table, json_schema
from stream.stages import KINDS

ROOT = Path(__file__).parents[3]
PIPELINES = sorted(ROOT.glob("pipelines/*.yaml"))


@pytest.fixture(scope="module")
def schema():
    return json_schema()


def described(schema, path=""):
    """(path, its schema) of every key that may be written."""
    for name, found in schema.get("properties", {}).items():
        yield f"{path}.{name}", found
        yield from described(found, f"{path}.{name}")
    for name, found in schema.get("$defs", {}).items():
        yield from described(found, name)


def test_the_schema_in_docs_is_the_one_that_the_models_give(schema):
    committed = json.loads((ROOT / "docs/pipeline.schema.json").read_text("utf-8"))
    assert committed == schema, "run: stream schema > docs/pipeline.schema.json"


def test_every_key_is_described(schema):
    missing = [path for path, found in described(schema) if "description" not in found and "$ref" not in found]
    assert not missing


def test_the_schema_is_one(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not [path for path, found in described(schema) if "title" in found]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_the_schema_takes_the_pipelines_that_come_along(schema, path):
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema)
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=../docs/pipeline.schema.json\n")


@pytest.mark.parametrize(
    "change",
    [
        {"pipelin": "x"},
        {"pipeline": "a b"},
        {"stages": []},
        {"stages": [{"infre": {}}]},
        {"stages": [{"transform": {"a": "b"}, "call": {"function": "a:b", "adds": {"c": "int"}}}]},
        {"stages": [{"infer": {"modle": "m"}}]},
        {"input": {"schema": "a"}},
        {"batch": {"wait": 20}},
        {"batch": {"events": "10"}},
        {"group": {"protocol": "on"}},
        {"failures": {"retry": {"delays": ["10"]}}},
    ],
)
def test_an_editor_sees_what_the_checker_sees(schema, change):
    right = {
        "input": {"topic": "t", "schema": "s"},
        "stages": [{"transform": {"a": 1}}],
        "outputs": [{"topic": "r", "schema": "s"}],
    }
    jsonschema.validate(right, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**right, **change}, schema)


def test_defaults_are_shown_as_people_write_them(schema):
    assert schema["$defs"]["Batch"]["properties"]["wait"]["default"] == "25ms"
    assert schema["$defs"]["Batch"]["properties"]["bytes"]["default"] == "16MiB"
    assert schema["$defs"]["Transaction"]["properties"]["timeout"]["default"] == "10s"


def test_the_configuration_table_has_every_key_with_default_and_meaning():
    rows = [line.split(" | ") for line in configuration_table().splitlines()]
    assert rows[0] == ["| Key", "Type", "Default", "Meaning |"]
    assert all(len(row) == 4 for row in rows[2:])
    assert all(len(row[3]) > 10 for row in rows[2:])
    keys = {row[0].removeprefix("| "): row[2] for row in rows[2:]}
    assert keys["`batch.wait`"] == "`25ms`"
    assert keys["`input.topic`"] == keys["`outputs[].schema`"] == keys["`stages`"] == "required"
    assert keys["`failures.dead_letter.topic`"] == "`<pipeline>.dlq`"
    assert keys["`failures.retry.delays`"] == "none"
    assert all(any(key.startswith(f"`stages[].{kind}") for key in keys) for kind in KINDS)


def test_the_type_of_a_key_is_told_in_words():
    rows = [line.split(" | ") for line in configuration_table().splitlines()]
    types = {row[0].removeprefix("| "): row[1] for row in rows[2:]}
    assert types["`batch.wait`"] == "duration"
    assert types["`batch.bytes`"] == "size"
    assert types["`batch.events`"] == "integer, 1 to 1000000"
    assert types["`failures.dead_letter.limit.ratio`"] == "number, over 0 to 1"
    assert types["`failures.retry.delays`"] == "list of duration"
    assert types["`group.protocol`"] == "`classic` or `consumer`"
    assert types["`input.topic`"] == "text or list of text"
    assert types["`input.start`"] == "`earliest` or `latest` or time with zone"
    assert types["`stages[].http.rate`"] == "rate"
    assert types["`outputs[].when`"] == "SQL expression"
    assert types["`stages[].transform`"] == "mapping to SQL expression"
    assert types["`stages[].infer.inputs`"] == "mapping to list of text"
    assert all(types.values())


def test_no_cell_of_a_table_is_swallowed_as_html():
    for line in (configuration_table() + environment_table()).splitlines():
        outside_code = "".join(line.split("`")[::2])
        assert "<" not in outside_code.replace("\\<", "")


def test_the_environment_table_has_every_variable():
    table = environment_table()
    for name in ("STREAM_KAFKA_<PROPERTY>", "STREAM_SCHEMA_REGISTRY_URL", "STREAM_INSTANCE", "STREAM_HTTP_ADDRESS"):
        assert f"| `{name}` |" in table
    assert "| `STREAM_HTTP_ADDRESS` | `127.0.0.1:9464` |" in table
    assert "| `STREAM_INSTANCE` | host name |" in table
    assert table.count("A secret:") == 3
