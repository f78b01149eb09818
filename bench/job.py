"""The job that every system does, its events, and what must come out.

Flights as Avro events (single-object encoding), seven rules, one ONNX model, one output topic, dead letters,
each event exactly once, in transactions of at most 10,000 events or 100 ms.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bench.models import FEATURES, TREES, Model
from stream.avro import DirectorySchemas, choose_encoder, load_schema
from stream.bench.events import Events
from stream.demo import flights

ROOT: Final = Path(__file__).parents[1]
FLIGHT: Final = ROOT / "schemas" / "flight.avsc"
PREDICTION: Final = ROOT / "schemas" / "prediction.avsc"
SUITE: Final = ROOT / "bench" / "suite.json"
INPUT, OUTPUT, DEAD_LETTERS = "flights", "predictions", "flights.dlq"
PARTITIONS: Final = 4
DAMAGED_EVERY: Final = 1000
"""The event of every thousandth number is not Avro: framing and twelve bytes of 0xff."""


@dataclass(frozen=True, slots=True)
class Job:
    """Events 0 to n - 1, known by their keys: the number in decimal.

    dead[i]: event i must become a dead letter. delay[i] and gained[i] are what must be predicted for the others.
    """

    events: Events
    dead: npt.NDArray[np.bool_]
    delay: npt.NDArray[np.float64]
    gained: npt.NDArray[np.float64]
    model: Model = TREES

    def __len__(self) -> int:
        return len(self.dead)

    def first(self, number: int) -> Job:
        """The job with only its first so many events."""
        events = Events(self.events.values[:number])
        return Job(events, self.dead[:number], self.delay[:number], self.gained[:number], self.model)


def job(number: int, model: Model = TREES) -> Job:
    """So many events: the flights of 2013, repeated, each time with ids of its own."""
    schema = load_schema(FLIGHT)
    year = flights.table(schema, number)
    table = pa.concat_tables([year] * -(-number // len(year))).slice(0, number)
    ids = pa.chunked_array([pa.array(np.arange(number))])
    table = table.set_column(table.schema.get_field_index("flight_id"), schema.arrow.field("flight_id"), ids)
    prefix = DirectorySchemas([], known=[schema]).prefix(INPUT, schema)
    dead, delay, gained = expected(table, model)
    dead[7::DAMAGED_EVERY] = True
    return Job(Events(_values(table, schema, prefix)), dead, delay, gained, model)


def expected(
    table: pa.Table, model: Model = TREES
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(breaks a rule, predicted delay, minutes gained) of each row, told without any of the systems' own code."""
    import onnxruntime

    broken = [
        pc.is_null(table["dep_delay"]),
        pc.is_null(table["air_time"]),
        _outside(table["distance"], 10, 6000),
        _outside(table["hour"], 0, 23),
        pc.invert(pc.is_in(table["origin"], pa.array(["EWR", "JFK", "LGA"]))),
        pc.invert(pc.match_substring_regex(table["carrier"], "^[A-Z0-9]{2}$")),
        _outside(table["dep_delay"], -120, 1500),
    ]
    dead: npt.NDArray[np.bool_] = np.logical_or.reduce([_numpy(column, False).astype(bool) for column in broken])
    matrix = np.column_stack([_numpy(table[name], np.nan).astype(np.float32) for name in FEATURES])
    session = onnxruntime.InferenceSession(model.file.read_bytes(), providers=["CPUExecutionProvider"])
    delay = np.zeros(len(table))
    delay[~dead] = session.run(None, {"input": matrix[~dead]})[0][:, 0]
    gained = _numpy(table["dep_delay"], np.nan) - _numpy(table["air_time"], np.nan) / 60
    return dead, delay, gained


def _values(table: pa.Table, schema: Any, prefix: bytes) -> Sequence[bytes]:
    encoder = choose_encoder(schema).encoder
    values: list[bytes] = []
    for batch in table.combine_chunks().to_batches(max_chunksize=flights.CHUNK_EVENTS):
        encoded = encoder.encode(batch, prefix)
        data, bounds = bytes(encoded.values), encoded.offsets.tolist()
        values += [data[start:end] for start, end in itertools.pairwise(bounds)]
    for number in range(7, len(values), DAMAGED_EVERY):
        values[number] = prefix + b"\xff" * 12
    return values


def _outside(column: pa.ChunkedArray, low: float, high: float) -> pa.ChunkedArray:
    return pc.or_(pc.less(column, low), pc.greater(column, high))


def _numpy(column: pa.ChunkedArray, null: Any) -> npt.NDArray[Any]:
    filled = column.cast(pa.float64()) if isinstance(null, float) else column
    return np.asarray(filled.fill_null(null).to_numpy(zero_copy_only=False))
