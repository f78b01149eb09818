"""The smallest pipeline that uses every part: Avro readings, a suite, an ONNX model, two outputs, dead letters.

Events are made and read with fastavro alone, and what a prediction must be is computed with numpy, so
that nothing here shares a mistake with the product.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import fastavro
import numpy as np
from acceptance.kafka_io import Input
from onnx import TensorProto, helper, numpy_helper

READING: Final = {
    "type": "record",
    "name": "Reading",
    "namespace": "test",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "x", "type": "double"},
        {"name": "k", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
SCORE: Final = {
    "type": "record",
    "name": "Score",
    "namespace": "test",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "y", "type": "float"},
        {"name": "half", "type": "double"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "model", "type": "string"},
    ],
}
TABLE: Final = (0.0, 1.0, 4.0, 9.0)
"""The model's constants: y = sqrt(x) + TABLE[k]; not finite for x < 0, refused for k > 3."""
TOO_BIG: Final = 2e6
"""An x over the critical bound of the suite."""
HIGH: Final = 12.0
"""y above it goes to the topic `high`."""
KEYS: Final = 101
PLANTED_EVERY: Final = 50
"""Of plain readings every fiftieth is over the critical bound: a dead letter."""

SUITE: Final = {
    "name": "reading",
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "x", "max_value": 1e6},
            "meta": {"rule_id": "x_is_small"},
            "severity": "critical",
        },
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "k", "max_value": 2},
            "meta": {"rule_id": "k_is_below_3"},
            "severity": "warning",
        },
    ],
    "meta": {"great_expectations_version": "1.24.1"},
}
PIPELINE: Final = """\
pipeline: {name}
input: {{topic: {name}.in, schema: schemas/reading.avsc, start: {start}}}
stages:
  - validate: {{suite: suites/reading.json}}
  - transform: {{half: x / 2}}
  - infer: {{model: models/root, outputs: {{y: y, _model: model}}}}
outputs:
  - {{topic: {name}.high, schema: schemas/score.avsc, when: y > 12}}
  - {{topic: {name}.low, schema: schemas/score.avsc}}
failures: {{dead_letter: {{limit: {limit}}}}}
batch: {{events: {events}, bytes: 4MiB, wait: {wait}}}
transaction: {{timeout: {transaction}}}
group: {{protocol: {protocol}}}
"""
DEFAULTS: Final[Mapping[str, Any]] = {
    "start": "earliest",
    "limit": "{ratio: 1, consecutive: 1000000}",
    "events": 200,
    "wait": "20ms",
    "transaction": "2s",
    "protocol": "classic",
}

_READING: Final = fastavro.parse_schema(READING)
_SCORE: Final = fastavro.parse_schema(SCORE)


def fingerprint(schema: Any) -> bytes:
    """CRC-64-AVRO of the parsing canonical form, as it stands in a message."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


_PREFIX: Final = b"\xc3\x01" + fingerprint(READING)
_SCORE_PREFIX: Final = b"\xc3\x01" + fingerprint(SCORE)


def datum(number: int, x: float, k: int = 0, note: str | None = None) -> bytes:
    """A reading without framing."""
    data = io.BytesIO()
    fastavro.schemaless_writer(data, _READING, {"id": number, "x": x, "k": k, "note": note})
    return data.getvalue()


def reading(number: int, x: float, k: int = 0, note: str | None = None) -> bytes:
    """A reading in single-object encoding."""
    return _PREFIX + datum(number, x, k, note)


def plain(number: int) -> bytes:
    """The reading of this id: its x and k follow from the id, and whether it becomes a dead letter."""
    return reading(number, *x_and_k(number))


def key(number: int) -> bytes:
    return b"key-%d" % (number % KEYS)


def plain_inputs(numbers: Iterable[int]) -> Iterable[Input]:
    """Plain readings as the topic's records: the same key goes to the same partition."""
    return ((key(number), plain(number), None, None) for number in numbers)


def x_and_k(number: int) -> tuple[float, int]:
    return (TOO_BIG if number % PLANTED_EVERY == 7 else float(number * 37 % 400)), number % 4


def score(value: bytes | None) -> dict[str, Any]:
    """An output event; its framing must be that of the output schema."""
    assert value is not None
    assert value[:10] == _SCORE_PREFIX, "framed by the fingerprint of the output schema"
    found: Any = fastavro.schemaless_reader(io.BytesIO(value[10:]), _SCORE)
    return found  # type: ignore[no-any-return]


def read_back(value: bytes | None) -> dict[str, Any]:
    """A reading, out of a dead letter for example."""
    assert value is not None
    found: Any = fastavro.schemaless_reader(io.BytesIO(value[10:]), _READING)
    return found  # type: ignore[no-any-return]


def expected_y(x: float, k: int) -> float:
    return float(np.sqrt(np.float32(x)) + np.float32(TABLE[k]))


def model_bytes() -> bytes:
    """x FP32 [N, 1], k INT64 [N, 1] -> y FP32 [N, 1] = sqrt(x) + TABLE[k]."""
    nodes = [
        helper.make_node("Sqrt", ["x"], ["root"]),
        helper.make_node("Gather", ["table", "k"], ["bonus"], axis=0),
        helper.make_node("Add", ["root", "bonus"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "root",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1]),
            helper.make_tensor_value_info("k", TensorProto.INT64, ["N", 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(np.array(TABLE, np.float32), "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(model.SerializeToString())


def write_files(folder: Path) -> None:
    """Schemas, suite and the packed model: what a pipeline file beside them names."""
    from stream.inference import pack

    for name in ("schemas", "suites", "models"):
        (folder / name).mkdir(parents=True)
    (folder / "schemas" / "reading.avsc").write_text(json.dumps(READING))
    (folder / "schemas" / "score.avsc").write_text(json.dumps(SCORE))
    (folder / "suites" / "reading.json").write_text(json.dumps(SUITE))
    (folder / "root.onnx").write_bytes(model_bytes())
    (folder / "golden.csv").write_text("x,k\n0,0\n4,1\n2.25,3\n")
    pack(
        folder / "root.onnx",
        "root",
        into=folder / "models",
        now=datetime(2026, 1, 1, tzinfo=UTC),
        columns={"x": ["x"], "k": ["k"]},
        golden=folder / "golden.csv",
    )


def pipeline_text(name: str, **settings: Any) -> str:
    """The pipeline file of this name; settings replace those of DEFAULTS."""
    assert settings.keys() <= DEFAULTS.keys(), settings
    return PIPELINE.format(name=name, **{**DEFAULTS, **settings})
