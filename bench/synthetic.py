"""Made-up events of any size and number of fields, and a small pipeline for them: what growth is measured with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from stream.avro import DirectorySchemas, Schema, choose_encoder, load_schema
from stream.bench.events import Events
from stream.inference import pack

LEAST_FIELDS: Final = 5
"""id, a, b, k and payload."""
KINDS: Final = ("double", "int", "string", "long")
"""Further fields have these types in turn."""
CHUNK_EVENTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """One point of a series. payload_bytes is the size of one field; batch in events."""

    series: str
    label: str
    payload_bytes: int = 40
    fields: int = 10
    partitions: int = 4
    batch: int = 10_000
    times: float = 1.0
    """Events, as a multiple of the usual number."""


def write_project(case: Case, folder: Path) -> Path:
    """Pipeline, schemas and model of a case in an empty folder; gives the pipeline file."""
    (folder / "schemas").mkdir()
    further = [{"name": f"f{n}", "type": KINDS[n % len(KINDS)]} for n in range(case.fields - LEAST_FIELDS)]
    first = [{"name": n, "type": t} for n, t in (("id", "long"), ("a", "double"), ("b", "double"), ("k", "string"))]
    fields = [*first, *further, {"name": "payload", "type": "bytes"}]
    _write(folder / "schemas" / "event.avsc", {"type": "record", "name": "Event", "fields": fields})
    score = [{"name": "id", "type": "long"}, {"name": "y", "type": "float"}]
    _write(folder / "schemas" / "score.avsc", {"type": "record", "name": "Score", "fields": score})
    _write(folder / "suite.json", _suite())
    _pack_model(folder)
    pipeline = folder / "growth.yaml"
    pipeline.write_text(
        "pipeline: growth\n"
        "input: {topic: events, schema: schemas/event.avsc}\n"
        "stages:\n"
        "  - validate: {suite: suite.json}\n"
        "  - infer: {model: models/sum, outputs: {y: y}}\n"
        "outputs: [{topic: scores, schema: schemas/score.avsc}]\n"
        f"batch: {{events: {case.batch}}}\n",
        "utf-8",
    )
    return pipeline


def made_events(case: Case, folder: Path, number: int, topic: str) -> Events:
    """So many different events, framed for a topic."""
    schema = load_schema(folder / "schemas" / "event.avsc")
    prefix = DirectorySchemas([], known=[schema]).prefix(topic, schema)
    values: list[bytes] = []
    for start in range(0, number, CHUNK_EVENTS):
        count = min(CHUNK_EVENTS, number - start)
        values += _encoded(schema, prefix, start, count, case.payload_bytes)
    return Events(values)


def _encoded(schema: Schema, prefix: bytes, start: int, count: int, size: int) -> list[bytes]:
    rng = np.random.default_rng(start)
    noise = rng.bytes(size + count)
    columns = []
    for field in schema.arrow:
        if field.name == "id":
            columns.append(pa.array(np.arange(start, start + count), field.type))
        elif field.name == "payload":
            columns.append(pa.array([noise[i : i + size] for i in range(count)], field.type))
        elif pa.types.is_string(field.type):
            columns.append(pa.array([f"value {i % 97}" for i in range(count)], field.type))
        else:
            columns.append(pa.array(rng.integers(0, 1000, count), pa.int64()).cast(field.type))
    encoded = choose_encoder(schema).encoder.encode(pa.RecordBatch.from_arrays(columns, schema=schema.arrow), prefix)
    data, bounds = bytes(encoded.values), encoded.offsets.tolist()
    return [data[bounds[i] : bounds[i + 1]] for i in range(count)]


def _suite() -> dict[str, Any]:
    bounds = {"column": "a", "min_value": -1.0, "max_value": 1e6}
    filled = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "k"}, "severity": "critical"}
    within = {"type": "expect_column_values_to_be_between", "kwargs": bounds, "severity": "critical"}
    return {"name": "growth", "expectations": [filled, within], "meta": {"great_expectations_version": "1.24.1"}}


def _pack_model(folder: Path) -> None:
    """y = a + b: a model that costs nothing, so that the rest shows."""
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, str(folder / "sum.onnx"))
    pack(folder / "sum.onnx", "sum", into=folder / "models", now=datetime.now(UTC), columns={"": ("a", "b")})


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1), "utf-8")
