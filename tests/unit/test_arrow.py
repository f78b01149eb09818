"""Arrow arrays by their buffers: the same as Arrow's own ways, and without pandas."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stream import arrow

ROOT = Path(__file__).parents[2]
LINE = """
import io
import sys
from pathlib import Path
import fastavro
from stream.assembly import build
from stream.avro import load_schema
from stream.avro.framing import fingerprint_prefix
from stream.batch import Messages
from stream.config import load
flight = {
    "flight_id": 1, "time_hour": 0, "carrier": "AA", "flight": 1, "tailnum": "N1", "origin": "EWR", "dest": "ATL",
    "sched_dep_time": 600, "sched_arr_time": 800, "dep_delay": 1.0, "air_time": 100.0, "distance": 700.0,
    "hour": 6, "month": 1, "day": 1,
}
event = io.BytesIO(fingerprint_prefix(load_schema(Path("schemas/flight.avsc")).fingerprint))
event.seek(0, io.SEEK_END)
fastavro.schemaless_writer(event, fastavro.schema.load_schema("schemas/flight.avsc"), flight)
pipeline = build(load(Path("pipelines/flights.yaml"), {"STREAM_KAFKA_BOOTSTRAP_SERVERS": "nowhere:1"}))
outcome = pipeline.process(Messages.of([b"", None, b"no event", event.getvalue()]))
assert len(outcome.failures) == 3
assert len(outcome.outputs[0].rows) == 1
print([name for name in ("pandas", "great_expectations") if name in sys.modules])
"""


def test_a_worker_of_compiled_checks_never_loads_pandas() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LINE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["[]"]


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u8", "f4", "f8"])
def test_numbers_go_there_and_back(dtype: str) -> None:
    values = np.arange(11).astype(dtype)
    column = arrow.of_numbers(values)
    assert column.equals(pa.array(values))
    assert arrow.numbers(column.slice(3, 5)).tolist() == values[3:8].tolist()
    assert arrow.numbers(column.slice(3, 0)).dtype == values.dtype


def test_absent_numbers_are_null() -> None:
    column = arrow.of_numbers(np.array([1, 2, 3]), pa.timestamp("ms", "UTC"), np.array([False, True, False]))
    assert column.equals(pa.array([1, None, 3], pa.timestamp("ms", "UTC")))
    assert arrow.valid(column).tolist() == [True, False, True]
    assert arrow.valid(column.slice(1)).tolist() == [False, True]
    assert arrow.valid(arrow.of_numbers(np.array([1, 2]))).tolist() == [True, True]


def test_a_strided_array_is_taken_as_it_reads() -> None:
    assert arrow.of_numbers(np.arange(10)[::3]).to_pylist() == [0, 3, 6, 9]


def test_null_is_no_boolean() -> None:
    column = pa.array([True, None, False, True, None, True, True, False, True])
    assert arrow.booleans(column).tolist() == [True, False, False, True, False, True, True, False, True]
    assert arrow.booleans(column.slice(1, 3)).tolist() == [False, False, True]
    assert arrow.of_booleans(np.array([True, False, True])).equals(pa.array([True, False, True]))
    assert arrow.booleans(pa.nulls(2, pa.bool_())).tolist() == [False, False]


def test_texts_and_bytes() -> None:
    assert arrow.of_texts(["a", "", "ü"]).equals(pa.array(["a", "", "ü"]))
    assert arrow.of_texts([]).equals(pa.array([], pa.string()))
    assert arrow.of_bytes([b"a", None, b""]).equals(pa.array([b"a", None, b""], pa.binary()))
    assert arrow.repeated("x", 3).equals(pa.array(["x"] * 3))
    with pytest.raises(UnicodeEncodeError):
        arrow.of_texts(["\udc80"])


def test_a_buffer_is_split_into_bytes() -> None:
    offsets = np.array([1, 3, 3, 5])
    assert arrow.split(b"abcdef", offsets) == [b"bc", b"", b"de"]
    assert arrow.split(memoryview(b"abcdef"), offsets[1:]) == [b"", b"de"]
    assert arrow.split(b"", np.zeros(1, np.int64)) == []


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1.5, 2.0], pa.float64()),
        ([1, 2**53], pa.float64()),
        ([1, 2.5, None], pa.float64()),
        ([1.5], pa.float32()),
        ([-(2**31), 2**31 - 1], pa.int32()),
        ([2**64 - 1], pa.uint64()),
        ([True, False], pa.bool_()),
        (["a", "b"], pa.string()),
        (["a", None], pa.string()),
        ([[1.0], None], pa.list_(pa.float64())),
        ([], pa.string()),
        ([], pa.int64()),
    ],
)
def test_values_become_what_arrow_makes_of_them(values: list[object], type_: pa.DataType) -> None:
    assert arrow.of_values(values, type_).equals(pa.array(values, type_))


@pytest.mark.parametrize(("values", "type_"), [([2**31], pa.int32()), ([-1], pa.uint8()), ([2**53 + 1], pa.float64())])
def test_values_that_do_not_fit_are_refused_by_arrow(values: list[object], type_: pa.DataType) -> None:
    with pytest.raises((pa.ArrowInvalid, OverflowError)):
        arrow.of_values(values, type_)
