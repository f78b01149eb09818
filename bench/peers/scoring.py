"""The job in plain Python: fastavro for each record, the seven rules, ONNX Runtime."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
import onnxruntime
from given import FEATURES, FLIGHT, FLIGHT_PREFIX, MODEL, MODEL_NAME, PREDICTION, PREDICTION_PREFIX

Record = dict[str, Any]
FLIGHT_SCHEMA = fastavro.parse_schema(fastavro.schema.load_schema(str(FLIGHT)))
PREDICTION_SCHEMA = fastavro.parse_schema(fastavro.schema.load_schema(str(PREDICTION)))
ORIGINS = frozenset({"EWR", "JFK", "LGA"})
CARRIER = re.compile(r"^[A-Z0-9]{2}$")
NOT_AVRO = (ValueError, EOFError, IndexError, KeyError, OverflowError, TypeError)
"""What fastavro raises for bytes that are not of the schema."""


def decode(value: bytes | None) -> Record | None:
    """None for what is no flight."""
    if value is None or not value.startswith(FLIGHT_PREFIX):
        return None
    data = BytesIO(value)
    data.seek(len(FLIGHT_PREFIX))
    try:
        flight = fastavro.schemaless_reader(data, FLIGHT_SCHEMA, None)
    except NOT_AVRO:
        return None
    return flight if data.tell() == len(value) and isinstance(flight, dict) else None


def broken_rule(f: Record) -> str | None:  # noqa: PLR0911 (the quickest way in Python)
    """The first rule that a flight breaks."""
    delay = f["dep_delay"]
    if delay is None:
        return "dep_delay is null"
    if f["air_time"] is None:
        return "air_time is null"
    if not 10 <= f["distance"] <= 6000:
        return "distance out of range"
    if not 0 <= f["hour"] <= 23:
        return "hour out of range"
    if f["origin"] not in ORIGINS:
        return "origin unknown"
    if not CARRIER.match(f["carrier"]):
        return "carrier malformed"
    if not -120 <= delay <= 1500:
        return "dep_delay out of range"
    return None


class Model:
    """One thread; the batch is one call."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])

    def score(self, flights: list[Record]) -> list[float]:
        matrix = np.array([[f[name] for name in FEATURES] for f in flights], np.float32)
        scores: list[float] = self.session.run(None, {"input": matrix})[0][:, 0].tolist()
        return scores


def encode(f: Record, delay: float) -> bytes:
    """The prediction, framed."""
    out = BytesIO()
    out.write(PREDICTION_PREFIX)
    prediction = {
        "flight_id": f["flight_id"],
        "carrier": f["carrier"],
        "origin": f["origin"],
        "dest": f["dest"],
        "predicted_delay": delay,
        "gained": f["dep_delay"] - f["air_time"] / 60,
        "model": MODEL_NAME,
    }
    fastavro.schemaless_writer(out, PREDICTION_SCHEMA, prediction)
    return out.getvalue()
