"""The two functions that the pipeline of `stream chaos` calls: some events they refuse for now."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from stream.chaos.events import LATER_S, Fate, fates
from stream.errors import TransientError


def later(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Adds `later`. Raises TransientError for an event that is hopeless, or not old enough for its fate."""
    fate = fates(batch["id"].to_numpy())
    born_ms = batch["_timestamp"].cast(pa.int64()).to_numpy()
    young = born_ms > (time.time() - LATER_S) * 1000
    if ((fate == Fate.HOPELESS) | ((fate == Fate.LATER) & young)).any():
        raise TransientError("not_yet", "refused for now, as its number says")
    return batch.append_column("later", pa.array(fate == Fate.LATER))


def patient(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Adds `patient`. Raises TransientError for an event whose fate is to wait."""
    waits = fates(batch["id"].to_numpy()) == Fate.PATIENT
    if waits.any():
        raise TransientError("not_yet", "refused for now, as its number says")
    return batch.append_column("patient", pa.array(np.zeros(batch.num_rows, bool)))
